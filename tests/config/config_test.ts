import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { parseConfig } from "../../src/config/config.ts";
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
    datasets: [{ path: "data.jsonl", type: "alpaca", field: "text", ds_type: "json" }],
    val_set_size: 0,
    shuffle_merged_datasets: true,
    sequence_len: 512,
    min_sample_len: 2,
    excess_length_strategy: "drop",
    sample_packing: false,
    eval_sample_packing: false,
    pad_to_sequence_len: false,
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
    optimizer: "adamw_torch_fused",
    weight_decay: 0,
    adam_beta1: 0.9,
    adam_beta2: 0.999,
    adam_epsilon: 1e-8,
    max_grad_norm: 1,
    gradient_checkpointing: false,
    float32: false,
    seed: 42,
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
    "bf16",
    "flash_attention",
    "saves_per_epoch, save_total_limit",
  ]);
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
    ["lr_scheduler: cosin", /expected one of cosine, .* Did you mean `cosine`\?/],
    ["output_dir: [a]", /is \["a"\], expected text/],
    [
      "lora_target_modules: [1]",
      /c\.yml:6:22: `lora_target_modules(\.0)?` is .*, expected a list of/,
    ],
    ["test_datasets: []", /expected a list with at least one data set/],
    ["test_datasets: [x]", /`test_datasets\.0` is "x", expected an entry like/],
    [
      "test_datasets: [{type: alpaca}]",
      /c\.yml:6:17: `test_datasets\.0\.path` is missing\. A \.json/,
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
  fails("load_in_4bit: true", /^c\.yml:6:1: `load_in_4bit` is a key of Axolotl: quantized base/);
  fails("adapter: qlora", /c\.yml:6:10: `adapter: qlora`: QLoRA is not supported yet; use `lora`/);
  fails("adapter: full", /leave `adapter` empty/);
  fails("rl: dpo", /preference training is not supported yet/);
  fails("peft_layer_replication: [[0, 1]]", /variant of LoRA is not supported yet/);
  fails("neftune_noise_alpha: 5", /is a key of Axolotl: not supported yet\./);
  fails("optimizer: adamw_bnb_8bit", /`optimizer: adamw_bnb_8bit`: use `adamw_torch`/);
  parse("gptq: false\nrl:\nneftune_noise_alpha:\npeft_use_dora: false\nlora_modules_to_save: []\n");
  const dataset = (type: string) => failure(BASE.replace("alpaca", type)).text;
  ok(
    /^c\.yml:4:11: `datasets\.0\.type: sharegpt`: this format of Axolotl/.test(dataset("sharegpt")),
  );
  ok(/is "alpacca", expected one of .* Did you mean `alpaca`/.test(dataset("alpacca")));
  ok(/formats of your own are not/.test(dataset("{field_output: x}")));
});

Deno.test("rules between keys", () => {
  const lora = "adapter: lora\nlora_r: 8\nlora_alpha: 16\n";
  const cases: [string, RegExp][] = [
    ["warmup_ratio: 0.1\nwarmup_steps: 5", /`warmup_steps` and `warmup_ratio` exclude/],
    ["val_set_size: 0.1\neval_steps: 5\nevals_per_epoch: 2", /^c\.yml:8:1: `eval_steps` and/],
    ["evals_per_epoch: 2", /`evals_per_epoch` needs data to evaluate on; add `val_set_size/],
    ["eval_strategy: steps", /`eval_strategy` needs data/],
    ["val_set_size: 0.1\neval_steps: 5\neval_strategy: no", /contradicts `eval_steps`/],
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

Deno.test("no text makes the parser throw anything but an EftError", () => {
  const noise = fc.string({ unit: fc.constantFrom(..."ab:-[]{}&*!|>'\"#%@ \n\t,?~<=0.") });
  fc.assert(
    fc.property(noise, fc.nat(BASE.length), fc.boolean(), (text, at, inside) => {
      try {
        parseConfig(inside ? BASE.slice(0, at) + text + BASE.slice(at) : text, "c.yml");
      } catch (error) {
        ok(error instanceof EftError, `${(error as Error).stack}`);
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("names of objects' own methods are unknown keys like others", () => {
  for (const name of ["constructor", "toString", "__proto__", "hasOwnProperty"]) {
    fails(`${name}: 1\n`, new RegExp(`unknown key \`${name}\``));
  }
});
