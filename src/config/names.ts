// Other names for keys, and the words for values: which words mean a word that works, and which
// words of Axolotl do not work yet.

/** Old names, and the names they stand for. */
export const ALIASES: Record<string, string> = {
  evaluation_strategy: "eval_strategy",
  dataset_processes: "dataset_num_proc",
  noisy_embedding_alpha: "neftune_noise_alpha",
  revision_of_model: "model_revision",
  type_of_model: "model_type",
  overrides_of_model_config: "model_config",
  overrides_of_model_kwargs: "model_kwargs",
  dpo_beta: "rl_beta",
  gc_steps: "gc_collect_steps",
  pretrain_multipack_buffer_size: "streaming_multipack_buffer_size",
};

/** The same for entries of `datasets`. */
export const DATASET_ALIASES: Record<string, string> = { train_on_split: "split" };

/** The same for entries of `pretraining_dataset`. */
export const PRETRAINING_ALIASES: Record<string, string> = {
  train_on_split: "split",
  field: "text_column",
};

interface Meaning {
  value: unknown;
  note: string;
}

function all(names: string, meaning: string): [string, string][] {
  return names.trim().split(/\s+/).map((name) => [name, meaning]);
}

const RECOMPUTE: Meaning = {
  value: true,
  note: "activations are recomputed, and nothing is moved off the GPU",
};

/** Words that mean the same as a word that works, here. */
export const SAME_AS: Record<string, ReadonlyMap<unknown, Meaning>> = {
  gradient_checkpointing: new Map([
    ["offload", RECOMPUTE],
    ["offload_disk", RECOMPUTE],
    ["unsloth", RECOMPUTE],
  ]),
};

const EIGHT_BIT = "this optimizer is not offered; `adamw_bnb_8bit` saves nearly as much memory";
const ADEMAMIX = "this optimizer is not offered; use `adamw_torch` or `adamw_bnb_8bit`";
const PROJECTED = "this optimizer is not offered; `adafactor` and `adapter: lora` save memory too";
const OTHER = "this optimizer is not offered; use `adamw_torch`";
const SCHEDULE = "this schedule is not offered; use `cosine`, `linear` or `constant_with_warmup`";
const FORMAT = "this format of Axolotl is not supported yet";

/** Words of Axolotl that are refused, with what to do instead. */
export const VALUES_NOT_YET: Record<string, ReadonlyMap<unknown, string>> = {
  adapter: new Map([
    ["llama-adapter", "it is not supported; use `lora`"],
    ["mora", "it is not supported; use `lora`"],
    ["full", "leave `adapter` empty to train the whole model"],
  ]),
  optimizer: new Map([
    ...all("adamw_torch_4bit ao_adamw_4bit ao_adamw_fp8", EIGHT_BIT),
    ...all("ademamix ademamix_8bit paged_ademamix_32bit paged_ademamix_8bit", ADEMAMIX),
    ...all(
      `galore_adamw galore_adamw_8bit galore_adafactor galore_adamw_layerwise
      galore_adamw_8bit_layerwise galore_adafactor_layerwise q_galore_adamw8bit apollo_adamw
      apollo_adamw_layerwise`,
      PROJECTED,
    ),
    ...all(
      `lomo adalomo grokadamw schedule_free_sgd schedule_free_radam came_pytorch dion sinkgd
      rmsprop_bnb_8bit flash_adamw flash_adam flash_sgd flash_sgdw flash_lion`,
      OTHER,
    ),
    ["paged_adamw", "the name is not complete; use `paged_adamw_32bit` or `paged_adamw_8bit`"],
  ]),
  lr_scheduler: new Map(all("log_sweep greedy", SCHEDULE)),
};

/** The same for entries of `datasets`; formats that work are told by the data, not by this list. */
export const DATASET_VALUES_NOT_YET: Record<string, ReadonlyMap<unknown, string>> = {
  type: new Map(all(
    `alpaca alpaca:chat alpaca:chatml alpaca:phi sharegpt sharegpt:chat sharegpt.load_role
    sharegpt.load_guanaco sharegpt.load_ultrachat sharegpt_jokes llama2_chat chat_template
    pygmalion jeopardy oasst gpteacher reflection explainchoice concisechoice summarizetldr
    alpaca_instruct.load alpaca_instruct.load_no_prompt alpaca_chat.load alpaca_chat.load_concise
    alpaca_chat.load_qa alpaca_chat.load_camel_ai alpaca_chat.load_no_prompt
    alpaca_w_system.load_instruct alpaca_w_system.load alpaca_w_system.load_chat
    alpaca_w_system.load_open_orca alpaca_w_system.load_open_orca_chatml orcamini.load
    context_qa.load context_qa.load_v2 context_qa.load_404 creative_acr.load_answer
    creative_acr.load_critique creative_acr.load_revise metharme completion pretrain input_output
    stepwise_supervised _synthetic`,
    FORMAT,
  )),
};

/** Python modules of `plugins` whose keys are all without effect. */
export const IDLE_PLUGINS = /liger|cut_cross_entropy|kernels|swanlab|expert_parallel|otel/i;

/** Whether a value asks for nothing: a feature that is turned off need not be supported. */
export function isOff(value: unknown, otherwise?: string): boolean {
  if (value === null || value === undefined || value === false || value === "") return true;
  if (value === 0) return true;
  if (otherwise !== undefined && value === meaning(otherwise)) return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === "object" && Object.values(value).every((each) => isOff(each));
}

function meaning(text: string): unknown {
  const number = Number(text);
  return text === "true" ? true : text !== "" && !Number.isNaN(number) ? number : text;
}
