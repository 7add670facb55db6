// The keys of Axolotl that change nothing here or do not work yet, each with the reason, so that an
// existing file either runs or says exactly which line stands in the way.

/** Old names, and the names they stand for. */
export const ALIASES: Record<string, string> = {
  evaluation_strategy: "eval_strategy",
  dataset_processes: "dataset_num_proc",
  noisy_embedding_alpha: "neftune_noise_alpha",
  revision_of_model: "model_revision",
  type_of_model: "model_type",
  dpo_beta: "rl_beta",
  gc_steps: "gc_collect_steps",
};

/** The same for entries of `datasets`. */
export const DATASET_ALIASES: Record<string, string> = { train_on_split: "split" };

const ONE_KERNEL = "Eft has one attention kernel, exact and memory-saving, that is always used";
const PRECISION = "weights stay in the type they are stored in, and sums are in 32-bit floats";
const SAVING = "only the end of the run is saved so far";
const TRACKING = "nothing is sent to Weights & Biases so far";
const NOT_PYTHON = "it concerns Python libraries that Eft does not use";
const ONE_DEVICE = "Eft trains on one GPU";
const LOADING = "data is loaded without worker processes";
const CACHE = "prepared data is not cached so far";
const ON_HOST = "adapters are kept in 32-bit floats and merged without the GPU's memory";
const AUTOMATIC = "Eft finds this out from the model";

function same(reason: string, names: string): [string, string][] {
  return names.trim().split(/\s+/).map((name) => [name, reason]);
}

/** Keys that are accepted and change nothing, with the reason. */
export const NO_EFFECT: ReadonlyMap<string, string> = new Map([
  ...same(
    ONE_KERNEL,
    `flash_attention sdp_attention xformers_attention flex_attention eager_attention
    sage_attention attn_implementation flash_attn_cross_entropy flash_attn_fuse_mlp
    flash_attn_fuse_qkv flash_attn_rms_norm pretrain_multipack_attn multipack_real_batches
    lora_qkv_kernel lora_mlp_kernel lora_o_kernel lora_embedding_kernel chunked_cross_entropy
    cut_cross_entropy liger_cross_entropy liger_fused_linear_cross_entropy liger_rope
    liger_rms_norm liger_layer_norm liger_glu_activation`,
  ),
  ...same(PRECISION, "bf16 fp16 tf32 bfloat16 float16"),
  ...same(
    SAVING,
    `saves_per_epoch save_steps save_strategy save_total_limit save_first_step save_only_model
    save_safetensors load_best_model_at_end`,
  ),
  ...same(
    TRACKING,
    "wandb_project wandb_entity wandb_watch wandb_name wandb_run_id wandb_mode wandb_log_model",
  ),
  ...same(
    NOT_PYTHON,
    `local_rank debug torch_compile torch_compile_backend torch_compile_mode
    torch_empty_cache_steps gc_collect_steps low_cpu_mem_usage device_map trust_remote_code
    gradient_checkpointing_kwargs remove_unused_columns special_tokens_map trainer_cls
    tokenizer_save_jinja_files`,
  ),
  ...same(ONE_DEVICE, "ddp_timeout ddp_bucket_cap_mb ddp_broadcast_buffers world_size"),
  ...same(
    LOADING,
    `dataset_num_proc dataset_keep_in_memory dataloader_num_workers dataloader_pin_memory
    dataloader_prefetch_factor`,
  ),
  ...same(ON_HOST, "lora_on_cpu relora_cpu_offload peft_autocast_adapter_dtype merge_method"),
  ...same(CACHE, "dataset_prepared_path num_dataset_shards_to_save"),
  ...same(
    AUTOMATIC,
    `model_type tokenizer_type tokenizer_use_fast tokenizer_legacy is_llama_derived_model
    is_mistral_derived_model is_falcon_derived_model is_qwen_derived_model
    sample_packing_eff_est total_num_tokens include_tokens_per_second include_tkps`,
  ),
]);

const QUANTIZED = "quantized base models are not supported yet; remove the line, and use " +
  "`adapter: lora` on the unquantized model";
const PREFERENCE = "preference training is not supported yet; Eft does supervised fine-tuning";
const PRETRAINING = "streaming of pretraining data is not supported yet; use `datasets` with " +
  "`type: completion`";
const PEFT = "this variant of LoRA is not supported yet; remove the line for plain LoRA";

