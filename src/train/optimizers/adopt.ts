// ADOPT (Taniguchi et al. 2024, arXiv:2411.02853) with decoupled weight decay, as Axolotl sets it.

import { elementwise, type Optimizer, type OptimizerSettings } from "./optimizer.ts";

export function adopt({ beta1, beta2, epsilon }: OptimizerSettings): Optimizer {
  return elementwise({
    name: "adopt",
    rule: "adopt",
    states: ["exp_avg", "exp_avg_sq"],
    decay: "decoupled",
    constants: {
      ONE_MINUS_BETA1: 1 - beta1,
      BETA2: beta2,
      ONE_MINUS_BETA2: 1 - beta2,
      EPSILON: epsilon,
    },
    // The bound of a normalised gradient; a negative one marks the first step, which only measures.
    scalars: (n, rate) => [rate, n === 1 ? -1 : (n - 1) ** 0.25],
  });
}
