// Twins of src/graph/operations/dora.ts.

import { type Dense, dense } from "./dense.ts";

/** (squares [N], cross [R, N], gram [R, R], up [N, R]) to the lengths of the rows, [N]. */
export function rowNorm(
  [squares, cross, gram, up]: Dense[],
  { scale }: { scale: number },
): [Dense] {
  const [N, R] = up.shape;
  const norm = dense([N]);
  for (let n = 0; n < N; n++) {
    let sum = squares.data[n];
    for (let r = 0; r < R; r++) {
      sum += 2 * scale * up.data[n * R + r] * cross.data[r * N + n];
      for (let q = 0; q < R; q++) {
        sum += scale ** 2 * up.data[n * R + r] * gram.data[r * R + q] * up.data[n * R + q];
      }
    }
    norm.data[n] = Math.sqrt(sum);
  }
  return [norm];
}

/** (x [M, N], magnitude [N], norm [N] [, bias [N]]) to x·magnitude / norm [+ bias]. */
export function columnScale([x, magnitude, norm, bias]: Dense[], _: unknown): [Dense] {
  const N = x.shape[1];
  const scaled = x.data.map((value, i) => value * magnitude.data[i % N] / norm.data[i % N]);
  return [dense(x.shape, scaled.map((value, i) => value + (bias ? bias.data[i % N] : 0)))];
}
