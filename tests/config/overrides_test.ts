import { deepEqual, equal, ok, throws } from "node:assert/strict";
import {
  type Override,
  parseConfig,
  parseOverrides,
  resolvedYaml,
} from "../../src/config/config.ts";
import { EftError } from "../../src/errors.ts";

const YAML = `# my run
base_model: ./model
datasets: # what to learn
  - path: data.jsonl
    type: alpaca
learning_rate: 2e-4 # high
sample_packing: true
`;

function config(...args: string[]) {
  const { overrides, rest } = parseOverrides(args);
  deepEqual(rest, []);
  return parseConfig(YAML, "c.yml", overrides).config;
}

Deno.test("arguments are split into settings and the rest", () => {
  const cases: [string[], [string, string][], string[]][] = [
    [["--learning-rate", "1e-4", "c.yml"], [["learning_rate", "1e-4"]], ["c.yml"]],
    [["--learning-rate=1e-4"], [["learning_rate", "1e-4"]], []],
    [["--learning_rate", "-1"], [["learning_rate", "-1"]], []],
    [["--datasets.0.path", "x"], [["datasets.0.path", "x"]], []],
    [["--sample-packing", "c.yml"], [["sample_packing", "true"]], ["c.yml"]],
    [["--sample-packing", "false", "x"], [["sample_packing", "false"]], ["x"]],
    [["--no-sample-packing", "x"], [["sample_packing", "false"]], ["x"]],
    [["--flash-attention", "c.yml"], [["flash_attention", "true"]], ["c.yml"]],
    [["--no-flash-attention"], [["flash_attention", "false"]], []],
    [["--bf16", "c.yml"], [["bf16", "true"]], ["c.yml"]],
    [["--no-bf16"], [["bf16", "false"]], []],
    [["--trl.use-vllm", "--seed=1"], [["trl.use_vllm", "true"], ["seed", "1"]], []],
    [["--datasets.0.drop-system-message"], [["datasets.0.drop_system_message", "true"]], []],
    [["--datasets.0.type.field_output", "o"], [["datasets.0.type.field_output", "o"]], []],
    [["--bf16", "auto", "c.yml"], [["bf16", "auto"]], ["c.yml"]],
    [["--wandb-project", "p"], [["wandb_project", "p"]], []],
    [["--base-model", "a=b"], [["base_model", "a=b"]], []],
    [["--base-model=a=b"], [["base_model", "a=b"]], []],
    [["--json", "-v", "--lerning-rate", "1"], [], ["--json", "-v", "--lerning-rate", "1"]],
    [["--", "--seed", "1"], [], ["--", "--seed", "1"]],
  ];
  for (const [args, settings, rest] of cases) {
    const overrides = settings.map(([key, value]): Override => ({ key, value }));
    deepEqual(parseOverrides(args), { overrides, rest });
  }
  throws(() => parseOverrides(["--seed"]), /on the command line: --seed needs a value/);
  throws(() => parseOverrides(["--seed", "--json"]), EftError);
});

Deno.test("settings replace and add values, typed by their key", () => {
  equal(config("--learning-rate", "1e-3").learning_rate, 0.001);
  equal(config("--no-sample-packing").sample_packing, false);
  equal(config("--base-model", "123").base_model, "123");
  equal(config("--base-model", "a: b").base_model, "a: b");
  equal(config("--datasets.0.path", "true").datasets[0]!.path, "true");
  deepEqual(
    config("--lora-target-modules", "[q_proj, v_proj]").lora_target_modules,
    ["q_proj", "v_proj"],
  );
  equal(config("--special-tokens.pad-token", "<pad>").special_tokens!.pad_token, "<pad>");
  const more = config("--datasets.1.path", "b.jsonl", "--datasets.1.type", "completion");
  equal(more.datasets[1]!.type, "completion");
  equal(config("--max-steps", "5", "--max-steps=").max_steps, undefined);
});

Deno.test("mistakes say that they are on the command line", () => {
  const cases: [string[], RegExp][] = [
    [["--sequence-len", "x"], /^on the command line: `sequence_len` is "x", expected a whole/],
    [["--datasets.0.type", "x"], /^on the command line: `datasets\.0\.type` is "x"/],
    [["--datasets.0.pth", "x"], /^on the command line: unknown key `datasets\.0\.pth`/],
    [["--datasets.2.path", "x"], /--datasets\.2\.path does not fit: `datasets` has 1 entries/],
    [["--datasets.path", "x"], /does not fit: `datasets` is a list/],
    [["--learning-rate.x", "1"], /does not fit the file/],
    [["--rl", "dpo"], /on the command line: `rl` is not supported yet/],
    [["--trl.beta", "x"], /on the command line: `trl` is not supported/],
  ];
  for (const [args, message] of cases) {
    throws(() => config(...args), (error: unknown) => {
      ok(error instanceof EftError && message.test(error.text), String(error));
      return true;
    });
  }
});

Deno.test("an override wins over the key's old name", () => {
  const text = `${YAML}val_set_size: 0.1\nevaluation_strategy: steps\n`;
  const overrides = [{ key: "eval_strategy", value: "no" }];
  equal(parseConfig(text, "c.yml", overrides).config.eval_strategy, "no");
});

Deno.test("the resolved text keeps comments and gives the same configuration", () => {
  equal(resolvedYaml(YAML, []), YAML);
  const { overrides } = parseOverrides(["--learning-rate", "1e-3", "--datasets.0.path=b.jsonl"]);
  const text = resolvedYaml(YAML, overrides);
  ok(text.startsWith("# my run\n") && text.includes("# what to learn"), text);
  ok(text.includes("path: b.jsonl") && text.includes("learning_rate: 1e-3 # high"), text);
  deepEqual(parseConfig(text, "c.yml"), parseConfig(YAML, "c.yml", overrides));
});
