// Adagrad (Duchi et al. 2011) as in PyTorch; optim_args: lr_decay, eps.

import { elementwise, type Optimizer, type OptimizerSettings } from "./optimizer.ts";

export function adagrad({ args }: OptimizerSettings): Optimizer {
  const rateDecay = Number(args.lr_decay ?? 0);
  return elementwise({
    name: "adagrad",
    rule: "adagrad",
    states: ["sum"],
    decay: "coupled",
    constants: { EPSILON: Number(args.eps ?? 1e-10) },
    scalars: (n, rate) => [rate / (1 + (n - 1) * rateDecay)],
  });
}
