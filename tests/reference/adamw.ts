// Twins of the gradient norm and of AdamW; see src/graph/operations/elementwise_update.ts.

import { type Dense, dense } from "./dense.ts";

/** (step, gradients...) to the norm [1] of all gradients together. */
export function gradientNorm([_step, ...gradients]: Dense[], _: unknown): [Dense] {
  let squares = 0;
  for (const { data } of gradients) for (const g of data) squares += g * g;
  return [dense([1], [Math.sqrt(squares)])];
}

export interface AdamW {
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
  maxNorm: number;
  group: { gradient: Dense; value: Dense; first: Dense; second: Dense };
}

/** (norm, (rate, 1 − β1ⁿ, sqrt(1 − β2ⁿ))) and a flat group [N] to the new (value, gradient, first, second), each [N]. */
export function adamw([norm, scalars]: Dense[], attributes: AdamW): [Dense, Dense, Dense, Dense] {
  const { group, beta1, beta2, epsilon, weightDecay, maxNorm } = attributes;
  const [rate, bias1, bias2Root] = scalars.data;
  const clip = maxNorm > 0 ? Math.min(1, maxNorm / (norm.data[0] + 1e-6)) : 1;
  const { shape } = group.value;
  const [value, first, second] = [dense(shape), dense(shape), dense(shape)];
  for (let i = 0; i < value.data.length; i++) {
    const g = group.gradient.data[i] * clip;
    const m = beta1 * group.first.data[i] + (1 - beta1) * g;
    const v = beta2 * group.second.data[i] + (1 - beta2) * g * g;
    const decayed = group.value.data[i] * (1 - rate * weightDecay);
    first.data[i] = m;
    second.data[i] = v;
    value.data[i] = decayed - rate * (m / bias1) / (Math.sqrt(v) / bias2Root + epsilon);
  }
  return [value, dense(shape), first, second];
}
