// How each trained tensor is updated: its optimizer, its own learning rate, its weight decay. The
// groups are Axolotl's (embedding_lr, lr_groups) and PEFT's (LoRA+).

import { restartFactor } from "../adapter/relora.ts";
import type { Config } from "../config/config.ts";
import { assert } from "../errors.ts";
import type { Tensor } from "../graph/graph.ts";
import { blockOf } from "./lisa.ts";
import { chooseOptimizer } from "./optimizers/index.ts";
import { optimizerArguments, OPTIMIZERS } from "./optimizers/names.ts";
import { decays, type ParameterRule } from "./parameters.ts";
import { Plateau, type Schedule, schedule, warmupSteps } from "./schedule.ts";

/** Embeddings, the output head, and weights that are trained in full beside an adapter. */
const isEmbedding = (name: string) =>
  /embed_tokens|lm_head/.test(name) || /^base_model\.(?!.*\.lora_).*\.weight$/.test(name);

/** The rule for each trained tensor of a run of `totalSteps`. */
export function parameterRules(
  config: Config,
  totalSteps: number,
): (name: string, tensor: Tensor) => ParameterRule {
  const args = optimizerArguments(config.optimizer, config.optim_args);
  assert(typeof args !== "string", "the rules of the configuration check optim_args");
  const optimizerOf = chooseOptimizer(OPTIMIZERS[config.optimizer].kind, {
    beta1: config.adam_beta1,
    beta2: config.adam_beta2,
    epsilon: config.adam_epsilon,
    warmupSteps: warmupSteps(config, totalSteps),
    args,
  });
  const scaleOf = rateScales(config);
  const { embedding_lr, embedding_lr_scale, lr_groups, loraplus_lr_ratio } = config;
  // As in Axolotl: embeddings do not decay once groups are made at all.
  const grouped = embedding_lr ?? embedding_lr_scale ?? lr_groups;
  return (name, tensor) => {
    const spared = loraplus_lr_ratio === undefined && grouped !== undefined && isEmbedding(name);
    return {
      optimizer: optimizerOf(name, tensor),
      weightDecay: decays(name) && !spared ? config.weight_decay : 0,
      rateScale: scaleOf(name, tensor),
      block: config.lisa_n_layers === undefined ? undefined : blockOf(name),
    };
  };
}

/** A tensor's learning rate over the run's. */
function rateScales(config: Config): (name: string, tensor: Tensor) => number {
  const { learning_rate: rate, embedding_lr_scale, embedding_lr, lr_groups = [] } = config;
  const over = (own: number) => rate > 0 ? own / rate : 1;
  const { loraplus_lr_ratio: ratio, loraplus_lr_embedding: slow } = config;
  if (ratio !== undefined) {
    // PEFT counts vectors (norms, magnitudes) with B. It drops weight_decay here, which Eft keeps.
    return (name, { shape }) =>
      name.includes("lora_embedding")
        ? over(slow)
        : name.includes("lora_B") || shape.length === 1
        ? ratio
        : 1;
  }
  return (name) => {
    if (isEmbedding(name)) return embedding_lr_scale ?? (embedding_lr ? over(embedding_lr) : 1);
    if (!decays(name)) return 1;
    const group = lr_groups.find(({ modules }) => modules.some((part) => name.includes(part)));
    return group ? over(group.lr) : 1;
  };
}

/** The schedule of a run (with its restarts, if any), and the part of it that evaluations change. */
export function runSchedule(
  config: Config,
  totalSteps: number,
): { factor: Schedule; plateau: Plateau } {
  const { lr_scheduler_kwargs: given = {}, learning_rate: learningRate, lr_div_factor } = config;
  const kwargs = lr_div_factor === undefined ? given : { div_factor: lr_div_factor, ...given };
  const base = schedule(config.lr_scheduler, warmupSteps(config, totalSteps), {
    kwargs,
    learningRate,
    quadraticWarmup: config.lr_quadratic_warmup,
    minRatio: config.cosine_min_lr_ratio,
    constantRatio: config.cosine_constant_lr_ratio,
  });
  const restarting = restartFactor(config);
  const factor: Schedule = (step, total) => base(step, total) * restarting(step);
  return { factor, plateau: new Plateau(learningRate, kwargs) };
}
