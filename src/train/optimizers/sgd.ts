// Stochastic gradient descent as in PyTorch; optim_args: momentum, dampening, nesterov.

import { elementwise, type Optimizer, type OptimizerSettings } from "./optimizer.ts";

export function sgd({ args }: OptimizerSettings): Optimizer {
  const momentum = Number(args.momentum ?? 0);
  const dampening = Number(args.dampening ?? 0);
  return elementwise({
    name: "sgd",
    rule: "sgd",
    states: momentum > 0 ? ["momentum_buffer"] : [],
    decay: "coupled",
    constants: { MOMENTUM: momentum > 0, MU: momentum, NESTEROV: args.nesterov === true },
    scalars: (n, rate) => [rate, n === 1 ? 1 : 1 - dampening],
  });
}
