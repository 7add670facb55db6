// Keys of the training loop: batches, optimizer, schedule, evaluation, saving, and how kernels run.
import {
  flag,
  fraction,
  integer,
  number,
  oneOf,
  positive,
  steps,
  type WorkingKey,
} from "../values.ts";
import { type Group, known } from "./known.ts";

const ADAMW = "remove the line; `optimizer: adamw_torch` needs none of it";
const OTHER_OPTIMIZER = "this optimizer is not part of Eft; use `adamw_torch`";
const SCHEDULE = "use `cosine`, `linear` or `constant_with_warmup` and remove the line";
const ONE_KERNEL = "Eft has kernels of its own, exact and memory-saving, that are always used";
const ONE_GPU = "Eft trains on one GPU, so there is nothing to spread; mind that the batch per " +
  "step is micro_batch_size * gradient_accumulation_steps";
const NOT_PYTHON = "it concerns Python libraries that Eft does not use";
const SAVING = "only the end of the run is saved so far";
const MEMORY = "Eft plans the memory itself (eft plan); nothing is moved off the GPU";

const works = {
  micro_batch_size: { schema: integer(1).default(1), description: "Rows computed at once." },
  gradient_accumulation_steps: {
    schema: integer(1).optional(),
    description: "Micro batches per optimizer step; by default 1.",
  },
  batch_size: {
    schema: integer(1).optional(),
    description: "micro_batch_size * gradient_accumulation_steps, in place of the latter.",
  },
  eval_batch_size: {
    schema: integer(1).optional(),
    description: "Rows computed at once in evaluation; by default micro_batch_size.",
  },
  num_epochs: { schema: positive().default(1), description: "How often the data is gone through." },
  max_steps: { schema: integer(1).optional(), description: "Stop after this many steps." },
  learning_rate: { schema: number(0), description: "The highest learning rate of the schedule." },
  lr_scheduler: {
    schema: oneOf("cosine", "linear", "constant", "constant_with_warmup").default("cosine"),
    description: "How the learning rate changes over the run.",
  },
  warmup_steps: {
    schema: integer(0, "a whole number, 0 or more (a part of the run is warmup_ratio)").optional(),
    description: "Steps in which the learning rate rises from 0; by default 3 %, at most 100.",
  },
  warmup_ratio: { schema: fraction().optional(), description: "The same as a part of the run." },
  optimizer: {
    schema: oneOf("adamw_torch", "adamw_torch_fused", "adamw_hf").default("adamw_torch_fused"),
    description: "The optimizer; all three names are AdamW.",
  },
  weight_decay: { schema: number(0).default(0), description: "Decoupled weight decay." },
  adam_beta1: { schema: fraction().default(0.9), description: "Decay of the first moment." },
  adam_beta2: { schema: fraction().default(0.999), description: "Decay of the second moment." },
  adam_epsilon: { schema: positive().default(1e-8), description: "Added to the denominator." },
  max_grad_norm: {
    schema: number(0).default(1),
    description: "Gradients are scaled down to this global norm; 0 turns it off.",
  },
  gradient_checkpointing: {
    schema: flag.default(false),
    description: "Recompute activations in the backward pass: less memory, more time.",
  },
  seed: { schema: integer(0).default(42), description: "The seed of every random number." },
  eval_steps: {
    schema: steps.optional(),
    description: "Evaluate every so many steps, or every such fraction of the run.",
  },
  evals_per_epoch: { schema: integer(0).optional(), description: "Evaluations per epoch." },
  eval_strategy: {
    schema: oneOf("steps", "epoch", "no").optional(),
    description: "steps goes with eval_steps, epoch is once per epoch, no turns evaluation off.",
  },
} satisfies Record<string, WorkingKey>;

