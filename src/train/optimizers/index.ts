// Every optimizer by its kind, and which one updates which tensor.

import type { Tensor } from "../../graph/graph.ts";
import { adafactor } from "./adafactor.ts";
import { adagrad } from "./adagrad.ts";
import { adamw } from "./adamw.ts";
import { adopt } from "./adopt.ts";
import { adamw8bit, lion8bit } from "./eight_bit.ts";
import { lion } from "./lion.ts";
import { muon } from "./muon.ts";
import type { OptimizerKind } from "./names.ts";
import type { Optimizer, OptimizerSettings } from "./optimizer.ts";
import { rmsprop } from "./rmsprop.ts";
import { scheduleFreeAdamw } from "./schedule_free_adamw.ts";
import { sgd } from "./sgd.ts";
import { stableAdamw } from "./stable_adamw.ts";

export type { Optimizer, OptimizerSettings } from "./optimizer.ts";

/** The optimizer of a trained tensor, by its name and shape. */
export type OptimizerChoice = (name: string, tensor: Tensor) => Optimizer;

type Make = (settings: OptimizerSettings) => OptimizerChoice;

/** The same optimizer for every tensor. */
const everywhere = (make: (settings: OptimizerSettings) => Optimizer): Make => (settings) => {
  const made = make(settings);
  return () => made;
};

const kinds: Record<OptimizerKind, Make> = {
  adamw: everywhere(adamw),
  adamw_8bit: adamw8bit,
  lion: everywhere(lion),
  lion_8bit: lion8bit,
  sgd: everywhere(sgd),
  adagrad: everywhere(adagrad),
  rmsprop: everywhere(rmsprop),
  adafactor: everywhere(adafactor),
  muon,
  stable_adamw: everywhere(stableAdamw),
  adopt: everywhere(adopt),
  schedule_free_adamw: everywhere(scheduleFreeAdamw),
};

export function chooseOptimizer(
  kind: OptimizerKind,
  settings: OptimizerSettings,
): OptimizerChoice {
  return kinds[kind](settings);
}
