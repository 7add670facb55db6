// Twin of src/graph/operations/rope.ts.

import { type Dense, dense } from "./dense.ts";

/** (x [M, H·D], positions [M], table [P, D]) to x rotated: element i of a head turns with i + D/2. */
export function rope(
  [x, positions, table]: Dense[],
  { heads, inverse }: { heads: number; inverse?: boolean },
): [Dense] {
  const [M, width] = x.shape;
  const D = width / heads;
  const y = dense(x.shape);
  for (let m = 0; m < M; m++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < D / 2; i++) {
        const cosine = table.data[positions.data[m] * D + i];
        const sine = table.data[positions.data[m] * D + D / 2 + i] * (inverse ? -1 : 1);
        const first = m * width + h * D + i;
        const second = first + D / 2;
        y.data[first] = x.data[first] * cosine - x.data[second] * sine;
        y.data[second] = x.data[second] * cosine + x.data[first] * sine;
      }
    }
  }
  return [y];
}