/** Keys of Axolotl that are refused for now, with what to do instead where there is something. */
const REFUSED: [string, string][] = [
  ...same(QUANTIZED, "load_in_4bit load_in_8bit gptq bnb_config_kwargs"),
  ...same(PREFERENCE, "rl rl_beta reward_model process_reward_model trl"),
  ...same(PRETRAINING, "pretraining_dataset streaming streaming_multipack_buffer_size"),
  ...same(
    PEFT,
    "peft peft_layer_replication peft_ensure_weight_tying",
  ),
  ["max_packed_sequence_len", "Axolotl removed it; use `sample_packing: true`"],
  ["group_by_length", "not supported yet; `sample_packing: true` avoids padding better"],
  ["deepspeed", `${ONE_DEVICE}; remove the line`],
  ["fsdp", `${ONE_DEVICE}; remove the line`],
  ["fsdp_config", `${ONE_DEVICE}; remove the line`],
];

/** The other keys of Axolotl, known by name only. */
const PLANNED = `
  base_model_config cls_model_config model_revision tokenizer_use_mistral_common processor_type
  processor_kwargs model_config model_kwargs added_tokens_overrides shrink_embeddings
  embeddings_skip_upcast fix_untrained_tokens max_memory gpu_memory_limit
  model_quantization_config model_quantization_config_kwargs use_kernels use_onebitllms fp8
  gptq_groupsize gptq_model_v1 gptq_disable_exllama quantize_moe_experts qat quantization
  rope_scaling
  lora_target_parameters loraplus_lr_ratio loraplus_lr_embedding merge_lora
  unfrozen_parameters lisa_n_layers lisa_step_interval lisa_layers_attribute
  push_dataset_to_hub hf_use_auth_token dataset_shard_num dataset_shard_idx skip_prepare_dataset
  dataset_exact_deduplication shuffle_before_merging_datasets eval_sequence_len
  sample_packing_group_size sample_packing_bin_size sample_packing_sequentially
  pad_to_multiple_of curriculum_sampling batch_flattening use_pose pose_split_on_token_ids
  pose_max_context_len pose_num_chunks chat_template chat_template_jinja chat_template_kwargs
  eot_tokens default_system_message dataloader_drop_last
  auto_find_batch_size embedding_lr embedding_lr_scale lr_groups optim_args optim_target_modules
  adam_beta3 adam_epsilon2 lr_scheduler_kwargs lr_quadratic_warmup cosine_min_lr_ratio
  cosine_constant_lr_ratio lr_div_factor metric_for_best_model greater_is_better
  early_stopping_patience resume_from_checkpoint auto_resume_from_checkpoints
  activation_offloading layer_offloading selective_checkpointing neftune_noise_alpha
  loss_watchdog_threshold loss_watchdog_patience torch_compile_options s2_attention tiled_mlp
  use_eaft eaft_alpha eaft_k generate_samples num_generation_samples generation_max_new_tokens
  generation_temperature generation_prompt_ratio eval_table_size eval_table_max_new_tokens
  eval_max_new_tokens do_causal_lm_eval eval_causal_lm_metrics do_bench_eval bench_dataset
  profiler_steps dynamic_checkpoint plugins fsdp_version context_parallel_size
  tensor_parallel_size dp_shard_size dp_replicate_size ring_attn_func use_ray ray_num_workers
  resources_per_worker
  dpo_loss_type dpo_loss_weights dpo_label_smoothing dpo_use_weighting dpo_padding_free
  dpo_use_liger_kernel precompute_ref_log_probs rl_adapter_ref_model orpo_alpha simpo_gamma
  cpo_alpha kto_desirable_weight kto_undesirable_weight center_rewards_coefficient vllm
  hub_model_id hub_strategy hub_revision mlflow_experiment_name mlflow_tracking_uri
  mlflow_run_name hf_mlflow_log_artifacts use_mlflow use_comet comet_api_key comet_workspace
  comet_project_name comet_experiment_key comet_mode comet_online comet_experiment_config
  use_tensorboard use_trackio trackio_project_name trackio_run_name trackio_space_id use_swanlab
  use_otel_metrics gradio_title gradio_share gradio_server_name gradio_server_port
  gradio_max_new_tokens gradio_temperature spectrum_top_fraction spectrum_model_name
  llmcompressor lm_eval_tasks lm_eval_batch_size lm_eval_model lm_eval_post_train
  grokfast_alpha grokfast_lamb kd_trainer kd_ce_alpha kd_alpha kd_temperature diffusion
`;

