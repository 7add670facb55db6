// What a configuration that says little means: Axolotl's defaults, and those that follow from other keys.

import { deepEqual, equal, ok } from "node:assert/strict";
import { parse } from "./parse.ts";

Deno.test("defaults are Axolotl's", () => {
  const { config, notes } = parse();
  deepEqual(notes, []);
  deepEqual(config, {
    base_model: "./model",
    tokenizer_config: "./model",
    reinit_weights: false,
    datasets: [{
      path: "data.jsonl",
      type: "alpaca",
      field: "text",
      trust_remote_code: false,
      strict: true,
      drop_system_message: false,
      train_on_last_step_only: false,
      length: 1000,
      min_input_id: 100,
    }],
    streaming: false,
    streaming_multipack_buffer_size: 10000,
    val_set_size: 0,
    skip_prepare_dataset: false,
    dataset_exact_deduplication: false,
    shuffle_merged_datasets: true,
    shuffle_before_merging_datasets: false,
    sequence_len: 512,
    min_sample_len: 2,
    excess_length_strategy: "drop",
    sample_packing: false,
    sample_packing_group_size: 100000,
    sample_packing_bin_size: 200,
    sample_packing_sequentially: false,
    eval_sample_packing: false,
    pad_to_sequence_len: false,
    group_by_length: false,
    curriculum_sampling: false,
    train_on_inputs: false,
    lora_dropout: 0,
    lora_target_linear: false,
    lora_fan_in_fan_out: false,
    peft_use_rslora: false,
    peft_use_dora: false,
    relora: false,
    resize_token_embeddings_to_32x: false,
    mean_resizing_embeddings: false,
    micro_batch_size: 1,
    gradient_accumulation_steps: 1,
    batch_size: 1,
    eval_batch_size: 1,
    num_epochs: 1,
    learning_rate: 0.0002,
    lr_scheduler: "cosine",
    lr_quadratic_warmup: false,
    optimizer: "adamw_torch_fused",
    loraplus_lr_embedding: 1e-6,
    loss_watchdog_patience: 3,
    weight_decay: 0,
    adam_beta1: 0.9,
    adam_beta2: 0.999,
    adam_epsilon: 1e-8,
    max_grad_norm: 1,
    gradient_checkpointing: false,
    float32: false,
    seed: 42,
    save_strategy: "epoch",
    save_total_limit: 4,
    save_first_step: false,
    save_only_model: false,
    load_best_model_at_end: false,
    auto_resume_from_checkpoints: false,
    generate_samples: false,
    num_generation_samples: 3,
    generation_max_new_tokens: 50,
    generation_temperature: 0.7,
    generation_prompt_ratio: 0.5,
    output_dir: "./model-out",
    strict: false,
  });
});

Deno.test("defaults that depend on other keys", () => {
  const packed = parse("sample_packing: true").config;
  deepEqual([packed.pad_to_sequence_len, packed.eval_sample_packing], [true, true]);
  equal(
    parse("sample_packing: true\npad_to_sequence_len: false").config.pad_to_sequence_len,
    false,
  );
  const batch = parse("batch_size: 12\nmicro_batch_size: 3").config;
  deepEqual([batch.gradient_accumulation_steps, batch.eval_batch_size], [4, 3]);
  equal(parse("micro_batch_size: 3\ngradient_accumulation_steps: 2").config.batch_size, 6);
  equal(parse("val_set_size: 0.1").config.evals_per_epoch, 1);
  equal(parse("val_set_size: 0.1\neval_steps: 0.25").config.evals_per_epoch, undefined);
  equal(parse("val_set_size: 0.1\neval_strategy: no").config.evals_per_epoch, undefined);
  equal(parse("val_set_size: 0.1\neval_strategy: epoch").config.evals_per_epoch, undefined);
  equal(parse("save_steps: 0.5").config.save_strategy, "steps");
  equal(parse("saves_per_epoch: 2").config.save_strategy, "steps");
  const stopping = "val_set_size: 0.1\nearly_stopping_patience: 2";
  equal(parse(stopping).config.load_best_model_at_end, true);
  equal(parse(`${stopping}\nload_best_model_at_end: false`).config.load_best_model_at_end, false);
  const one = parse("warmup_steps: 1");
  equal(one.config.warmup_steps, 2);
  ok(/warmup_steps: 1 becomes 2/.test(one.notes[0]!));
});
