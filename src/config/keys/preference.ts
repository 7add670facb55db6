// Keys of preference training, reward models and reinforcement learning.
import { type Group, known, rows } from "./known.ts";

const PREFERENCE = "preference data is read, but not trained on yet; Eft does supervised " +
  "fine-tuning";
const REMOVED = "Axolotl removed it too; remove the line";
const ONLINE = "learning from rewards of its own answers needs Python functions and a server for " +
  "generation; it is not part of Eft";

export const PREFERENCE_KEYS = {
  title: "Preference and reward training",
  works: {},
  others: {
    ...known(
      "planned",
      PREFERENCE,
      `
      rl | "dpo" or "ipo" or "kto_pair" or "orpo" or "kto" or "simpo" or "grpo" or "gdpo" or "ebft" | | The method.
      rl_beta | number | 0.1 | How close the model stays to its start.
      dpo_loss_type | texts | [sigmoid] | Losses of DPO.
      dpo_loss_weights | numbers | | Their weights.
      dpo_label_smoothing | number | 0 | How unsure the labels are.
      dpo_use_weighting | flag | false | Weight pairs by their probability.
      dpo_padding_free | flag | | Batches without padding.
      dpo_use_liger_kernel | flag | | A loss kernel.
      precompute_ref_log_probs | flag | | Compute the reference once, before.
      rl_adapter_ref_model | flag | | A second copy as the reference.
      orpo_alpha | number | 0.1 | ORPO: the weight of the ratio.
      simpo_gamma | number | 0.5 | SimPO: the margin.
      cpo_alpha | number | | SimPO: the weight of the likelihood.
      kto_desirable_weight | number | 1 | KTO: the weight of good answers.
      kto_undesirable_weight | number | 1 | KTO: the weight of bad answers.
      max_prompt_len | integer | 512 | The longest prompt.
      reward_model | flag | | Train a model that rates answers.
      process_reward_model | flag | | Train a model that rates steps.
      center_rewards_coefficient | number | | Keep rewards around 0.
      num_labels | integer | | Classes of such a model.
      `,
    ),
    ...known(
      "refused",
      REMOVED,
      `
      dpo_use_logits_to_keep | flag | | Left over from older versions.
      dpo_generate_during_eval | flag | | Left over from older versions.
      dpo_norm_loss | flag | | Left over from older versions.
      rpo_alpha | number | | Left over from older versions.
      `,
    ),
    ...known(
      "refused",
      ONLINE,
      `
      trl | mapping | | Settings of TRL's trainers.
      trl.beta | number | | How close the model stays to its start.
      trl.max_completion_length | integer | | The longest answer.
      trl.num_generations | integer | | Answers per prompt.
      trl.generation_batch_size | integer | | Prompts per generation.
      trl.reward_funcs | texts | | Python functions that rate answers.
      trl.reward_weights | numbers | | Their weights.
      trl.reward_num_workers | integer | 1 | Processes that run them.
      trl.loss_type | text | | The loss.
      trl.epsilon | number | | Clipping.
      trl.epsilon_high | number | | Clipping above.
      trl.importance_sampling_level | "sequence" or "token" | | What is weighted.
      trl.temperature | number | | How freely answers are drawn.
      trl.top_p | number | | How freely answers are drawn.
      trl.top_k | integer | | How freely answers are drawn.
      trl.min_p | number | | How freely answers are drawn.
      trl.repetition_penalty | number | | How much repetition costs.
      trl.scale_rewards | flag | true | Divide rewards by their deviation.
      trl.mask_truncated_completions | flag | false | Leave answers out that were cut.
      trl.sync_ref_model | flag | false | Let the reference follow.
      trl.ref_model_mixup_alpha | number | 0.9 | How fast.
      trl.ref_model_sync_steps | integer | 64 | How often.
      trl.num_iterations | integer | | Steps per batch of answers.
      trl.use_vllm | flag | false | Generate with vLLM.
      trl.vllm_mode | "server" or "colocate" | | Where it runs.
      trl.vllm_server_host | text | 0.0.0.0 | Its host.
      trl.vllm_server_port | integer | 8000 | Its port.
      trl.vllm_server_timeout | integer | | How long to wait for it.
      ${
        rows(
          "trl.use_liger_loss trl.log_completions trl.vllm_enable_sleep_mode " +
            "trl.use_data_producer trl.async_prefetch trl.streaming_partial_batch " +
            "trl.vllm_importance_sampling_correction trl.use_bias_correction_kl " +
            "trl.replay_recompute_logps trl.skip_zero_advantage_batches trl.vllm_lora_sync",
          "flag",
          "A detail of generation.",
        )
      }
      ${
        rows(
          "trl.num_completions_to_print trl.prefetch_depth trl.vllm_sync_interval " +
            "trl.streaming_min_groups trl.replay_buffer_size trl.reroll_max_groups",
          "integer",
          "A detail of generation.",
        )
      }
      ${
        rows(
          "trl.vllm_importance_sampling_cap trl.off_policy_mask_threshold " +
            "trl.reroll_start_fraction",
          "number",
          "A detail of generation.",
        )
      }
      ${
        rows(
          "trl.vllm_guided_decoding_regex trl.rollout_func trl.multi_objective_aggregation " +
            "trl.vllm_importance_sampling_mode",
          "text",
          "A detail of generation.",
        )
      }
      ${
        rows("trl.generation_kwargs trl.chat_template_kwargs", "mapping", "A detail of generation.")
      }
      vllm | mapping | | Settings of the vLLM server.
      vllm.host | text | 0.0.0.0 | Its host.
      vllm.port | integer | 8000 | Its port.
      vllm.device | text | auto | Its device.
      vllm.dtype | text | auto | Its precision.
      vllm.gpu_memory_utilization | number | 0.9 | The memory it takes.
      vllm.max_model_len | integer | | Its longest context.
      vllm.tensor_parallel_size | integer | | Its GPUs.
      vllm.data_parallel_size | integer | | Its GPUs.
      vllm.enable_prefix_caching | flag | | Keep prompts.
      vllm.enable_reasoning | flag | | Take reasoning apart.
      vllm.reasoning_parser | text | | How.
      vllm.enforce_eager | flag | | Without CUDA graphs.
      vllm.serve_module | text | | A Python module.
      vllm.worker_extension_cls | text | | A Python class.
      ebft | mapping | | Energy-based fine-tuning.
      ebft.mode | "structured" or "strided" | structured | The kind of data.
      ebft.feature_layers | numbers | [0.25, 0.5, 0.75] | Layers that are compared.
      ebft.embed_method | text | last_token | How.
      ebft.use_whitening | flag | false | Whiten features.
      ebft.adaptive_max_tokens | flag | true | Length by the reference.
      ebft.advantage_estimator | text | rloo | How answers are compared.
      ${
        rows(
          "ebft.alignment_coef ebft.diversity_coef ebft.ce_coef ebft.gt_length_multiplier " +
            "ebft.temperature ebft.top_p ebft.rl_coef",
          "number",
          "A weight of the method.",
        )
      }
      ${
        rows(
          "ebft.stride ebft.context_length ebft.generate_max_len ebft.n_samples_per_prompt " +
            "ebft.min_completion_prefix",
          "integer",
          "A length of the method.",
        )
      }
      nemo_gym_enabled | flag | | Rewards from NeMo Gym.
      ${
        rows("nemo_gym_auto_clone nemo_gym_auto_start nemo_gym_multi_turn", "flag", "Its settings.")
      }
      ${rows("nemo_gym_dir nemo_gym_model_name", "text", "Its settings.")}
      ${
        rows(
          "nemo_gym_head_port nemo_gym_server_timeout nemo_gym_verify_timeout " +
            "nemo_gym_run_timeout nemo_gym_max_turns",
          "integer",
          "Its settings.",
        )
      }
      ${rows("nemo_gym_config_paths nemo_gym_datasets", "list", "Its settings.")}
      `,
    ),
    ...known(
      "refused",
      "learning from another model is not part of Eft; train on the other model's answers instead",
      `
      kd_trainer | flag | | Knowledge distillation.
      kd_ce_alpha | number | | The weight of cross-entropy.
      kd_alpha | number | | The weight of the teacher.
      kd_temperature | number | | The temperature of both.
      kd_temperature_min | number | | Its least value.
      kd_beta | number | 0 | The weight of the reverse divergence.
      kd_normalize_topk | flag | | Normalise the teacher's tokens.
      kd_online_server | "vllm" or "sglang" | | The teacher's server.
      kd_online_server_base_url | text | | Its address.
      kd_online_topk | integer | | Tokens it gives.
      kd_online_timeout | integer | 120 | How long to wait.
      diffusion | mapping | | Train as a diffusion model.
      ${rows("diffusion.noise_schedule diffusion.mask_token_str", "text", "Its settings.")}
      ${
        rows(
          "diffusion.min_mask_ratio diffusion.max_mask_ratio diffusion.eps " +
            "diffusion.generation_temperature",
          "number",
          "Its settings.",
        )
      }
      ${
        rows(
          "diffusion.num_diffusion_steps diffusion.mask_token_id " +
            "diffusion.generation_interval diffusion.num_generation_samples " +
            "diffusion.generation_steps diffusion.generation_max_length",
          "integer",
          "Its settings.",
        )
      }
      ${rows("diffusion.importance_weighting diffusion.generate_samples", "flag", "Its settings.")}
      dense_mixer | flag | | Train all experts at once.
      hatchery | mapping | | Train on a remote service.
      `,
    ),
  },
} satisfies Group;
