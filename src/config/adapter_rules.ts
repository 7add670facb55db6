// What the keys of adapters demand of one another beyond the tables of rules.ts.
import { parseInitialization } from "../adapter/settings.ts";
import { EftError } from "../errors.ts";
import type { Parsed } from "./resolve.ts";
import type { Report } from "./rules.ts";

/** Reports the problems of these keys. */
export function checkAdapter(config: Parsed, report: Report): void {
  if (config.adapter === undefined) return;
  if (config.lora_fan_in_fan_out) {
    report(
      "lora_fan_in_fan_out",
      "`lora_fan_in_fan_out` is for layers stored as inputs x outputs (Conv1D of GPT-2); the " +
        "supported models have none. Remove the line.",
    );
  }
  for (const key of ["lora_rank_pattern", "lora_alpha_pattern"] as const) {
    for (const pattern of Object.keys(config[key] ?? {})) checkPattern(key, pattern, report);
  }
  for (const rank of Object.values(config.lora_rank_pattern ?? {})) {
    if (!Number.isInteger(rank)) report("lora_rank_pattern", "a rank must be a whole number.");
  }
  if (typeof config.lora_exclude_modules === "string") {
    checkPattern("lora_exclude_modules", config.lora_exclude_modules, report);
  }
  if (config.peft_layers_pattern && config.peft_layers_to_transform === undefined) {
    report("peft_layers_pattern", "`peft_layers_pattern` needs `peft_layers_to_transform`.");
  }
  const start = initialization(config, report);
  const takesPart = ["pissa", "pissa_niter", "olora", "loftq"].includes(start ?? "");
  const patterns = [config.lora_rank_pattern, config.lora_alpha_pattern]
    .some((each) => Object.keys(each ?? {}).length > 0);
  if (takesPart && config.peft_use_dora) {
    report("peft_use_dora", `DoRA cannot start with ${start}; leave one of them out.`);
  }
  if (takesPart && start !== "loftq" && config.peft_use_rslora && patterns) {
    report(
      "peft_init_lora_weights",
      "rsLoRA with rank or alpha patterns cannot be saved for the whole base; use another start.",
    );
  }
  checkRelora(config, takesPart, report);
}

function initialization(config: Parsed, report: Report): string | undefined {
  const loftq = config.peft?.loftq_config;
  const named = config.peft_init_lora_weights;
  if (loftq && named !== undefined && named !== "loftq") {
    report(
      "peft_init_lora_weights",
      `\`peft_init_lora_weights: ${named}\` and \`peft.loftq_config\` are two ways to start; keep one.`,
    );
    return undefined;
  }
  if (!loftq && named === "loftq") {
    report(
      "peft_init_lora_weights",
      "`peft_init_lora_weights: loftq` needs `peft: {loftq_config: {loftq_bits: 4}}`.",
    );
  }
  try {
    return parseInitialization(loftq ? "loftq" : named, loftq).kind;
  } catch (error) {
    if (!(error instanceof EftError)) throw error;
    report("peft_init_lora_weights", error.message);
    return undefined;
  }
}

function checkRelora(config: Parsed, takesPart: boolean, report: Report): void {
  if (config.relora && !config.jagged_restart_steps && !config.relora_steps) {
    report("relora", "`relora: true` needs `jagged_restart_steps`: how often to merge.");
  }
  const relora = config.relora || config.relora_steps !== undefined;
  const pruning = config.relora_prune_method ?? config.relora_prune_ratio;
  if (!relora && pruning !== undefined) {
    report("relora_prune_method", "pruning needs `relora: true` and `jagged_restart_steps`.");
  }
  if (relora && (config.peft_use_dora || takesPart)) {
    report(
      config.peft_use_dora ? "peft_use_dora" : "peft_init_lora_weights",
      "ReLoRA merges plain LoRA (gaussian and rsLoRA too); DoRA, PiSSA, OLoRA and LoftQ do not go " +
        "with it.",
    );
  }
}

function checkPattern(key: string, pattern: string, report: Report): void {
  try {
    new RegExp(pattern);
  } catch (error) {
    report(key, `the pattern is not valid: ${(error as Error).message}.`);
  }
}
