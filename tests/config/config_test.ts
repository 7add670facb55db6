import { deepEqual, equal, ok } from "node:assert/strict";
import { checkConfig, parseConfig } from "../../src/config/config.ts";
import { nearest } from "../../src/config/nearest.ts";
import { EftError } from "../../src/errors.ts";

const BASE = `base_model: ./model
datasets:
  - path: data.jsonl
    type: alpaca
learning_rate: 2e-4
`;

const parse = (more = "") => parseConfig(BASE + more, "c.yml");

function failure(text: string): EftError {
  try {
    parseConfig(text, "c.yml");
  } catch (error) {
    ok(error instanceof EftError, String(error));
    equal(error.code, "config");
    return error;
  }
  throw new Error(`this was accepted:\n${text}`);
}

/** Asserts that lines added to a good file fail with a text like "c.yml:6:1: ...". */
function fails(more: string, text: RegExp) {
  const error = failure(BASE + more);
  ok(text.test(error.text), error.text);
}

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

Deno.test("empty values are unset, text that means a number or a truth value is read", () => {
  const { config } = parse(`adapter:
lora_r: ""
val_set_size: "0.1"
sample_packing: yes
weight_decay: 1e-2
sequence_len: 1_024
train_on_inputs: False
special_tokens:
`);
  equal(config.adapter, undefined);
  equal(config.lora_r, undefined);
  deepEqual([config.val_set_size, config.sample_packing, config.weight_decay], [0.1, true, 0.01]);
  deepEqual([config.sequence_len, config.train_on_inputs], [1024, false]);
  equal(parseConfig(BASE.replace("2e-4", '"2e-4"'), "c.yml").config.learning_rate, 0.0002);
});

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

Deno.test("anchors and merge keys work", () => {
  const { config } = parseConfig(
    `base_model: m
learning_rate: 1
datasets:
  - &one {path: a.jsonl, type: alpaca}
  - <<: *one
    path: b.jsonl
`,
    "c.yml",
  );
  deepEqual(config.datasets.map(({ path, type }) => [path, type]), [
    ["a.jsonl", "alpaca"],
    ["b.jsonl", "alpaca"],
  ]);
});

Deno.test("one wrong value is reported at its place with what was expected", () => {
  const cases: [string, RegExp][] = [
    [
      "sequence_len: long",
      /^c\.yml:6:15: `sequence_len` is "long", expected a whole number, 2 or more/,
    ],
    ["sequence_len: 1", /is 1, expected a whole number/],
    ["num_epochs: 0", /expected a number above 0/],
    ["val_set_size: 1", /expected a fraction below 1, or a whole number of rows/],
    ["eval_steps: 1.5", /expected a whole number of steps, or a fraction/],
    ["weight_decay: .nan", /expected a number, 0 or more/],
    ["sample_packing: maybe", /expected true or false/],
    ["lr_scheduler: cosin", /expected one of .*cosine, .* Did you mean `cosine`\?/],
    ["output_dir: [a]", /is \["a"\], expected text/],
    [
      "lora_target_modules: [1]",
      /c\.yml:6:22: `lora_target_modules(\.0)?` is .*, expected a list of/,
    ],
    ["test_datasets: []", /expected a list with at least one data set/],
    ["test_datasets: [x]", /`test_datasets\.0` is "x", expected an entry like/],
    [
      "test_datasets: [{type: alpaca}]",
      /c\.yml:6:17: `test_datasets\.0\.path` is missing\. A file/,
    ],
    [
      "special_tokens: {pad_token: 3}",
      /c\.yml:6:29: `special_tokens\.pad_token` is 3, expected text/,
    ],
  ];
  for (const [more, text] of cases) fails(more, text);
});

