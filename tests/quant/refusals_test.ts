// Combinations that cannot work end with one message before a weight is read.

import assert from "node:assert/strict";
import { parseConfig } from "../../src/config/config.ts";
import { EftError } from "../../src/errors.ts";
import { leastLimits } from "../../src/graph/limits.ts";
import { denoHost } from "../../src/host/deno.ts";
import { FakeHost } from "../fake_host.ts";
import { loadModel } from "../../src/train/session.ts";

const lora = "lora_r: 4\nlora_alpha: 8\nlora_target_linear: true\n";

function parse(keys: string, base = "m") {
  const text = `base_model: ${base}
datasets: [{path: d.jsonl, type: alpaca}]
learning_rate: 1e-3
${lora}${keys}`;
  return parseConfig(text, "c.yml").config;
}

Deno.test("keys that contradict each other", () => {
  const cases: [string, RegExp][] = [
    ["adapter: qlora\nload_in_8bit: true", /c\.yml:8:1: .*qlora.* 4 bits; use `adapter: lora`/],
    ["adapter: qlora\nload_in_4bit: false", /c\.yml:8:1: `adapter: qlora` holds the base in 4/],
    ["adapter: qlora\ngptq: true", /c\.yml:8:1: .* does not go with a GPTQ base/],
    ["gptq: true", /c\.yml:7:1: `gptq` trains with an adapter only; add `adapter: lora`/],
    ["load_in_8bit: true", /`load_in_8bit` trains with an adapter only/],
    ["load_in_4bit: true", /`load_in_4bit` trains with an adapter only/],
    [
      "adapter: lora\nload_in_4bit: true\nload_in_8bit: true",
      /c\.yml:9:1: `load_in_4bit` and `load_in_8bit` exclude each other/,
    ],
    ["adapter: lora\nload_in_8bit: true\ngptq: true", /exclude each other/],
    ["adapter: qlora\nreinit_weights: true", /read from files; remove `reinit_weights`/],
    ["adapter: qlora\nbnb_config_kwargs: {bnb_4bit_quant_type: int4}", /one of nf4, fp4/],
  ];
  for (const [keys, message] of cases) {
    assert.throws(() => parse(keys), (error) => {
      assert.ok(error instanceof EftError && error.code === "config");
      assert.match(
        `${error.place.file}:${error.place.line}:${error.place.column}: ${error.message}`,
        message,
      );
      assert.ok(!error.message.includes("\n"), error.message);
      return true;
    }, keys);
  }
  assert.equal(parse("adapter: qlora").load_in_4bit, true);
});

const shape = {
  architectures: ["LlamaForCausalLM"],
  hidden_size: 64,
  num_attention_heads: 4,
  num_hidden_layers: 1,
  intermediate_size: 64,
  vocab_size: 32,
};

async function refused(settings: unknown, keys: string, message: RegExp) {
  const host = new FakeHost({
    "m/config.json": JSON.stringify({ ...shape, quantization_config: settings }),
  });
  await assert.rejects(loadModel(host, parse(keys), leastLimits, 8), (error) => {
    assert.ok(error instanceof EftError, String(error));
    assert.match(error.message, message);
    return true;
  });
}

