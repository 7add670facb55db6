// What keys demand of one another: Axolotl's checks, as tables where they have a common form.
import type { Path } from "./document.ts";
import { checkAdapter } from "./adapter_rules.ts";
import type { Parsed, Problem } from "./resolve.ts";
import { isOff } from "./names.ts";
import { checkTraining } from "./training_rules.ts";

/** Every key that is set or has a default; those that do not work are here too. */
export type Values = Parsed & Record<string, unknown>;

const PACKING = "packing is for supervised fine-tuning";
const STREAMED = "data that is read while training cannot be compared with all other rows";
const NO_SPLIT = "streamed data cannot be split; use `test_datasets`";
const LISA = "LISA trains whole blocks of the model";
const MISTRAL = "Mistral's own tokenizer library cannot be changed";

/** Keys that exclude each other, with the reason where there is one; reported at the second. */
const EXCLUSIVE: [string, string, string?][] = [
  ["warmup_steps", "warmup_ratio"],
  ["eval_steps", "evals_per_epoch"],
  ["save_steps", "saves_per_epoch"],
  ["test_datasets", "val_set_size"],
  ["pretraining_dataset", "val_set_size", NO_SPLIT],
  ["streaming", "val_set_size", NO_SPLIT],
  ["streaming", "dataset_exact_deduplication", STREAMED],
  ["pretraining_dataset", "dataset_exact_deduplication", STREAMED],
  ["skip_prepare_dataset", "dataset_exact_deduplication"],
  ["pretraining_dataset", "include_tokens_per_second"],
  ["sample_packing", "batch_flattening"],
  ["rl", "sample_packing", PACKING],
  ["reward_model", "sample_packing", PACKING],
  ["max_memory", "gpu_memory_limit"],
  ["deepspeed", "fsdp"],
  ["deepspeed", "fsdp_config"],
  ["load_in_4bit", "load_in_8bit"],
  ["load_in_4bit", "gptq"],
  ["load_in_8bit", "gptq"],
  ["model_quantization_config", "load_in_4bit"],
  ["model_quantization_config", "load_in_8bit"],
  ["gptq", "model_revision", "download the revision and give its folder as base_model"],
  ["loraplus_lr_ratio", "lr_groups"],
  ["embedding_lr", "embedding_lr_scale", "they say the same; keep one"],
  ["adapter", "lisa_n_layers", LISA],
  ["unfrozen_parameters", "lisa_n_layers", LISA],
  ["relora_steps", "jagged_restart_steps", "the former is the old name of the latter"],
  ["relora_warmup_steps", "jagged_restart_warmup_steps", "the former is its old name"],
  ["peft_layers_to_transform", "unfrozen_parameters"],
  ["adapter", "use_onebitllms"],
  ["adapter", "qat"],
  ["load_in_4bit", "qat"],
  ["load_in_8bit", "qat"],
  ["lora_target_linear", "quantize_moe_experts"],
  ["relora", "fsdp"],
  ["relora", "deepspeed"],
  ["relora", "flash_attn_fuse_mlp"],
  ["relora", "flash_attn_fuse_qkv"],
  ["adapter", "flash_attn_fuse_mlp", "fused layers have no place for LoRA"],
  ["adapter", "flash_attn_fuse_qkv", "fused layers have no place for LoRA"],
  ["tokenizer_use_mistral_common", "added_tokens_overrides", MISTRAL],
  ["tokenizer_use_mistral_common", "special_tokens", MISTRAL],
  ["tokenizer_use_mistral_common", "tokens", MISTRAL],
  ["tokenizer_use_mistral_common", "chat_template", MISTRAL],
  ["tokenizer_use_mistral_common", "processor_kwargs", MISTRAL],
];

/** Of each list, one key may be on. */
const AT_MOST_ONE = [
  ["chunked_cross_entropy", "cut_cross_entropy", "liger_cross_entropy"]
    .concat("liger_fused_linear_cross_entropy"),
  ["flash_attention", "sdp_attention", "xformers_attention", "flex_attention", "eager_attention"]
    .concat("sage_attention", "s2_attention", "attn_implementation"),
  ["bf16", "fp16"],
];

