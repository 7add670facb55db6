// What keys mean together: recipes and old names of Axolotl, what is refused and why.

import { deepEqual, equal, ok } from "node:assert/strict";
import { parseConfig } from "../../src/config/config.ts";
import { BASE, fails, failure, parse } from "./parse.ts";

Deno.test("a recipe of Axolotl runs, with a remark for each kind of key without effect", () => {
  const { config, notes } = parse(`model_type: LlamaForCausalLM
load_in_8bit: false
load_in_4bit: false
adapter: lora
lora_r: 32
lora_alpha: 16
lora_dropout: 0.05
lora_target_linear: true
lora_fan_in_fan_out:
bf16: auto
fp16:
tf32: false
group_by_length: false
wandb_project:
wandb_entity:
flash_attention: true
saves_per_epoch: 1
save_total_limit: 2
debug:
deepspeed:
fsdp: []
fsdp_config: {}
special_tokens: {}
local_rank:
`);
  equal(config.lora_r, 32);
  deepEqual(notes.map((note) => note.split(":")[0]), [
    "model_type",
    "flash_attention",
    "bf16",
  ]);
  equal(config.saves_per_epoch, 1);
});

Deno.test("old names are understood", () => {
  equal(parse("val_set_size: 0.1\nevaluation_strategy: steps").config.eval_strategy, "steps");
  const text = BASE.replace("type: alpaca", "type: alpaca\n    train_on_split: train");
  equal(parseConfig(text, "c.yml").config.datasets[0]!.split, "train");
  fails(
    "eval_strategy: no\nevaluation_strategy: no\n",
    /^c\.yml:7:1: `evaluation_strategy` is the o/,
  );
});

