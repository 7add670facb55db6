// From YAML text to keys: where a mistake is, what it says, and what is understood in spite of its form.

import { deepEqual, equal, ok } from "node:assert/strict";
import { checkConfig, parseConfig } from "../../src/config/config.ts";
import { nearest } from "../../src/config/nearest.ts";
import { BASE, fails, failure, parse } from "./parse.ts";

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