/** Keys that need another key, and what to add. */
const NEEDS: [string, string, string][] = [
  ["pretraining_dataset", "max_steps", "max_steps: 1000"],
  ["streaming", "max_steps", "max_steps: 1000"],
  ["push_dataset_to_hub", "hf_use_auth_token", "hf_use_auth_token: true"],
  ["dataset_shard_idx", "dataset_shard_num", "dataset_shard_num: 2"],
  ["quantize_moe_experts", "adapter", "adapter: qlora"],
  ["relora", "adapter", "adapter: lora"],
  ["relora_steps", "adapter", "adapter: lora"],
  ["loraplus_lr_ratio", "adapter", "adapter: lora"],
  ["peft_use_dora", "adapter", "adapter: lora"],
  ["peft_use_rslora", "adapter", "adapter: lora"],
  ["peft_init_lora_weights", "adapter", "adapter: lora"],
  ["peft_layers_to_transform", "adapter", "adapter: lora"],
  ["peft_layers_pattern", "adapter", "adapter: lora"],
  ["peft_trainable_token_indices", "adapter", "adapter: lora"],
  ["lisa_n_layers", "lisa_step_interval", "lisa_step_interval: 20"],
  ["lisa_step_interval", "lisa_n_layers", "lisa_n_layers: 4"],
  ["activation_offloading", "gradient_checkpointing", "gradient_checkpointing: true"],
  ["selective_checkpointing", "gradient_checkpointing", "gradient_checkpointing: true"],
  ["dpo_loss_weights", "dpo_loss_type", "dpo_loss_type"],
];

type Rule = [string, (values: Values) => boolean, string];

/** Rules with a form of their own: the key to report at, when it is broken, and what to say. */
const OTHERS: Rule[] = [
  [
    "batch_size",
    (v) => both(v, "batch_size", "gradient_accumulation_steps"),
    "`batch_size` is micro_batch_size * gradient_accumulation_steps; keep one of `batch_size` " +
    "and `gradient_accumulation_steps`.",
  ],
  [
    "min_sample_len",
    (v) => v.min_sample_len > v.sequence_len,
    "`min_sample_len` is above `sequence_len`: no sample would be left.",
  ],
  [
    "datasets",
    (v) => !v.datasets && !v.pretraining_dataset,
    "`datasets` is missing. What to train on.",
  ],
  [
    "dataset_shard_idx",
    (v) => (v.dataset_shard_idx ?? 0) >= (v.dataset_shard_num ?? Infinity),
    "`dataset_shard_idx` counts from 0 and must be below `dataset_shard_num`.",
  ],
  [
    "chat_template",
    (v) => v.chat_template === "jinja" && !v.chat_template_jinja,
    "`chat_template: jinja` needs a template; add `chat_template_jinja`, a template or its file.",
  ],
  [
    "streaming",
    (v) => v.streaming && v.sample_packing && (v.datasets?.length ?? 0) > 1,
    "`streaming` with `sample_packing` takes one data set; there are several in `datasets`.",
  ],
  [
    "load_in_4bit",
    (v) => v.adapter === "qlora" && v.load_in_4bit === false,
    "`adapter: qlora` holds the base in 4 bits; remove the line.",
  ],
  [
    "load_in_8bit",
    (v) => v.adapter === "qlora" && isOn(v, "load_in_8bit"),
    "`adapter: qlora` holds the base in 4 bits; use `adapter: lora`.",
  ],
  [
    "gptq",
    (v) => v.adapter === "qlora" && isOn(v, "gptq"),
    "`adapter: qlora` does not go with a GPTQ base; use `adapter: lora`.",
  ],
  ...["load_in_4bit", "load_in_8bit", "gptq"].map((key): Rule => [
    key,
    (v) => v.adapter === undefined && isOn(v, key),
    `\`${key}\` trains with an adapter only; add \`adapter: lora\`.`,
  ]),
  [
    "reinit_weights",
    (v) =>
      v.reinit_weights &&
      (v.adapter === "qlora" || both(v, "adapter", "load_in_4bit") ||
        both(v, "adapter", "load_in_8bit") || both(v, "adapter", "gptq")),
    "a quantized base is read from files; remove `reinit_weights`.",
  ],
  [
    "save_strategy",
    (v) => v.save_strategy === "best" && !v.metric_for_best_model,
    "`save_strategy: best` needs `metric_for_best_model: eval_loss`.",
  ],
  [
    "lora_dropout",
    (v) => isOn(v, "lora_target_parameters") && v.lora_dropout > 0,
    "`lora_dropout` must be 0 with `lora_target_parameters`.",
  ],
  [
    "lr_scheduler",
    (v) => isOn(v, "relora") && v.lr_scheduler === "one_cycle",
    "`lr_scheduler: one_cycle` does not go with `relora`.",
  ],
  [
    "warmup_ratio",
    (v) => v.rl === "simpo" && v.warmup_ratio !== undefined,
    "`rl: simpo` takes `warmup_steps`, not `warmup_ratio`.",
  ],
  [
    "rl",
    (v) => v.rl === "ebft" && !isOn(v, "ebft"),
    "`rl: ebft` needs the mapping `ebft`.",
  ],
  [
    "dpo_loss_weights",
    (v) =>
      length(v.dpo_loss_weights) !== length(v.dpo_loss_type) &&
      both(v, "dpo_loss_weights", "dpo_loss_type"),
    "`dpo_loss_weights` and `dpo_loss_type` must have the same length.",
  ],
  [
    "trl",
    (v) => Number((v.trl as Record<string, unknown>)?.num_generations ?? 2) < 2,
    "`trl.num_generations` must be 2 or more: one answer cannot be compared.",
  ],
];

