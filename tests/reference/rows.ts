// Twins of src/graph/operations/rows.ts.

import { type Dense, dense } from "./dense.ts";

/** (x [M, C], index [R]) to the rows [R, C]. */
export function gatherRows([x, index]: Dense[], _: unknown): [Dense] {
  const C = x.shape[1];
  const rows = [...index.data].map((m) => x.data.subarray(m * C, (m + 1) * C));
  return [dense([index.shape[0], C], rows.flatMap((row) => [...row]))];
}

/** (x [B·T, C], positions [B·T]) into rows of `into` [B·S, C]; a position at or past S is left out. */
export function writeCache(
  [x, positions]: Dense[],
  { into, batch }: { into: Dense; batch: number },
): [Dense] {
  const [M, C] = x.shape;
  const S = into.shape[0] / batch;
  const cache = dense(into.shape, into.data);
  for (let m = 0; m < M; m++) {
    if (positions.data[m] >= S) continue;
    const row = Math.floor(m / (M / batch)) * S + positions.data[m];
    for (let c = 0; c < C; c++) cache.data[row * C + c] = x.data[m * C + c];
  }
  return [cache];
}
