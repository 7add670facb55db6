// What keys demand of one another, and the defaults that depend on other keys.
import type { z } from "zod";
import type { Path } from "./document.ts";
import type { configSchema } from "./keys.ts";

type Parsed = z.output<typeof configSchema>;

/** A checked configuration with every default filled in. */
export interface Config extends Parsed {
  tokenizer_config: string;
  eval_sample_packing: boolean;
  pad_to_sequence_len: boolean;
  gradient_accumulation_steps: number;
  batch_size: number;
  eval_batch_size: number;
  save_strategy: "no" | "epoch" | "steps" | "best";
  load_best_model_at_end: boolean;
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
  checkSaving(config, written, report);
  if (config.adapter === "lora") checkLora(config, report);
  return problems;
}

type Report = (key: string, message: string) => void;

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
    : config.eval_strategy === "steps" || config.eval_strategy === "epoch"
    ? "eval_strategy"
    : undefined;
  if (!asked) return;
  if (config.eval_strategy === "epoch" && asked !== "eval_strategy") {
    report("eval_strategy", `\`eval_strategy: epoch\` contradicts \`${asked}\`; remove one.`);
  }
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

/** Which keys of saving go together. */
function checkSaving(config: Parsed, written: ReadonlySet<string>, report: Report) {
  const { save_strategy: strategy } = config;
  const interval = config.save_steps
    ? "save_steps"
    : config.saves_per_epoch
    ? "saves_per_epoch"
    : undefined;
  if (config.save_steps && config.saves_per_epoch) {
    report("saves_per_epoch", "`save_steps` and `saves_per_epoch` exclude each other; keep one.");
  }
  if (interval && strategy && strategy !== "steps") {
    report(
      "save_strategy",
      `\`save_strategy: ${strategy}\` contradicts \`${interval}\`; remove one.`,
    );
  }
  if (strategy === "best" && !written.has("metric_for_best_model")) {
    report("save_strategy", "`save_strategy: best` needs `metric_for_best_model: eval_loss`.");
  }
  const needsEvaluation = strategy === "best"
    ? "save_strategy"
    : config.early_stopping_patience
    ? "early_stopping_patience"
    : config.load_best_model_at_end
    ? "load_best_model_at_end"
    : undefined;
  if (needsEvaluation && !evaluates(config)) {
    report(
      needsEvaluation,
      `\`${needsEvaluation}\` needs evaluations; add \`val_set_size: 0.05\` or ` +
        "`test_datasets`, and `eval_steps`.",
    );
  }
}

function evaluates(config: Parsed): boolean {
  return config.eval_strategy !== "no" &&
    (config.val_set_size > 0 || config.test_datasets !== undefined);
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
  const byEpoch = config.eval_strategy === "epoch" || config.eval_strategy === "no";
  if (hasEvaluation && !byEpoch && config.eval_steps === undefined) {
    config.evals_per_epoch ??= 1; // as in Axolotl
  }
  if (!config.save_steps) delete config.save_steps;
  if (!config.saves_per_epoch) delete config.saves_per_epoch;
  config.save_strategy ??= config.save_steps || config.saves_per_epoch ? "steps" : "epoch";
  config.load_best_model_at_end ??= config.early_stopping_patience !== undefined;
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
    save_strategy: config.save_strategy,
    load_best_model_at_end: config.load_best_model_at_end,
    tokenizer_config: config.tokenizer_config ?? config.base_model,
    pad_to_sequence_len: config.pad_to_sequence_len ?? config.sample_packing,
    eval_sample_packing: config.eval_sample_packing ?? config.sample_packing,
    gradient_accumulation_steps: accumulation,
    batch_size: micro * accumulation,
    eval_batch_size: config.eval_batch_size ?? micro,
  };
}
