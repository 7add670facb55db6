// Keys of the training loop: batches, memory, what watches over it, and how kernels run.
import { z } from "zod";
import { flag, integer, positive, schemas, type WorkingKey } from "../values.ts";
import { type Group, known } from "./known.ts";

const ONE_KERNEL = "Eft has kernels of its own, exact and memory-saving, that are always used";
const ONE_GPU = "Eft trains on one GPU, so there is nothing to spread; mind that the batch per " +
  "step is micro_batch_size * gradient_accumulation_steps";
const NOT_PYTHON = "it concerns Python libraries that Eft does not use";
const MEMORY = "Eft plans the memory itself (eft plan); nothing is moved off the GPU";

/** Keys of `gradient_checkpointing_kwargs`. */
export const CHECKPOINTING_KEYS = {
  use_reentrant: {
    schema: flag.optional(),
    description: "Both kinds of checkpointing in PyTorch are one and the same here.",
  },
} satisfies Record<string, WorkingKey>;

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
  gradient_checkpointing: {
    schema: flag.default(false),
    description: "Recompute activations in the backward pass: less memory, more time.",
  },
  gradient_checkpointing_kwargs: {
    schema: z.object(schemas(CHECKPOINTING_KEYS), {
      error: "a mapping like {use_reentrant: false}",
    })
      .optional(),
    description: "How PyTorch recomputes.",
  },
  neftune_noise_alpha: {
    schema: positive().optional(),
    description: "NEFTune: noise of this size on the embeddings while training, 5 in the paper.",
  },
  loss_watchdog_threshold: {
    schema: positive().optional(),
    description: "Stop when the reported loss stays above this.",
  },
  loss_watchdog_patience: {
    schema: integer(1).default(3),
    description: "How many reports in a row loss_watchdog_threshold lets pass.",
  },
  seed: { schema: integer(0).default(42), description: "The seed of every random number." },
} satisfies Record<string, WorkingKey>;

export const TRAINING = {
  title: "Training",
  works,
  others: {
    ...known(
      "planned",
      "set micro_batch_size to what fits; eft plan says what a size takes",
      `
      auto_find_batch_size | flag | | Try smaller batches until one fits.
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
