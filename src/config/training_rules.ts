// What the keys of optimizers, schedules and frozen parts demand of one another beyond the tables of
// rules.ts, and what a person is told about them.
import { optimizerArguments, OPTIMIZERS } from "../train/optimizers/names.ts";
import type { Parsed } from "./resolve.ts";
import { evaluates, type Report } from "./rules.ts";

/** Arguments that a schedule takes, and those that it cannot do without. */
const scheduleArguments: Record<string, { takes: string[]; needs?: string[] }> = {
  cosine: { takes: ["num_cycles"] },
  cosine_with_restarts: { takes: ["num_cycles"] },
  polynomial: { takes: ["power", "lr_end"] },
  inverse_sqrt: { takes: ["timescale"] },
  cosine_with_min_lr: {
    takes: ["num_cycles", "min_lr", "min_lr_rate"],
    needs: ["min_lr", "min_lr_rate"],
  },
  cosine_warmup_with_min_lr: {
    takes: ["num_cycles", "min_lr", "min_lr_rate", "warmup_lr_rate"],
    needs: ["min_lr", "min_lr_rate"],
  },
  warmup_stable_decay: {
    takes: [
      "num_decay_steps",
      "num_stable_steps",
      "warmup_type",
      "decay_type",
      "min_lr_ratio",
      "num_cycles",
    ],
    needs: ["num_decay_steps"],
  },
  one_cycle: {
    takes: ["pct_start", "anneal_strategy", "div_factor", "final_div_factor", "three_phase"],
  },
  reduce_lr_on_plateau: {
    takes: [
      "mode",
      "factor",
      "patience",
      "threshold",
      "threshold_mode",
      "cooldown",
      "min_lr",
      "eps",
    ],
  },
};

const words: Record<string, readonly string[]> = {
  warmup_type: ["linear", "cosine", "1-sqrt"],
  decay_type: ["linear", "cosine", "1-sqrt"],
  anneal_strategy: ["cos", "linear"],
  mode: ["min", "max"],
  threshold_mode: ["rel", "abs"],
};

/** Reports the problems of these keys. */
export function checkTraining(config: Parsed, report: Report): void {
  checkSchedule(config, report);
  const args = optimizerArguments(config.optimizer, config.optim_args);
  if (typeof args === "string") report("optim_args", args);
  for (const pattern of config.unfrozen_parameters ?? []) {
    try {
      new RegExp(pattern.replace(/\[\d*(:\d*)?\]$/, ""));
    } catch (error) {
      report("unfrozen_parameters", `the pattern is not valid: ${(error as Error).message}.`);
    }
  }
  const absolute = ["polynomial", "cosine_with_min_lr", "cosine_warmup_with_min_lr"];
  if (config.learning_rate === 0 && absolute.includes(config.lr_scheduler)) {
    report("learning_rate", `\`lr_scheduler: ${config.lr_scheduler}\` needs a rate above 0.`);
  }
}

function checkSchedule(config: Parsed, report: Report): void {
  const { lr_scheduler: name, lr_scheduler_kwargs: kwargs = {}, learning_rate: rate } = config;
  const { takes, needs } = scheduleArguments[name] ?? { takes: [] };
  for (const [key, value] of Object.entries(kwargs)) {
    if (!takes.includes(key)) {
      const known = takes.length > 0 ? `it takes ${takes.join(", ")}` : "it takes none";
      report("lr_scheduler_kwargs", `\`${name}\` has no argument \`${key}\`; ${known}.`);
    } else if (words[key] && !words[key].includes(String(value))) {
      report("lr_scheduler_kwargs", `\`${key}\` is ${value}, expected ${words[key].join(" or ")}.`);
    } else if (!words[key] && key !== "three_phase" && typeof value !== "number") {
      report("lr_scheduler_kwargs", `\`${key}\` is ${JSON.stringify(value)}, expected a number.`);
    }
  }
  const quick = config.cosine_min_lr_ratio !== undefined && name === "cosine";
  if (needs && !quick && !needs.some((key) => key in kwargs)) {
    const example = needs[0] === "num_decay_steps" ? "num_decay_steps: 100" : "min_lr_rate: 0.1";
    report(
      "lr_scheduler",
      `\`${name}\` needs ${needs.join(" or ")}; add \`lr_scheduler_kwargs: {${example}}\`.`,
    );
  }
  if (name === "polynomial" && Number(kwargs.lr_end ?? 1e-7) >= rate && rate > 0) {
    report("lr_scheduler_kwargs", "`lr_end` must be below `learning_rate`.");
  }
  if (name === "reduce_lr_on_plateau" && !evaluates(config)) {
    report(
      "lr_scheduler",
      "`reduce_lr_on_plateau` follows the evaluation loss; add `val_set_size: 0.05` or " +
        "`test_datasets`.",
    );
  }
}

/** What a person should know about the keys that the file sets. */
export function trainingNotes(config: Parsed): string[] {
  const notes: string[] = [];
  const { note } = OPTIMIZERS[config.optimizer];
  if (note) notes.push(`optimizer: ${config.optimizer}: ${note}`);
  const free = config.optimizer.startsWith("schedule_free");
  if (free && !config.lr_scheduler.startsWith("constant")) {
    notes.push(
      `optimizer: ${config.optimizer} is meant for \`lr_scheduler: constant\`; ` +
        `${config.lr_scheduler} multiplies its rate too`,
    );
  }
  const half = (["bf16", "bfloat16", "tf32"] as const).filter((key) => config[key]);
  if (half.length > 0) {
    notes.push(
      `${half.join(", ")}: frozen weights stay in the type they are stored in; activations, ` +
        "gradients, trained weights and sums are 32-bit floats, what every WebGPU device computes " +
        "in. No loss scaling is needed",
    );
  }
  const cosine =
    (["cosine_min_lr_ratio", "cosine_constant_lr_ratio", "lr_quadratic_warmup"] as const)
      .filter((key) => config[key]);
  if (cosine.length > 0 && config.lr_scheduler !== "cosine" && config.lr_scheduler !== "rex") {
    notes.push(`${cosine.join(", ")}: no effect with \`lr_scheduler: ${config.lr_scheduler}\``);
  }
  if (config.lr_quadratic_warmup && config.cosine_min_lr_ratio) {
    notes.push("cosine_min_lr_ratio: no effect beside `lr_quadratic_warmup`, as in Axolotl");
  }
  if (config.adapter !== undefined && config.unfrozen_parameters) {
    notes.push("unfrozen_parameters: no effect with an adapter, which trains nothing else");
  }
  const ranges = config.unfrozen_parameters?.filter((pattern) => /\[\d*(:\d*)?\]$/.test(pattern));
  if (config.adapter === undefined && ranges?.length && config.weight_decay > 0) {
    notes.push(
      "weight_decay: acts on the frozen rows of a tensor as well, as in Axolotl; set it to 0 to " +
        "leave them as they are",
    );
  }
  return notes;
}