function isOn(values: Values, key: string): boolean {
  return !isOff(values[key]);
}

function both(values: Values, a: string, b: string): boolean {
  return isOn(values, a) && isOn(values, b);
}

function length(value: unknown): number {
  return Array.isArray(value) ? value.length : 0;
}

/**
 * The problems of a combination of keys, each at the key to change. Keys that do not work are in
 * `values` only when the file sets them.
 */
export function checkRules(values: Values): Problem[] {
  const problems: Problem[] = [];
  const report = (key: string, message: string, path: Path = [key]) => {
    problems.push({ path, what: "key", message });
  };
  for (const [a, b, reason] of EXCLUSIVE) {
    if (!both(values, a, b)) continue;
    report(b, `\`${a}\` and \`${b}\` exclude each other; ${reason ?? "keep one"}.`);
  }
  for (const keys of AT_MOST_ONE) {
    const on = keys.filter((key) => isOn(values, key) && values[key] !== "auto");
    if (on.length > 1) {
      report(
        on[1]!,
        `only one of ${on.map((key) => `\`${key}\``).join(", ")} can be set; keep one.`,
      );
    }
  }
  for (const [key, needed, add] of NEEDS) {
    if (isOn(values, key) && !isOn(values, needed)) {
      report(key, `\`${key}\` needs \`${needed}\`; add \`${add}\`.`);
    }
  }
  for (const [key, isBroken, message] of OTHERS) {
    if (isBroken(values)) report(key, message);
  }
  if (values.batch_size !== undefined && values.batch_size % values.micro_batch_size !== 0) {
    report(
      "batch_size",
      `\`batch_size\` (${values.batch_size}) must be a multiple of \`micro_batch_size\` ` +
        `(${values.micro_batch_size}).`,
    );
  }
  for (const list of ["datasets", "test_datasets"] as const) {
    for (const [i, dataset] of (values[list] ?? []).entries()) {
      checkDataset(
        dataset,
        (key, message) => report(key, `\`${list}.${i}.${key}\` ${message}`, [list, i, key]),
      );
    }
  }
  checkEvaluation(values, report);
  checkSaving(values, report);
  checkTraining(values, report);
  if (values.adapter && values.lora_model_dir === undefined) checkLora(values, report);
  checkAdapter(values, report);
  return problems;
}

export type Report = (key: string, message: string) => void;

