// ReLoRA (Lialin et al. 2023, arXiv:2307.05695): every so many steps the adapter is merged into the
// base and starts anew, so that many updates of low rank add up to one of high rank. Both sets of
// Axolotl's keys are understood.

import type { Config } from "../config/config.ts";
import { EftError } from "../errors.ts";
import type { SafetensorsSet } from "../files/safetensors.ts";
import type { Memory, Program } from "../gpu/program.ts";
import { bytesOf, sizeOf, type Tensor } from "../graph/graph.ts";
import type { Limits } from "../graph/limits.ts";
import type { Plan } from "../graph/plan.ts";
import { RandomStream } from "../random.ts";
import type { ParameterGroup } from "../train/parameters.ts";
import { drawLowRank } from "./initialize.ts";
import { type AdaptedModule, type Lora, startsAgain } from "./lora.ts";
import { mergePlan } from "./merge_kernel.ts";
import { MergedBase, type MergingScratch, mergingScratch } from "./merged_base.ts";

/** What happens to the moments of A and B at a restart. */
export type Pruning =
  /** All are cleared and the optimizer's step count starts anew: Axolotl 0.4, key `relora_steps`. */
  | { method: "zero" }
  /** The smaller ones, or random ones, are cleared: a `ratio` of all. */
  | { method: "magnitude" | "random"; ratio: number };

export interface ReloraSettings {
  /** Steps from one restart to the next. */
  every: number;
  pruning: Pruning;
}

export function reloraSettings(config: Config): ReloraSettings | undefined {
  const every = config.relora_steps ?? (config.relora ? config.jagged_restart_steps : undefined);
  if (config.adapter === undefined || !every) return undefined;
  const method = config.relora_prune_method;
  if (config.relora_steps !== undefined && !config.relora && method === undefined) {
    return { every, pruning: { method: "zero" } };
  }
  const reset = method === "reset"; // in Axolotl, pruning of nearly everything
  const ratio = config.relora_prune_ratio ?? (reset ? 0.999 : 0.9);
  return {
    every,
    pruning: { method: reset ? "random" : method ?? "magnitude", ratio },
  };
}

/** Factor of the learning rate at a step (from 0): it falls before a restart and rises after it. */
export function restartFactor(config: Config): (step: number) => number {
  const every = config.jagged_restart_steps ?? config.relora_steps;
  if (!every) return () => 1;
  const warmup = (config.jagged_restart_warmup_steps ?? config.relora_warmup_steps) || 10;
  const anneal = config.jagged_restart_anneal_steps || 1;
  const least = 0.001;
  return (step) => {
    if (step < every - anneal) return 1;
    const within = step % every;
    const part = within < warmup
      ? within / warmup
      : within > every - anneal
      ? (every - within) / anneal
      : 1;
    return part * (1 - least) + least;
  };
}

/** A group of trained tensors with the moments that its optimizer keeps of them. */
type Moments = Pick<ParameterGroup, "value" | "state">;

/** Names of the moments that a restart prunes: those of the Adam family, as in Axolotl. */
const pruned = ["exp_avg", "exp_avg_sq"];

/** Throws where a run cannot be ReLoRA's; known before anything is on the device. */
export function checkRelora(config: Config, groups: readonly ParameterGroup[], lora: Lora): void {
  const fits = ({ optimizer, value, state }: ParameterGroup) =>
    !optimizer.exchange && Object.keys(state).sort().join() === pruned.join() &&
    Object.values(state).every((one) => one.dtype === "f32" && sizeOf(one) === sizeOf(value));
  if (!groups.every(fits)) {
    throw new EftError(
      "config",
      `optimizer: ReLoRA restarts the moments of AdamW, and ${config.optimizer} keeps others; use ` +
        "`optimizer: adamw_torch`.",
    );
  }
  if (config.peft_trainable_token_indices !== undefined) {
    throw new EftError(
      "config",
      "peft_trainable_token_indices: ReLoRA writes a merged model and cannot keep single trained " +
        "rows; use lora_modules_to_save: [embed_tokens, lm_head].",
    );
  }
  if (startsAgain(lora) && lora.modules.some(isQuantized)) {
    throw new EftError(
      "config",
      `lora_model_dir: ${config.lora_model_dir} has taken its start out of the base, and ReLoRA makes ` +
        "a quantized base anew of its files; use an adapter with another start.",
    );
  }
}

const pruningStreams = 0x8_0000;

const isQuantized = ({ weight }: AdaptedModule) => weight.quantized !== undefined;
const isFloat = ({ weight }: AdaptedModule) => weight.quantized === undefined;

/** What merging needs on the device. */
export interface ReloraPlan {
  /** Merges into floats. */
  merge: Plan;
  /** For weights that are quantized; a part of the plan. */
  scratch: MergingScratch;
}

export function reloraPlan({ modules }: Lora, limits: Limits): ReloraPlan {
  const merge = mergePlan(modules.filter(isFloat), limits);
  const scratch = mergingScratch(modules.filter(isQuantized));
  merge.lasting.push(...Object.values(scratch));
  return { merge, scratch };
}

