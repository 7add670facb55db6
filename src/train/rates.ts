// How each trained tensor is updated: its optimizer, its own learning rate, its weight decay. The
// groups are Axolotl's (embedding_lr, lr_groups) and PEFT's (LoRA+).

import type { Config } from "../config/config.ts";
import type { Tensor } from "../graph/graph.ts";
import { chooseOptimizer } from "./optimizers/index.ts";
import { OPTIMIZERS } from "./optimizers/names.ts";
import { decays, type ParameterRule } from "./parameters.ts";
import { warmupSteps } from "./schedule.ts";

/** The rule for each trained tensor of a run of `totalSteps`. */
export function parameterRules(
  config: Config,
  totalSteps: number,
): (name: string, tensor: Tensor) => ParameterRule {
  const optimizerOf = chooseOptimizer(OPTIMIZERS[config.optimizer].kind, {
    beta1: config.adam_beta1,
    beta2: config.adam_beta2,
    epsilon: config.adam_epsilon,
    warmupSteps: warmupSteps(config, totalSteps),
    args: {},
  });
  return (name, tensor) => ({
    optimizer: optimizerOf(name, tensor),
    weightDecay: decays(name) ? config.weight_decay : 0,
    rateScale: 1,
  });
}
