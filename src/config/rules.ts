// What keys demand of one another, and the defaults that depend on other keys.
import type { z } from "zod";
import { checkAdapter } from "./adapter_rules.ts";
import type { Path } from "./document.ts";
import type { configSchema } from "./keys.ts";

export type Parsed = z.output<typeof configSchema>;

/** A checked configuration with every default filled in. */
export interface Config extends Parsed {
  tokenizer_config: string;
  eval_sample_packing: boolean;
  pad_to_sequence_len: boolean;
  gradient_accumulation_steps: number;
  batch_size: number;
  eval_batch_size: number;
}

export interface Problem {
  path: Path;
  /** Whether the name of the key or its value is at fault. */
  what: "key" | "value";
  message: string;
}

/**
 * The problems of a combination of keys, each at the key to change. `written` holds the keys that
 * the file sets.
 */
export function checkRules(config: Parsed, written: ReadonlySet<string>): Problem[] {
  const problems: Problem[] = [];
  const report = (key: string, message: string) =>
    problems.push({ path: [key], what: "key", message });
  const excludes = (a: string, b: string, message: string) => {
    if (written.has(a) && written.has(b)) report(b, message);
  };

  excludes(
    "warmup_steps",
    "warmup_ratio",
    "`warmup_steps` and `warmup_ratio` exclude each other; keep one.",
  );
  excludes(
    "gradient_accumulation_steps",
    "batch_size",
    "`batch_size` is micro_batch_size * gradient_accumulation_steps; keep one of `batch_size` " +
      "and `gradient_accumulation_steps`.",
  );
  if (config.batch_size !== undefined && config.batch_size % config.micro_batch_size !== 0) {
    report(
      "batch_size",
      `\`batch_size\` (${config.batch_size}) must be a multiple of \`micro_batch_size\` ` +
        `(${config.micro_batch_size}).`,
    );
  }
  if (config.min_sample_len > config.sequence_len) {
    report("min_sample_len", "`min_sample_len` is above `sequence_len`: no sample would be left.");
  }
  checkEvaluation(config, report);
  if (config.adapter === "lora" && config.lora_model_dir === undefined) checkLora(config, report);
  checkAdapter(config, written, report);
  return problems;
}

export type Report = (key: string, message: string) => void;

function checkEvaluation(config: Parsed, report: Report) {
  if (config.test_datasets && config.val_set_size > 0) {
    report("val_set_size", "`val_set_size` and `test_datasets` exclude each other; keep one.");
  }
  if (config.eval_steps && config.evals_per_epoch) {
    report("evals_per_epoch", "`eval_steps` and `evals_per_epoch` exclude each other; keep one.");
  }
  const asked = config.eval_steps
    ? "eval_steps"
    : config.evals_per_epoch
    ? "evals_per_epoch"
    : config.eval_strategy === "steps"
    ? "eval_strategy"
    : undefined;
  if (!asked) return;
  if (config.eval_strategy === "no") {
    report("eval_strategy", `\`eval_strategy: no\` contradicts \`${asked}\`; remove one.`);
  }
  if (config.val_set_size === 0 && !config.test_datasets) {
    report(
      asked,
      `\`${asked}\` needs data to evaluate on; add \`val_set_size: 0.05\` or \`test_datasets\`.`,
    );
  }
}

function checkLora(config: Parsed, report: Report) {
  if (config.lora_r === undefined) {
    report("adapter", "`adapter: lora` needs a rank; add `lora_r: 16`.");
  }
  if (config.lora_alpha === undefined) {
    report("adapter", "`adapter: lora` needs a scale; add `lora_alpha: 32`.");
  }
  const targets = config.lora_target_modules;
  if (!config.lora_target_linear && (targets === undefined || targets.length === 0)) {
    report(
      "adapter",
      "`adapter: lora` needs to know which layers to adapt; add `lora_target_linear: true`, or " +
        "`lora_target_modules: [q_proj, v_proj]`.",
    );
  }
  if (typeof targets !== "string") return;
  try {
    new RegExp(targets);
  } catch (error) {
    report("lora_target_modules", `the pattern is not valid: ${(error as Error).message}.`);
  }
}

/** Fills in the defaults that depend on other keys; what is odd but harmless goes to `notes`. */
export function resolve(parsed: Parsed, written: ReadonlySet<string>, notes: string[]): Config {
  const config = { ...parsed };
  const micro = config.micro_batch_size;
  const accumulation = config.gradient_accumulation_steps ?? (config.batch_size ?? micro) / micro;

  const hasEvaluation = config.val_set_size > 0 || config.test_datasets !== undefined;
  if (!config.eval_steps) delete config.eval_steps;
  if (!config.evals_per_epoch) delete config.evals_per_epoch;
  if (hasEvaluation && config.eval_strategy !== "no" && config.eval_steps === undefined) {
    config.evals_per_epoch ??= 1; // as in Axolotl
  }
  if (config.warmup_steps === 1) {
    config.warmup_steps = 2;
    notes.push("warmup_steps: 1 becomes 2, as in Axolotl: the first step has a learning rate of 0");
  }
  if (config.adapter === undefined) {
    const idle = [...written].filter((key) => key.startsWith("lora_") && parsed[key as "lora_r"]);
    if (idle.length > 0) {
      notes.push(`${idle.join(", ")}: no effect without \`adapter: lora\`; the whole model trains`);
    }
  }
  return {
    ...config,
    tokenizer_config: config.tokenizer_config ?? config.base_model,
    pad_to_sequence_len: config.pad_to_sequence_len ?? config.sample_packing,
    eval_sample_packing: config.eval_sample_packing ?? config.sample_packing,
    gradient_accumulation_steps: accumulation,
    batch_size: micro * accumulation,
    eval_batch_size: config.eval_batch_size ?? micro,
  };
}
