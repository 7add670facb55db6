// Twin of src/graph/operations/rms_norm.ts.

import { type Dense, dense } from "./dense.ts";

/** (x [M, C], weight [C]) to (y [M, C], rstd [M]). */
export function rmsNorm([x, weight]: Dense[], { epsilon }: { epsilon: number }): [Dense, Dense] {
  const [M, C] = x.shape;
  const y = dense([M, C]);
  const rstd = dense([M]);
  for (let m = 0; m < M; m++) {
    let squares = 0;
    for (let c = 0; c < C; c++) squares += x.data[m * C + c] ** 2;
    rstd.data[m] = 1 / Math.sqrt(squares / C + epsilon);
    for (let c = 0; c < C; c++) {
      y.data[m * C + c] = x.data[m * C + c] * rstd.data[m] * weight.data[c];
    }
  }
  return [y, rstd];
}
