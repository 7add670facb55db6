// Twin of src/graph/operations/column_sum.ts.

import { type Dense, dense } from "./dense.ts";

/** (x [M, C]) added over its rows to `into` [C]; returns the new `into`. */
export function columnSum([x]: Dense[], { into }: { into: Dense }): [Dense] {
  const [M, C] = x.shape;
  const sum = dense([C], into.data);
  for (let m = 0; m < M; m++) for (let c = 0; c < C; c++) sum.data[c] += x.data[m * C + c];
  return [sum];
}