Deno.test("unknown keys name the nearest known one", () => {
  fails(
    "lerning_rate: 1",
    /^c\.yml:6:1: unknown key `lerning_rate`; did you mean `learning_rate`\?/,
  );
  fails("micro_batchsize: 1", /did you mean `micro_batch_size`/);
  fails("completely_other_thing: 1", /unknown key .* have no such key/);
  fails("special_tokens: {pad: x}", /c\.yml:6:18: unknown key `special_tokens\.pad`/);
  const text = BASE.replace("path:", "pth: x\n    path:");
  ok(/^c\.yml:3:5: unknown key `datasets\.0\.pth`; did you mean `path`/.test(failure(text).text));
  equal(nearest("lora_aplha", ["lora_alpha", "lora_r"]), "lora_alpha");
  equal(nearest("zzz", ["lora_alpha"]), undefined);
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

Deno.test("all problems come together, in the order of the file", () => {
  const error = failure(`sequence_len: x
datasets:
  - path: a.jsonl
    type: alpaca
    feild: y
lerning_rate: 1
rl: dpo
`);
  deepEqual(error.place, { file: "c.yml", line: 1, column: 15 });
  const lines = error.message.split("\n");
  equal(lines[0], "6 problems");
  deepEqual(lines.slice(1).map((line) => line.trim().split(" ")[0]), [
    "`base_model`",
    "`learning_rate`",
    "1:15:",
    "5:5:",
    "6:1:",
    "7:1:",
  ]);
});

Deno.test("text that is not a mapping in YAML is refused clearly", () => {
  const cases: [string, RegExp][] = [
    ["", /^c\.yml: the file is empty/],
    ["# only a comment\n", /^c\.yml: the file is empty/],
    ["~", /the file is empty/],
    ["- a\n- b\n", /^c\.yml:1:1: expected `key: value` lines/],
    ["just text", /expected `key: value` lines/],
    ["a: 1\nb: 2\na: 3\n", /^c\.yml:3:1: `a` is set twice/],
    ["a:\n  b: 1\n  b: 1\n", /^c\.yml:3:3: `b` is set twice/],
    ["a: [1\nb: 2", /^c\.yml:2:1: the YAML cannot be read: Flow sequence/],
    ["\ta: 1", /^c\.yml:1:1: the YAML cannot be read: Tabs are not allowed/],
    ["a: !!python/name:os.system x", /^c\.yml:1:4: the YAML cannot be read: Unresolved tag/],
    ["a: *b", /Unresolved alias.*: b\./],
    ["--- {a: 1}\n--- {a: 2}\n", /several YAML documents/],
  ];
  for (const [text, message] of cases) {
    const error = failure(text);
    ok(message.test(error.text), error.text);
  }
  let bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (let i = 1; i < 9; i++) bomb += `a${i}: &a${i} [${Array(9).fill(`*a${i - 1}`).join(",")}]\n`;
  ok(/repeats its anchors/.test(failure(bomb).text));
});

Deno.test("names of objects' own methods are unknown keys like others", () => {
  for (const name of ["constructor", "toString", "__proto__", "hasOwnProperty"]) {
    fails(`${name}: 1\n`, new RegExp(`unknown key \`${name}\``));
  }
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

Deno.test("files that are no configuration are refused at once", () => {
  const start = performance.now();
  const cases: [string, RegExp][] = [
    ["a: ".padEnd(10_000_000, "x"), /has 10000000 characters/],
    ["[".repeat(190_000), /too deeply|cannot be read/],
    ["a: " + "[".repeat(60) + "]".repeat(60), /too deeply/],
    ["- ".repeat(90_000), /too deeply|cannot be read/],
    ["? ".repeat(20_000), /too deeply|cannot be read|set twice|expected/],
    ["a: &a [*a]", /too deeply/],
    ["a: &a {b: *a}", /too deeply/],
    ['a: "' + "\\".repeat(100_000), /cannot be read/],
    [`${"&a ".repeat(50_000)}x`, /./],
    [Array.from({ length: 16_000 }, (_, i) => `k${i}: 1`).join("\n"), /and 15\d{3} more/],
    [`a: {${Array.from({ length: 20_000 }, (_, i) => `k${i}`)}}`, /problems/],
  ];
  for (const [text, message] of cases) {
    const error = failure(text);
    ok(message.test(error.text), error.text.slice(0, 200));
  }
  ok(performance.now() - start < 10_000);
});

Deno.test("checkConfig finds every problem and note at its place, and what was meant", () => {
  const text = [
    "base_model: m",
    "learning_rate: 1e-4",
    "datasets:",
    "  - path: d.jsonl",
    "    type: alpacca",
    "lora_rr: 8",
    "micro_batch_size: 0",
    "flash_attention: true",
    "optimizer: adamw_troch",
  ].join("\n");
  const found = checkConfig(text, "x.yml").map(({ severity, key, place, meant }) =>
    [severity, key, place.line, place.column, meant].join(" ")
  ).sort();
  deepEqual(found, [
    "error datasets.0.type 5 11 alpaca",
    "error lora_rr 6 1 lora_r",
    "error micro_batch_size 7 19 ",
    "error optimizer 9 12 adamw_torch",
    "note flash_attention 8 1 ",
  ]);
  const [broken] = checkConfig("a: [1, 2\nb: 3\n", "x.yml");
  deepEqual([broken!.severity, broken!.key, broken!.place.line], ["error", "", 2]);
  const idle = checkConfig(
    "base_model: m\nlearning_rate: 1\ndatasets: [{path: d, type: alpaca}]\nlora_r: 8\n",
    "x",
  );
  deepEqual(idle.map(({ key, place }) => [key, place.line]), [["lora_r", 4]]);
  deepEqual(checkConfig("- a\n", "x.yml").map(({ severity }) => severity), ["error"]);
});
