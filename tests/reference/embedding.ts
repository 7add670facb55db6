// Twin of src/graph/operations/embedding.ts.

import { type Dense, dense } from "./dense.ts";

/** (table [V, C], tokens [M]) to x [M, C]. */
export function embedding([table, tokens]: Dense[], _: unknown): [Dense] {
  const M = tokens.shape[0];
  const C = table.shape[1];
  const x = dense([M, C]);
  for (let m = 0; m < M; m++) {
    for (let c = 0; c < C; c++) x.data[m * C + c] = table.data[tokens.data[m] * C + c];
  }
  return [x];
}