export const TRAINING = {
  title: "Training",
  works,
  others: {
    ...known(
      "planned",
      ADAMW,
      `
      embedding_lr | number | | The learning rate of embeddings.
      embedding_lr_scale | number | | The same, as a factor.
      lr_groups | list | | Learning rates of single modules.
      lr_groups.name | text | | What the group is called.
      lr_groups.modules | texts | | Its modules.
      lr_groups.lr | number | | Its learning rate.
      optim_args | text or mapping | | Further arguments of the optimizer.
      `,
    ),
    ...known(
      "refused",
      OTHER_OPTIMIZER,
      `
      optim_target_modules | texts or "all_linear" | | GaLore: the modules it is for.
      adam_beta3 | number | | CAME: the third decay.
      adam_epsilon2 | number | | CAME: the second epsilon.
      dion_lr | number | | Dion: the learning rate.
      dion_momentum | number | | Dion: the momentum.
      dion_rank_fraction | number | 1 | Dion: the rank, as a part of the full one.
      dion_rank_multiple_of | integer | 1 | Dion: ranks are rounded up to a multiple.
      qgalore_rank | integer | 256 | Q-GaLore: the rank of the projection.
      qgalore_update_proj_gap | integer | 200 | Q-GaLore: steps between projections.
      qgalore_scale | number | 0.25 | Q-GaLore: the scale of the gradient.
      qgalore_proj_type | text | std | Q-GaLore: the kind of projection.
      qgalore_proj_quant | flag | true | Q-GaLore: quantize the projection.
      qgalore_proj_bits | integer | 4 | Q-GaLore: bits of the projection.
      qgalore_proj_group_size | integer | 256 | Q-GaLore: values that share a scale.
      qgalore_cos_threshold | number | 0.4 | Q-GaLore: when a projection counts as stable.
      qgalore_gamma_proj | integer | 2 | Q-GaLore: how the gap grows.
      qgalore_queue_size | integer | 5 | Q-GaLore: projections that are compared.
      grokfast_alpha | number | 0.98 | Grokfast: the decay of the slow gradient.
      grokfast_lamb | number | 2 | Grokfast: how much it is amplified.
      `,
    ),
    ...known(
      "planned",
      SCHEDULE,
      `
      lr_scheduler_kwargs | mapping | | Further arguments of the schedule.
      lr_quadratic_warmup | flag | | The learning rate rises with the square of the step.
      cosine_min_lr_ratio | number | | cosine ends at this part of the learning rate.
      cosine_constant_lr_ratio | number | | cosine is constant after this part of the run.
      lr_div_factor | number | | one_cycle: how far below it begins.
      `,
    ),
    ...known(
      "planned",
      "set micro_batch_size to what fits; eft plan says what a size takes",
      `
      auto_find_batch_size | flag | | Try smaller batches until one fits.
      `,
    ),
    ...known(
      "planned",
      "remove the line",
      `
      neftune_noise_alpha | number | | NEFTune: noise on embeddings, 5 in the paper.
      early_stopping_patience | integer | | Stop after so many evaluations without progress.
      generate_samples | flag | false | Show what the model writes, at every evaluation.
      eval_table_size | integer | | Old form of generate_samples.
      dynamic_checkpoint | mapping | | Save when a file appears.
      dynamic_checkpoint.enabled | flag | false | Turn it on.
      dynamic_checkpoint.check_interval | integer | 10 | Steps between looks.
      dynamic_checkpoint.trigger_file_path | text | axolotl_checkpoint.save | The name of the file.
      `,
    ),
    ...known(
      "planned",
      "a run cannot be continued yet; remove the line to begin anew",
      `
      resume_from_checkpoint | text or flag | | The checkpoint to go on from.
      auto_resume_from_checkpoints | flag | | Go on from the newest checkpoint of output_dir.
      `,
    ),
    ...known(
      "no effect",
      SAVING,
      `
      save_steps | number | | Save every so many steps, or every such part of the run.
      saves_per_epoch | integer | | Checkpoints per epoch.
      save_strategy | "no" or "steps" or "epoch" or "best" or flag | epoch | When to save.
      save_total_limit | integer | 4 | How many checkpoints are kept.
      save_first_step | flag | false | Save after the first step too.
      save_only_model | flag | false | Save without the optimizer.
      load_best_model_at_end | flag | false | End with the best checkpoint.
      metric_for_best_model | text | | What makes a checkpoint the best.
      greater_is_better | flag | | Whether more of it is better.
      `,
    ),
    ...known(
      "no effect",
      "Eft writes safetensors only",
      `
      save_safetensors | flag | true | Write safetensors.
      `,
    ),
    ...known(
      "no effect",
      "the loss is not watched so far; look at it yourself",
      `
      loss_watchdog_threshold | number | | Stop when the loss stays above this.
      loss_watchdog_patience | integer | 3 | How many times it may be above.
      `,
    ),
    ...known(
      "no effect",
      "nothing is generated during training so far",
      `
      num_generation_samples | integer | 3 | How many samples are shown.
      generation_max_new_tokens | integer | 50 | How long they are.
      generation_temperature | number | 0.7 | How freely they are drawn.
      generation_prompt_ratio | number | 0.5 | The part of a row that is given.
      generation_top_p | number | | Draw from the most likely tokens with this sum.
      generation_top_k | integer | | Draw from so many tokens.
      generation_do_sample | flag | true | Draw, instead of taking the likeliest.
      eval_table_max_new_tokens | integer | 128 | Old form of generation_max_new_tokens.
      eval_max_new_tokens | integer | 128 | Old form of generation_max_new_tokens.
      `,
    ),
    ...known(
      "refused",
      "evaluation measures the loss; use another tool on the result",
      `
      do_causal_lm_eval | flag | | Measure generated text.
      eval_causal_lm_metrics | texts | [sacrebleu, comet, ter, chrf] | How.
      do_bench_eval | flag | | Answer multiple-choice questions.
      bench_dataset | text | | Which questions.
      bench_split | text | eval | Which part of them.
      lm_eval_tasks | texts or text | | Tasks of lm-evaluation-harness.
      lm_eval_batch_size | integer | 8 | Its batch size.
      lm_eval_model | text | | The model it looks at.
      lm_eval_post_train | flag | true | Run it after training.
      `,
    ),
    ...known(
      "refused",
      "this loss is not part of Eft; remove the line for cross-entropy",
      `
      use_eaft | flag | | Weight tokens by the entropy of the prediction.
      eaft_alpha | number | 1 | How strongly.
      eaft_k | integer | 20 | Logits that estimate the entropy.
      scaling_softmax | flag | | Scale attention with the length.
      scaling_softmax_factor | number | 0.43 | How strongly.
      scaling_softmax_bias | number | 0 | An offset.
      s2_attention | flag | | Shifted sparse attention; removed from Axolotl.
      liger_use_token_scaling | flag | | Weight tokens by their probability.
      `,
    ),
    ...known(
      "no effect",
      ONE_KERNEL,
      `
      attn_implementation | text | | The attention kernel.
      flash_attention | flag | | Use FlashAttention.
      sdp_attention | flag | | Use PyTorch's attention.
      xformers_attention | flag | | Use xFormers.
      flex_attention | flag | | Use FlexAttention.
      eager_attention | flag | | Use plain attention.
      sage_attention | flag | | Use SageAttention.
      flex_attn_compile_kwargs | mapping | | How FlexAttention is compiled.
      flash_attn_cross_entropy | flag | | The loss kernel of FlashAttention.
      flash_attn_fuse_mlp | flag | | Its fused feed-forward block.
      flash_attn_fuse_qkv | flag | | Its fused projections.
      flash_attn_rms_norm | flag | | Its normalisation.
      flash_attn_d512 | flag | | A kernel for wide heads.
      flash_optimum | flag | | BetterTransformer.
      gemma4_hybrid_attn_impl | flag | | Kernels for Gemma 4.
      large_head_attention | text | sdpa | Kernels for wide heads.
      sdpa_varlen | flag | | A kernel for packed rows.
      fused_attn_kernel | flag | | A fused kernel of norm and rotation.
      experts_implementation | text | | Kernels for experts.
      llama4_linearized_experts | flag | | Another layout of experts.
      lora_qkv_kernel | flag | | A fused kernel for LoRA.
      lora_mlp_kernel | flag | | A fused kernel for LoRA.
      lora_o_kernel | flag | | A fused kernel for LoRA.
      lora_embedding_kernel | flag | | A fused kernel for LoRA.
      chunked_cross_entropy | flag | | Compute the loss in pieces.
      chunked_cross_entropy_num_chunks | integer | | How many pieces.
      cut_cross_entropy | flag | | Compute the loss without logits.
      liger_cross_entropy | flag | | The loss kernel of Liger.
      liger_fused_linear_cross_entropy | flag | | The fused loss of Liger.
      liger_rope | flag | | The rotation of Liger.
      liger_rms_norm | flag | | The normalisation of Liger.
      liger_rms_norm_gated | flag | | The gated normalisation of Liger.
      liger_layer_norm | flag | | The normalisation of Liger.
      liger_swiglu | flag | | The activation of Liger.
      liger_glu_activation | flag | | The activation of Liger.
      use_kernels | flag | | Kernels from the hub.
      use_scattermoe | flag | | Kernels for experts.
      use_sonicmoe | flag | | Kernels for experts.
      use_dsv4_kernels | flag | | Kernels for DeepSeek.
      use_glm_dsa_kernels | flag | | Kernels for GLM.
      expert_backend | text | | Kernels for experts.
      moe_grouped_backend | text | | Kernels for experts.
      moe_dequant_chunk_size | integer | | Kernels for experts.
      moe_bnb_fast | flag | | Kernels for experts.
      dsv4_fp8_nonexpert_mode | text | | Kernels for DeepSeek.
      dsv4_fp8_lora_kernel | flag | | Kernels for DeepSeek.
      dsv4_shared_mlp_lora_kernel | flag | | Kernels for DeepSeek.
      dsv4_bf16_all | flag | | Kernels for DeepSeek.
      dsv4_fp4_grouped_mode | text | | Kernels for DeepSeek.
      `,
    ),
    ...known(
      "no effect",
      MEMORY,
      `
      gradient_checkpointing_kwargs | mapping | | How PyTorch recomputes.
      activation_offloading | "legacy" or "disk" or "hidden_states" or flag | false | Keep activations elsewhere.
      layer_offloading | flag | false | Keep layers elsewhere.
      selective_checkpointing | mapping or flag | | What is not recomputed.
      selective_checkpointing.save | texts | [attention] | Results to keep.
      selective_checkpointing.save_sliding_window | flag | false | Also of windowed attention.
      selective_checkpointing.recompute_layer_types | texts | | Layers that are recomputed.
      selective_checkpointing.offload | flag | false | Keep the results elsewhere.
      tiled_mlp | flag | | Compute feed-forward blocks in pieces.
      tiled_mlp_num_shards | integer | | How many pieces.
      tiled_mlp_use_original_mlp | flag | true | Keep the model's own block.
      torch_empty_cache_steps | integer | | Steps between clean-ups.
      gc_collect_steps | integer | | Steps between clean-ups.
      `,
    ),
    ...known(
      "no effect",
      NOT_PYTHON,
      `
      trainer_cls | text | | A trainer class of your own.
      torchdistx_path | text | | Where a library is.
      torch_compile | "auto" or flag | | Compile the model.
      torch_compile_backend | text | | With what.
      torch_compile_mode | text | | How hard.
      torch_compile_options | mapping | | Further options.
      adam_eps | number | | Never read by Axolotl; the key is adam_epsilon.
      eta_min | number | | Never read by Axolotl.
      axolotl_config_path | text | | Set by Axolotl.
      debug | flag | | Python's debug output; see eft preprocess --debug.
      profiler_steps | integer | | Steps to profile; see eft profile.
      profiler_steps_start | integer | 0 | Where to begin.
      `,
    ),
    ...known(
      "no effect",
      ONE_GPU,
      `
      deepspeed | text or mapping | | DeepSpeed's settings.
      deepcompile | flag | | DeepSpeed's compiler.
      fsdp | list or text | | Sharding by PyTorch.
      fsdp_config | mapping | | Its settings.
      fsdp_version | integer | | Its version.
      fsdp_final_state_dict_type | text | | How it saves.
      ddp | flag | | Copies of the model on several GPUs.
      ddp_timeout | integer | | How long they wait.
      ddp_bucket_cap_mb | integer | | What they exchange at once.
      ddp_broadcast_buffers | flag | | Whether they exchange buffers.
      ddp_find_unused_parameters | flag | | Whether they look for unused tensors.
      accelerator_config | mapping | | Settings of the launcher.
      local_rank | integer | | Set by the launcher.
      world_size | integer | | Set by the launcher.
      dp_shard_size | integer | | GPUs that share the weights.
      dp_replicate_size | integer | | GPUs that hold copies.
      context_parallel_size | integer | | GPUs that share a sequence.
      sequence_parallel_degree | integer | | Old form of context_parallel_size.
      heads_k_stride | integer | | How they share heads.
      ring_attn_func | text | | How they share attention.
      tensor_parallel_size | integer | | GPUs that share a layer.
      expert_parallel_size | integer | 1 | GPUs that share experts.
      expert_parallel_backend | text | deep_ep | How they do.
      expert_parallel_num_nvl_bytes | integer | | A buffer.
      expert_parallel_num_rdma_bytes | integer | 0 | A buffer.
      expert_parallel_token_capacity | integer | | Tokens per expert.
      expert_parallel_fallback_on_unsupported | flag | true | What if it fails.
      use_ray | flag | false | Start processes with Ray.
      ray_run_name | text | | The name of that run.
      ray_num_workers | integer | 1 | How many processes.
      resources_per_worker | mapping | {GPU: 1} | What each gets.
      `,
    ),
  },
} satisfies Group;
