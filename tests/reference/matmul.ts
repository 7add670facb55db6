// Twins of src/graph/operations/matmul.ts.

import { type Dense, dense } from "./dense.ts";

/** (x [M, K], weight [N, K] [, bias [N]] [, sum [M, N]]) to scale·x·weightᵀ [+ bias] [+ sum], [M, N]. */
export function linear(
  inputs: Dense[],
  { scale = 1, bias, add }: { scale?: number; bias?: boolean; add?: boolean },
): [Dense] {
  const [x, weight] = inputs;
  const [M, K] = x.shape;
  const N = weight.shape[0];
  const y = dense([M, N]);
  for (let m = 0; m < M; m++) {
    for (let n = 0; n < N; n++) {
      let sum = 0;
      for (let k = 0; k < K; k++) sum += x.data[m * K + k] * weight.data[n * K + k];
      let value = scale * sum;
      if (bias) value += inputs[2].data[n];
      if (add) value += inputs[bias ? 3 : 2].data[m * N + n];
      y.data[m * N + n] = value;
    }
  }
  return [y];
}