function checkDataset(dataset: NonNullable<Parsed["datasets"]>[number], report: Report) {
  if (dataset.shards !== undefined && dataset.preprocess_shards !== undefined) {
    report("preprocess_shards", "and `shards` exclude each other; keep one.");
  }
  if ((dataset.shards_idx ?? 0) >= (dataset.shards ?? Infinity)) {
    report("shards_idx", "counts from 0 and must be below `shards`.");
  }
  if (dataset.chat_template === "jinja" && !dataset.chat_template_jinja) {
    report("chat_template", "is jinja, so it needs `chat_template_jinja`, a template or its file.");
  }
  if (dataset.message_property_mappings) {
    for (const property of ["role", "content"] as const) {
      const old = dataset[`message_field_${property}`];
      const mapped = dataset.message_property_mappings[property];
      if (old !== undefined && mapped !== undefined && old !== mapped) {
        report(`message_field_${property}`, `contradicts message_property_mappings; keep one.`);
      }
    }
  }
  if (dataset.max_input_id !== undefined && dataset.max_input_id <= dataset.min_input_id) {
    report("max_input_id", "must be above `min_input_id`.");
  }
}

function checkEvaluation(config: Values, report: Report) {
  const asked = config.eval_steps
    ? "eval_steps"
    : config.evals_per_epoch
    ? "evals_per_epoch"
    : config.eval_strategy === "steps" || config.eval_strategy === "epoch"
    ? "eval_strategy"
    : undefined;
  if (!asked) return;
  if (config.eval_strategy === "no") {
    report("eval_strategy", `\`eval_strategy: no\` contradicts \`${asked}\`; remove one.`);
  }
  if (config.eval_strategy === "epoch" && asked !== "eval_strategy") {
    report("eval_strategy", `\`eval_strategy: epoch\` contradicts \`${asked}\`; remove one.`);
  }
  if (asked !== "evals_per_epoch" && config.val_set_size === 0 && !config.test_datasets) {
    report(
      asked,
      `\`${asked}\` needs data to evaluate on; add \`val_set_size: 0.05\` or \`test_datasets\`.`,
    );
  }
}

/** Which keys of saving go together. */
function checkSaving(config: Values, report: Report) {
  const { save_strategy: strategy } = config;
  const interval = config.save_steps
    ? "save_steps"
    : config.saves_per_epoch
    ? "saves_per_epoch"
    : undefined;
  if (interval && strategy && strategy !== "steps") {
    report(
      "save_strategy",
      `\`save_strategy: ${strategy}\` contradicts \`${interval}\`; remove one.`,
    );
  }
  const asked = strategy === "best"
    ? "save_strategy"
    : config.early_stopping_patience
    ? "early_stopping_patience"
    : config.load_best_model_at_end
    ? "load_best_model_at_end"
    : undefined;
  if (asked && !evaluates(config)) {
    report(
      asked,
      `\`${asked}\` needs evaluations; add \`val_set_size: 0.05\` or \`test_datasets\`, and ` +
        "`eval_steps`.",
    );
  }
}

/** Whether there is data to evaluate on, and the wish to. */
export function evaluates(config: Parsed): boolean {
  return config.eval_strategy !== "no" &&
    (config.val_set_size > 0 || config.test_datasets !== undefined);
}

function checkLora(config: Values, report: Report) {
  if (config.lora_r === undefined) {
    report("adapter", `\`adapter: ${config.adapter}\` needs a rank; add \`lora_r: 16\`.`);
  }
  if (config.lora_alpha === undefined) {
    report("adapter", `\`adapter: ${config.adapter}\` needs a scale; add \`lora_alpha: 32\`.`);
  }
  const targets = config.lora_target_modules;
  const hasOther = isOn(config, "lora_target_parameters");
  if (!config.lora_target_linear && !hasOther && (targets === undefined || targets.length === 0)) {
    report(
      "adapter",
      `\`adapter: ${config.adapter}\` needs to know which layers to adapt; add ` +
        "`lora_target_linear: true`, or `lora_target_modules: [q_proj, v_proj]`.",
    );
  }
  if (typeof targets !== "string") return;
  try {
    new RegExp(targets);
  } catch (error) {
    report("lora_target_modules", `the pattern is not valid: ${(error as Error).message}.`);
  }
}