/** Keys of Axolotl that do not work yet, with the reason or advice ("" where there is none). */
export const NOT_YET: ReadonlyMap<string, string> = new Map([...same("", PLANNED), ...REFUSED]);

export const DATASET_NOT_YET: ReadonlyMap<string, string> = new Map([
  ...same(
    "",
    `name shards shards_idx preprocess_shards revision trust_remote_code field_human field_model
    conversation roles chat_template chat_template_jinja field_messages field_tools field_thinking
    template_thinking_key split_thinking message_property_mappings message_field_role
    message_field_content message_field_training message_field_training_detail roles_to_train
    train_on_eos train_on_eot drop_system_message field_system field_instruction field_input
    field_output system_prompt system_format format no_input_format step_separator
    max_completion_length train_on_last_step_only length sequence_length min_input_id
    max_input_id seed`,
  ),
]);

export const SPECIAL_TOKENS_NOT_YET: ReadonlyMap<string, string> = new Map();

const ADAMW = "use `adamw_torch`, the same AdamW with 32-bit moments";
const OPTIMIZER = "it is not supported yet; use `adamw_torch`";
const SCHEDULE = "it is not supported yet; use `cosine`, `linear` or `constant_with_warmup`";
const FORMAT = "this format of Axolotl is not supported yet";
const RECOMPUTE = "it is not supported yet; use `true`";

/** Words of Axolotl for a key whose other words work, with what to do instead. */
export const VALUES_NOT_YET: Record<string, ReadonlyMap<unknown, string>> = {
  adapter: new Map([
    ["qlora", "QLoRA is not supported yet; use `lora`"],
    ["llama-adapter", "it is not supported; use `lora`"],
    ["full", "leave `adapter` empty to train the whole model"],
  ]),
  eval_strategy: new Map([["epoch", "use `evals_per_epoch: 1`"]]),
  gradient_checkpointing: new Map(same(RECOMPUTE, "offload offload_disk unsloth")),
  optimizer: new Map([
    ...same(
      ADAMW,
      `adamw_bnb_8bit paged_adamw_8bit paged_adamw_32bit adamw_8bit adamw_torch_4bit
      adamw_torch_8bit adamw_apex_fused adamw_anyprecision ao_adamw_4bit ao_adamw_8bit
      ao_adamw_fp8 optimi_adamw`,
    ),
    ...same(
      OPTIMIZER,
      `adafactor adagrad sgd rmsprop rmsprop_bnb rmsprop_bnb_8bit rmsprop_bnb_32bit lion_32bit
      lion_8bit paged_lion_32bit paged_lion_8bit ademamix ademamix_8bit paged_ademamix_32bit
      paged_ademamix_8bit galore_adamw galore_adamw_8bit galore_adafactor lomo adalomo grokadamw
      schedule_free_adamw schedule_free_sgd schedule_free_radam apollo_adamw stable_adamw adopt_adamw
      came_pytorch muon dion sinkgd q_galore_adamw8bit lion_pytorch`,
    ),
  ]),
  lr_scheduler: new Map(
    same(
      SCHEDULE,
      `cosine_with_restarts polynomial inverse_sqrt reduce_lr_on_plateau cosine_with_min_lr
      warmup_stable_decay one_cycle rex log_sweep`,
    ),
  ),
};

/** The same for entries of `datasets`. */
export const DATASET_VALUES_NOT_YET: Record<string, ReadonlyMap<unknown, string>> = {
  type: new Map(same(
    FORMAT,
    `sharegpt chat_template llama-2 alpaca:phi jeopardy oasst gpteacher reflection explainchoice
    concisechoice summarizetldr alpaca_instruct.load alpaca_instruct.load_no_prompt
    alpaca_chat.load alpaca_chat.load_concise alpaca_chat.load_qa alpaca_chat.load_camel_ai
    alpaca_chat.load_no_prompt alpaca_w_system.load_instruct alpaca_w_system.load
    alpaca_w_system.load_chat alpaca_w_system.load_open_orca
    alpaca_w_system.load_open_orca_chatml orcamini.load context_qa.load context_qa.load_v2
    context_qa.load_404 creative_acr.load_answer creative_acr.load_critique
    creative_acr.load_revise metharme pretrain input_output stepwise_supervised _synthetic`,
  )),
  ds_type: new Map(same("only JSON and JSON Lines are read so far", "arrow parquet text csv")),
  split: new Map(same("local files have only the split `train`", "test validation")),
};

/** Whether a value asks for nothing: a feature that is turned off need not be supported. */
export function isOff(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
