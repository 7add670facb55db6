// AdamW (Loshchilov & Hutter 2019) as in PyTorch; the start and the default of every run.

import { elementwise, type Optimizer, type OptimizerSettings } from "./optimizer.ts";

export function adamw({ beta1, beta2, epsilon }: OptimizerSettings): Optimizer {
  return elementwise({
    name: "adamw",
    rule: "adamw",
    states: ["exp_avg", "exp_avg_sq"],
    decay: "decoupled",
    constants: {
      BETA1: beta1,
      ONE_MINUS_BETA1: 1 - beta1,
      BETA2: beta2,
      ONE_MINUS_BETA2: 1 - beta2,
      EPSILON: epsilon,
    },
    scalars: (n, rate) => biasCorrections(n, rate, beta1, beta2),
  });
}

/** (rate, 1 − β1ⁿ, sqrt(1 − β2ⁿ)), which several relatives of Adam read. */
export function biasCorrections(n: number, rate: number, beta1: number, beta2: number): number[] {
  return [rate, 1 - beta1 ** n, Math.sqrt(1 - beta2 ** n)];
}