Deno.test("what does not work yet is refused with the reason, unless it is off", () => {
  fails("adapter: full", /c\.yml:6:10: `adapter: full`: leave `adapter` empty/);
  fails("rl: dpo", /`rl` is not supported yet: preference data is read/);
  fails("peft_layer_replication: [[0, 1]]", /is not supported: remove the line for plain LoRA/);
  fails("auto_find_batch_size: true", /is not supported yet: set micro_batch_size/);
  fails("use_eaft: true", /`use_eaft` is not supported: this loss is not part of Eft/);
  fails("optimizer: galore_adamw", /`optimizer: galore_adamw`: this optimizer is not offered/);
  fails("added_tokens_overrides: {3: x}", /the vocabulary can only be added to so far; see `tok/);
  fails("plugins: [axolotl.integrations.kd.KDPlugin]", /c\.yml:6:11: `plugins\.0` is "axolotl/);
  fails("trl: {beta: 1, betta: 2}", /6:16: unknown key `trl\.betta`; did you mean `beta`/);
  parse("gptq: false\nrl:\nneftune_noise_alpha:\npeft_use_dora: false\nlora_modules_to_save: []\n");
  parse("loraplus_lr_embedding: 1e-6\nkto_desirable_weight: 1.0\nrelora_prune_method: magnitude");
  parse("trl: {use_vllm: false, beta: }\ndynamic_checkpoint: {enabled: false}");
  parse("plugins: [axolotl.integrations.liger.LigerPlugin]\nwandb_anything: x");
  const dataset = (type: string) => failure(BASE.replace("alpaca", type)).text;
  ok(/is "alpacca", expected the name of a format \(.* Did you mean `alpaca`/
    .test(dataset("alpacca")));
  ok(/4:12: unknown key `datasets\.0\.type\.field_ouput`; did you mean `field_output`/
    .test(dataset("{field_ouput: x}")));
});

Deno.test("rules between keys", () => {
  const lora = "adapter: lora\nlora_r: 8\nlora_alpha: 16\n";
  const cases: [string, RegExp][] = [
    ["warmup_ratio: 0.1\nwarmup_steps: 5", /`warmup_steps` and `warmup_ratio` exclude/],
    ["val_set_size: 0.1\neval_steps: 5\nevals_per_epoch: 2", /^c\.yml:8:1: `eval_steps` and/],
    ["eval_steps: 2", /`eval_steps` needs data to evaluate on; add `val_set_size/],
    ["eval_strategy: steps", /`eval_strategy` needs data/],
    ["val_set_size: 0.1\neval_steps: 5\neval_strategy: no", /contradicts `eval_steps`/],
    ["val_set_size: 0.1\neval_steps: 5\neval_strategy: epoch", /contradicts `eval_steps`/],
    ["save_steps: 5\nsaves_per_epoch: 2", /`save_steps` and `saves_per_epoch` exclude/],
    ["save_steps: 5\nsave_strategy: epoch", /`save_strategy: epoch` contradicts `save_steps`/],
    ["val_set_size: 0.1\nsave_strategy: best", /needs `metric_for_best_model/],
    ["load_best_model_at_end: true", /`load_best_model_at_end` needs evaluations/],
    ["early_stopping_patience: 3", /`early_stopping_patience` needs evaluations/],
    ["val_set_size: 0.1\ntest_datasets: [{path: x, type: alpaca}]", /exclude each other/],
    ["batch_size: 4\ngradient_accumulation_steps: 2", /keep one of `batch_size`/],
    ["batch_size: 5\nmicro_batch_size: 2", /\(5\) must be a multiple of `micro_batch_size` \(2\)/],
    ["min_sample_len: 600", /no sample would be left/],
    [lora, /needs to know which layers.*add `lora_target_linear: true`/],
    [`${lora}lora_target_modules: "("`, /pattern is not valid/],
    ["adapter: lora\nlora_r: 8\nlora_target_linear: true", /add `lora_alpha: 32`/],
  ];
  for (const [more, text] of cases) fails(more, text);
  parse("evals_per_epoch: 0\neval_steps: 0");
  deepEqual(parse("evals_per_epoch: 2").notes, [
    "evals_per_epoch: no effect without val_set_size or test_datasets",
  ]);
  const { notes } = parse("lora_r: 8\nlora_target_linear: false");
  deepEqual(notes, ["lora_r: no effect without `adapter: lora`; the whole model trains"]);
});

Deno.test("more rules of Axolotl", () => {
  const cases: [string, RegExp][] = [
    ["pretraining_dataset: x", /`pretraining_dataset` needs `max_steps`; add `max_steps: 1000`/],
    ["streaming: true\nmax_steps: 5\nval_set_size: 0.1", /^c\.yml:8:1: `streaming` and `val_set/],
    ["skip_prepare_dataset: true\ndataset_exact_deduplication: true", /exclude each other/],
    ["rl: dpo\nsample_packing: true", /`rl` and `sample_packing` exclude each other; packing/],
    ["chat_template: jinja", /`chat_template: jinja` needs a template/],
    ["dataset_shard_num: 2\ndataset_shard_idx: 2", /must be below `dataset_shard_num`/],
    ["save_steps: 0.5\nsave_strategy: best", /`save_strategy: best` contradicts `save_steps`/],
    ["cut_cross_entropy: true\nchunked_cross_entropy: true", /only one of/],
    ["bf16: true\nfp16: true", /only one of `bf16`, `fp16` can be set/],
    ["max_memory: {0: 1}\ngpu_memory_limit: 4", /exclude each other/],
    ["deepspeed: a.json\nfsdp: [x]", /exclude each other/],
    ["tokenizer_use_mistral_common: true\nchat_template: chatml", /cannot be changed/],
    ["dpo_loss_type: [a]\ndpo_loss_weights: [1, 2]", /must have the same length/],
    [
      "gradient_checkpointing: false\nactivation_offloading: true",
      /needs `gradient_checkpointing`/,
    ],
    [
      "test_datasets: [{path: x, shards: 2, shards_idx: 2}]",
      /6:38: `test_datasets\.0\.shards_idx`/,
    ],
    ["test_datasets: [{path: x, chat_template: jinja}]", /needs `chat_template_jinja`/],
    ["trl: {num_generations: 1}", /must be 2 or more/],
    ["datasets: []", /`datasets` is set twice/],
  ];
  for (const [more, text] of cases) fails(more, text);
  parse("bf16: auto\nfp16: true\nlearning_rat:");
  ok(/`datasets` is missing/.test(failure("base_model: m\nlearning_rate: 1").text));
});

Deno.test("keys of data are read", () => {
  const text = `base_model: m
learning_rate: 1e-3
max_steps: 3
pretraining_dataset: c4
`;
  const { config } = parseConfig(text, "c.yml");
  deepEqual(config.datasets, []);
  equal(config.pretraining_dataset![0]!.text_column, "text");
  const list = parseConfig(text.replace(" c4", "\n  - {path: c4, name: en, field: x}"), "c.yml");
  deepEqual(
    { ...list.config.pretraining_dataset![0] },
    { ...config.pretraining_dataset![0], name: "en", text_column: "x" },
  );
  const chat = parseConfig(
    `base_model: m
learning_rate: 1
chat_template: tokenizer_default_fallback_chatml
datasets:
  - path: a
    type: alpaca
    message_property_mappings: {role: from, content: value}
    roles: {assistant: [gpt], user: human}
    shards: "2"
  - path: b
    name: [x, y]
    type: {field_output: o, format: "{instruction}"}
  - path: c
`,
    "c.yml",
  ).config.datasets;
  equal(chat[0]!.shards, 2);
  deepEqual(chat[1]!.type, { field_output: "o", format: "{instruction}" });
  equal(chat[2]!.type, undefined);
});

Deno.test("words that mean another word are replaced, with a remark", () => {
  const { config, notes } = parse("gradient_checkpointing: offload");
  equal(config.gradient_checkpointing, true);
  deepEqual(notes, [
    "gradient_checkpointing: offload becomes true: activations are recomputed, and nothing is " +
    "moved off the GPU",
  ]);
});

