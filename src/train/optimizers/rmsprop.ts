// RMSprop (Hinton 2012) as in PyTorch; optim_args: alpha, eps, momentum.

import { elementwise, type Optimizer, type OptimizerSettings } from "./optimizer.ts";

export function rmsprop({ args }: OptimizerSettings): Optimizer {
  const alpha = Number(args.alpha ?? 0.99);
  const momentum = Number(args.momentum ?? 0);
  return elementwise({
    name: "rmsprop",
    rule: "rmsprop",
    states: momentum > 0 ? ["square_avg", "momentum_buffer"] : ["square_avg"],
    decay: "coupled",
    constants: {
      ALPHA: alpha,
      ONE_MINUS_ALPHA: 1 - alpha,
      EPSILON: Number(args.eps ?? 1e-8),
      MOMENTUM: momentum > 0,
      MU: momentum,
    },
    scalars: (_, rate) => [rate],
  });
}
