// The typed configuration, and the defaults that depend on other keys.
import type { z } from "zod";
import type { Path } from "./document.ts";
import type { configSchema } from "./keys.ts";
import { isOff } from "./names.ts";
import { trainingNotes } from "./training_rules.ts";

export type Parsed = z.output<typeof configSchema>;

/** A checked configuration with every default filled in. */
export interface Config extends Parsed {
  /** Empty when there is a pretraining_dataset. */
  datasets: NonNullable<Parsed["datasets"]>;
  tokenizer_config: string;
  eval_sample_packing: boolean;
  pad_to_sequence_len: boolean;
  gradient_accumulation_steps: number;
  batch_size: number;
  eval_batch_size: number;
  save_strategy: NonNullable<Parsed["save_strategy"]>;
  load_best_model_at_end: boolean;
}

/** One entry of `datasets` or `test_datasets`. */
export type DatasetConfig = Config["datasets"][number];
/** A `type` that is a mapping. */
export type OwnFormat = Exclude<DatasetConfig["type"], string | undefined>;
/** One entry of `pretraining_dataset`. */
export type PretrainingDataset = NonNullable<Config["pretraining_dataset"]>[number];

export interface Problem {
  path: Path;
  /** Whether the name of the key or its value is at fault. */
  what: "key" | "value";
  message: string;
  /** The name or value that was probably meant. */
  meant?: string | undefined;
}

/** Fills in the defaults that depend on other keys; what is odd but harmless goes to `notes`. */
export function resolve(parsed: Parsed, written: ReadonlySet<string>, notes: string[]): Config {
  const config = { ...parsed };
  const micro = config.micro_batch_size;
  const accumulation = config.gradient_accumulation_steps ?? (config.batch_size ?? micro) / micro;

  const hasEvaluation = config.val_set_size > 0 || config.test_datasets !== undefined;
  if (!config.eval_steps) delete config.eval_steps;
  if (!config.evals_per_epoch) delete config.evals_per_epoch;
  if (!hasEvaluation && config.evals_per_epoch) {
    delete config.evals_per_epoch; // many of Axolotl's examples have it
    notes.push("evals_per_epoch: no effect without val_set_size or test_datasets");
  }
  const byEpoch = config.eval_strategy === "epoch" || config.eval_strategy === "no";
  if (hasEvaluation && !byEpoch && config.eval_steps === undefined) {
    config.evals_per_epoch ??= 1; // as in Axolotl
  }
  if (!config.save_steps) delete config.save_steps;
  if (!config.saves_per_epoch) delete config.saves_per_epoch;
  if (config.adapter === "qlora") config.load_in_4bit = true;
  if (config.warmup_steps === 1) {
    config.warmup_steps = 2;
    notes.push("warmup_steps: 1 becomes 2, as in Axolotl: the first step has a learning rate of 0");
  }
  notes.push(...trainingNotes(config));
  if (config.adapter === undefined) {
    const idle = [...written]
      .filter((key) => key.startsWith("lora_") && !isOff(parsed[key as "lora_r"]));
    if (idle.length > 0) {
      notes.push(`${idle.join(", ")}: no effect without \`adapter: lora\`; the whole model trains`);
    }
  }
  return {
    ...config,
    datasets: config.datasets ?? [],
    tokenizer_config: config.tokenizer_config ?? config.base_model,
    pad_to_sequence_len: config.pad_to_sequence_len ?? config.sample_packing,
    eval_sample_packing: config.eval_sample_packing ?? config.sample_packing,
    gradient_accumulation_steps: accumulation,
    batch_size: micro * accumulation,
    eval_batch_size: config.eval_batch_size ?? micro,
    save_strategy: config.save_strategy ??
      (config.save_steps || config.saves_per_epoch ? "steps" : "epoch"),
    load_best_model_at_end: config.load_best_model_at_end ??
      config.early_stopping_patience !== undefined,
  };
}