Deno.test("adapters, their starts, and ReLoRA", () => {
  const lora = "adapter: lora\nlora_r: 8\nlora_alpha: 16\nlora_target_linear: true\n";
  const cases: [string, RegExp][] = [
    ["peft_use_dora: true", /^c\.yml:6:1: `peft_use_dora` needs `adapter`; add `adapter: lora`/],
    ["relora_steps: 150", /`relora_steps` needs `adapter`/],
    [`${lora}lora_fan_in_fan_out: true`, /^c\.yml:10:1: `lora_fan_in_fan_out` is for layers/],
    [`${lora}lora_rank_pattern: {v: 1.5}`, /a rank must be a whole number/],
    [`${lora}lora_rank_pattern: {v: 0}`, /expected a mapping of patterns to ranks/],
    [`${lora}lora_alpha_pattern: {"(": 1}`, /the pattern is not valid/],
    [`${lora}lora_exclude_modules: "("`, /the pattern is not valid/],
    [`${lora}peft_layers_pattern: layers`, /needs `peft_layers_to_transform`/],
    [`${lora}peft_init_lora_weights: eva`, /^c\.yml:10:1: /],
    [`${lora}peft_init_lora_weights: pissa\npeft_use_dora: true`, /DoRA cannot start with/],
    [`${lora}peft: {loftq_config: {loftq_bits: 4}}\npeft_use_dora: true`, /DoRA cannot start with/],
    [`${lora}peft: {loftq_config: {loftq_bits: 3}}`, /^c\.yml:10:35: .*expected 4 or 8/],
    [`${lora}peft: {loftq_config: {loftq_bit: 4}}`, /loftq_bits/],
    [`${lora}peft_init_lora_weights: loftq`, /needs `peft: \{loftq_config: \{loftq_bits: 4\}\}`/],
    [
      `${lora}peft_init_lora_weights: gaussian\npeft: {loftq_config: {loftq_bits: 4}}`,
      /two ways to start; keep one/,
    ],
    [`${lora}peft: {loftq_config: {loftq_bits: 4}}\nrelora_steps: 4`, /LoftQ do not go with it/],
    [
      `${lora}peft_init_lora_weights: olora\npeft_use_rslora: true\nlora_rank_pattern: {v: 4}`,
      /cannot be saved for the whole base/,
    ],
    [`${lora}relora: true`, /`relora: true` needs `jagged_restart_steps`/],
    [`${lora}relora_prune_ratio: 0.5`, /pruning needs `relora: true`/],
    [`${lora}relora_prune_ratio: 2`, /is 2, expected a number from 0 to 1/],
    [
      `${lora}relora_steps: 5\njagged_restart_steps: 5`,
      /exclude each other; the former is the old/,
    ],
    [`${lora}relora_steps: 5\npeft_use_dora: true`, /ReLoRA merges plain LoRA/],
  ];
  for (const [more, text] of cases) fails(more, text);
  parse("adapter: lora\nlora_model_dir: ./adapter");
  equal(parse("jagged_restart_anneal_steps: false").config.jagged_restart_anneal_steps, 0);
  fails("lora_r: false", /`lora_r` is false, expected a whole number/);
  fails("tokens: {bos_token: x}", /expected a list of texts \(bos_token and such are special/);
  parse(`${lora}peft_layers_to_transform: 0\npeft_layers_pattern: layers`);
  parse(`${lora}relora: true\njagged_restart_steps: 5\nrelora_prune_method: reset`);
  equal(parse(`${lora}peft_init_lora_weights: false`).config.peft_init_lora_weights, false);
  const more = "tokens: [<a>]\nspecial_tokens: {additional_special_tokens: [<b>]}";
  deepEqual(parse(more).config.special_tokens, { additional_special_tokens: ["<b>"] });
});

Deno.test("quantized bases", () => {
  const qlora = "adapter: qlora\nlora_r: 8\nlora_alpha: 16\nlora_target_linear: true\n";
  equal(parse(qlora).config.load_in_4bit, true);
  const { config, notes } = parse(
    `${qlora}bnb_config_kwargs: {bnb_4bit_quant_type: fp4, bnb_4bit_compute_dtype: bfloat16}`,
  );
  deepEqual(config.bnb_config_kwargs, { bnb_4bit_quant_type: "fp4" });
  deepEqual(notes, [
    "bnb_4bit_compute_dtype: no effect; only weights are quantized, and sums are in 32-bit floats",
  ]);
  fails(`${qlora}load_in_4bit: false`, /^c\.yml:10:1: `adapter: qlora` holds the base in 4 bits/);
  fails("gptq: true", /^c\.yml:6:1: `gptq` trains with an adapter only/);
  fails(`${qlora}bnb_config_kwargs: {bnb_4bit_quant_typ: fp4}`, /10:21: unknown key `bnb_config/);
  fails(`${qlora}reinit_weights: true`, /a quantized base is read from files/);
  fails("adapter: qlora\nlora_r: 8\nlora_alpha: 8", /^c.yml:6:1: `adapter: qlora` needs to know/);
});