Deno.test("adapters that a quantized base cannot have", async () => {
  const gptq = { quant_method: "gptq", bits: 4, group_size: 128 };
  const awq = { quant_method: "awq", bits: 4, group_size: 128 };
  const loftq = "peft: {loftq_config: {loftq_bits: 4}}";
  const dora = "peft_use_dora: true";
  const olora = "peft_init_lora_weights: olora";
  const forms: [unknown, string, string][] = [
    [gptq, "adapter: lora\ngptq: true\n", "GPTQ"],
    [awq, "adapter: lora\n", "AWQ"],
  ];
  for (const [settings, keys, form] of forms) {
    await refused(settings, keys + dora, new RegExp(`^peft_use_dora: DoRA on a ${form} base`));
    await refused(
      settings,
      keys + olora,
      new RegExp(`^peft_init.* which a ${form} base cannot give`),
    );
    await refused(
      settings,
      `${keys}relora_steps: 4`,
      new RegExp(`^relora: .* a ${form} base cannot take`),
    );
  }
  const held = ["adapter: qlora\n", "adapter: lora\nload_in_8bit: true\n"];
  const bases = [...forms, ...held.map((keys) => [undefined, keys] as const)];
  for (const [settings, keys] of bases) {
    const others = settings ? "another start" : "olora";
    for (const start of ["pissa", "pissa_niter_4"]) {
      const message = new RegExp(
        `pissa\\w* starts from unquantized .*; use ${others} on this base`,
      );
      await refused(settings, `${keys}peft_init_lora_weights: ${start}`, message);
    }
    await refused(settings, keys + loftq, /^loftq: .*itself, as in PEFT; use `adapter: lora`/);
  }
  const best = "load_best_model_at_end: true\nsave_only_model: true\nval_set_size: 0.1\n" +
    "relora_steps: 4\neval_steps: 4\nsave_steps: 4\n";
  await refused(undefined, `adapter: qlora\n${best}`, /^save_only_model: with ReLoRA/);
});

Deno.test("LoftQ of an embedding", async () => {
  const config = parse(
    "adapter: lora\nlora_target_modules: [embed_tokens]\npeft: {loftq_config: {loftq_bits: 4}}",
    "tests/golden/base-llama",
  );
  const message = /^lora_target_modules: LoftQ is for linear layers; leave embed_tokens out/;
  await assert.rejects(loadModel(denoHost(), config, leastLimits, 8), { message });
});

Deno.test("a checkpoint that does not fit the keys", async () => {
  const gptq = { quant_method: "gptq", bits: 4, group_size: 128 };
  const four = { quant_method: "bitsandbytes", load_in_4bit: true, bnb_4bit_quant_type: "nf4" };
  await refused(gptq, "adapter: lora", /quantized with gptq; add `gptq: true`/);
  await refused(gptq, "adapter: qlora", /`load_in_4bit: true` does not fit it.*`gptq: true`/);
  await refused(undefined, "adapter: lora\ngptq: true", /not quantized.*eft quantize/);
  await refused(four, "adapter: lora\nload_in_8bit: true", /Write `load_in_4bit: true`/);
  await refused(four, "", /add `load_in_4bit: true`/);
  await refused({ quant_method: "awq", bits: 4 }, "adapter: lora\ngptq: true", /Remove the line/);
  await refused({ quant_method: "awq", bits: 4 }, "", /with an adapter only/);
  await refused({ quant_method: "hqq" }, "adapter: lora", /"hqq", which Eft cannot read/);
  await refused({ ...gptq, bits: 5 }, "adapter: lora\ngptq: true", /5 bits is not supported/);
  await refused({ ...gptq, checkpoint_format: "marlin" }, "adapter: lora\ngptq: true", /"marlin"/);
  await refused({ ...gptq, group_size: 0 }, "adapter: lora\ngptq: true", /group_size is 0/);
  const wide = { quant_method: "awq", bits: 8 };
  await refused(wide, "adapter: lora", /AWQ with 8 bits/);
});

Deno.test("missing and misshapen parts are named", async () => {
  const base = "tests/golden/quant/base-gptq";
  const config = parse("adapter: lora\ngptq: true", base);
  const host = denoHost();
  const settings = { bits: 4, group_size: 64, desc_act: true };
  const readText = (path: string) =>
    path.endsWith("quantize_config.json")
      ? Promise.resolve(JSON.stringify(settings))
      : host.readText(path);
  const odd = Object.assign(Object.create(host), { readText });
  await assert.rejects(loadModel(odd, config, leastLimits, 8), /scales has shape|qzeros has shape/);
});
