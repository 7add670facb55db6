// Lion (Chen et al. 2023, arXiv:2302.06675) as in bitsandbytes: the sign of a momentum.

import { elementwise, type Optimizer, type OptimizerSettings } from "./optimizer.ts";

export function lion({ beta1, beta2 }: OptimizerSettings): Optimizer {
  return elementwise({
    name: "lion",
    rule: "lion",
    states: ["exp_avg"],
    decay: "decoupled",
    constants: {
      BETA1: beta1,
      ONE_MINUS_BETA1: 1 - beta1,
      BETA2: beta2,
      ONE_MINUS_BETA2: 1 - beta2,
    },
    scalars: (_, rate) => [rate],
  });
}