/** The weights that merging changes for good. */
export function mergedBases({ modules }: Lora): Tensor[] {
  return modules.filter(isFloat).map(({ weight }) => weight);
}

export class Relora {
  readonly settings: ReloraSettings;
  restarts = 0;
  readonly #memory: Memory;
  readonly #lora: Lora;
  readonly #groups: readonly Moments[];
  readonly #seed: number;
  readonly #merge: Program;
  /** The weights that are quantized. */
  readonly quantized: MergedBase;

  private constructor(
    memory: Memory,
    lora: Lora,
    groups: readonly Moments[],
    settings: ReloraSettings,
    seed: number,
    merge: Program,
    quantized: MergedBase,
  ) {
    this.#memory = memory;
    this.#lora = lora;
    this.#groups = groups;
    this.settings = settings;
    this.#seed = seed;
    this.#merge = merge;
    this.quantized = quantized;
  }

  /** `files` are those of the base; they must stay open. */
  static async create(
    memory: Memory,
    lora: Lora,
    groups: readonly Moments[],
    settings: ReloraSettings,
    { seed, plan, files }: { seed: number; plan: ReloraPlan; files: SafetensorsSet | undefined },
  ): Promise<Relora> {
    const [merge] = await memory.compile([plan.merge]);
    const modules = lora.modules.filter(isQuantized);
    const quantized = new MergedBase(memory, modules, files, plan.scratch);
    return new Relora(memory, lora, groups, settings, seed, merge, quantized);
  }

  /** Whether the step with this number (from 0) begins with a restart. */
  isDue(step: number): boolean {
    return step > 0 && step % this.settings.every === 0;
  }

  /** Takes the count of restarts that a run has after so many steps. */
  goOnFrom(steps: number): void {
    this.restarts = Math.max(0, Math.floor((steps - 1) / this.settings.every));
  }

  /** What merging changes for good, by the names that a checkpoint gives it: weights of the base. */
  bases(): Map<string, Tensor> {
    return new Map(mergedBases(this.#lora).map((tensor) => [`base.${tensor.name}`, tensor]));
  }

  /** What `finish` changes: weights, and the B that are cleared. */
  finishedTensors(): Map<string, Tensor> {
    return new Map(
      this.#lora.modules.filter(isFloat)
        .flatMap(({ weight, lowRank: { up } }) => [
          [`base.${weight.name}`, weight],
          [`value.${up.name}`, up],
        ]),
    );
  }

  /** Leaves the adapter without effect on weights of floats, which it was merged into. */
  clear(): void {
    for (const { lowRank: { up } } of this.#lora.modules.filter(isFloat)) {
      this.#memory.write(up, new Float32Array(sizeOf(up)));
    }
  }

  /** Merges, draws A anew with B zero, and prunes the moments of both. */
  async restart(): Promise<void> {
    this.#merge.run();
    await this.quantized.merge();
    this.restarts++;
    drawLowRank(this.#memory, this.#lora, this.#seed, this.restarts);
    let stream = pruningStreams + this.restarts * 0x1_0000;
    for (const { lowRank: { down, up } } of this.#lora.modules) {
      for (const tensor of [down, up]) {
        await this.#prune(tensor, new RandomStream(this.#seed, stream++));
      }
    }
  }

  /**
   * Merges what was trained since the last restart into floats, to which the adapter then adds nothing.
   * Quantized weights are written with it, and stay as they are.
   */
  finish(): void {
    this.#merge.run();
    this.clear();
  }

  async #prune(tensor: Tensor, random: RandomStream): Promise<void> {
    const { of, offset } = tensor.view!;
    const { state } = this.#groups.find(({ value }) => value === of)!;
    const both = pruned.map((name) => state[name]);
    const { pruning } = this.settings;
    const bytes = bytesOf(tensor);
    if (pruning.method === "zero") {
      const zeros = new Float32Array(sizeOf(tensor));
      for (const moments of both) this.#memory.write(moments, zeros, offset);
      return;
    }
    const read = await this.#memory.read(both.map((moments) => ({
      tensor: moments,
      offset,
      bytes,
    })));
    for (const [i, moments] of both.entries()) {
      const values = new Float32Array(read[i]);
      if (pruning.method === "magnitude") pruneSmallest(values, pruning.ratio);
      else pruneRandomly(values, pruning.ratio, random);
      this.#memory.write(moments, values, offset);
    }
  }
}

/** Clears what is not above the quantile `ratio` of the magnitudes (interpolated, as in PyTorch). */
export function pruneSmallest(values: Float32Array, ratio: number): void {
  const sizes = Float32Array.from(values, Math.abs).sort();
  const at = ratio * (sizes.length - 1);
  const [low, high] = [sizes[Math.floor(at)], sizes[Math.ceil(at)]];
  const threshold = Math.fround(low + (high - low) * (at - Math.floor(at)));
  for (let i = 0; i < values.length; i++) if (Math.abs(values[i]) <= threshold) values[i] = 0;
}

export function pruneRandomly(values: Float32Array, ratio: number, random: RandomStream): void {
  for (let i = 0; i < values.length; i++) if (random.uniform() <= ratio) values[i] = 0;
}
