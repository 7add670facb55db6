// Kinds of adapters through the whole path of a user: a run, the files it leaves, going on from them,
// added tokens, ReLoRA, and merging.

import assert from "node:assert/strict";
import { main } from "../../src/cli/main.ts";
import { parseConfig } from "../../src/config/config.ts";
import { openInference } from "../../src/infer/session.ts";
import { Generator } from "../../src/infer/generator.ts";
import { testDevice } from "../device.ts";
import { distance, host } from "../model/logits.ts";
import { configText, only, readTensors, sanitize, tinyFolder, train } from "../train/tiny.ts";

const lora = {
  adapter: "lora",
  lora_r: 4,
  lora_alpha: 8,
  lora_target_linear: true,
  warmup_steps: 0,
};

/** Greedy continuations of what a folder's configuration leads to, by a prompt of plain tokens. */
async function answer(
  folder: string,
  keys: Record<string, unknown>,
  withoutAdapter = false,
): Promise<{ tokens: number[]; logits: Float32Array }> {
  const device = await testDevice();
  const { config } = parseConfig(configText(folder, keys), "test.yml");
  const { memory, model } = await openInference(host, config, device);
  const generator = new Generator(memory, model, { batch: 1, context: 32, withoutAdapter });
  const [logits] = await generator.feed([[5, 40, 41, 42]]);
  generator.reset();
  const [tokens] = await generator.generate([[5, 40, 41, 42]], {
    maxNewTokens: 6,
    stopTokens: new Set(),
  });
  await generator.destroy();
  memory.destroy();
  return { tokens, logits };
}

async function mergedAnswer(folder: string, keys: Record<string, unknown>) {
  Deno.writeTextFileSync(`${folder}/run.yml`, configText(folder, keys));
  assert.equal(await main(["merge-lora", `${folder}/run.yml`]), 0);
  return answer(folder, {
    base_model: `${folder}/out/merged`,
    output_dir: `${folder}/none`,
  });
}

const methods: Record<string, Record<string, unknown>> = {
  "DoRA with dropout": { ...lora, peft_use_dora: true, lora_dropout: 0.1 },
  "PiSSA": { ...lora, peft_init_lora_weights: "pissa_niter_4" },
  "embeddings and head": {
    ...lora,
    lora_target_modules: ["embed_tokens", "lm_head"],
    lora_modules_to_save: ["norm"],
    lora_dropout: 0.1,
  },
};

for (const [name, keys] of Object.entries(methods)) {
  Deno.test(`a run of ${name} can be read, switched off and merged`, sanitize, async () => {
    const folder = tinyFolder();
    const events = await train(folder, keys);
    const losses = only(events, "step").map(({ loss }) => loss);
    assert.ok(losses.every(Number.isFinite) && losses.at(-1)! < losses[0], String(losses));
    const adapted = await answer(folder, keys);
    const off = await answer(folder, keys, true);
    const base = await answer(folder, { output_dir: `${folder}/none` });
    const merged = await mergedAnswer(folder, keys);
    console.log(
      `${name}: on ${distance(adapted.logits, base.logits).toFixed(2)} from the base, off ` +
        `${distance(off.logits, base.logits)}, merged ` +
        `${distance(merged.logits, adapted.logits).toExponential(1)} from on`,
    );
    assert.ok(distance(adapted.logits, base.logits) > 0.1);
    assert.equal(distance(off.logits, base.logits), 0);
    assert.ok(distance(merged.logits, adapted.logits) < 1e-4);
    assert.deepEqual(merged.tokens, adapted.tokens);
    Deno.removeSync(folder, { recursive: true });
  });
}

const onRoundedBases: Record<string, Record<string, unknown>> = {
  "DoRA over NF4": { ...lora, adapter: "qlora", peft_use_dora: true, lora_dropout: 0.1 },
  "OLoRA over NF4": { ...lora, adapter: "qlora", peft_init_lora_weights: "olora" },
  "OLoRA over 8 bits": { ...lora, load_in_8bit: true, peft_init_lora_weights: "olora" },
  "LoftQ": { ...lora, peft: { loftq_config: { loftq_bits: 4 } } },
};

for (const [name, keys] of Object.entries(onRoundedBases)) {
  Deno.test(`a run of ${name} can be gone on from, read and merged`, sanitize, async () => {
    const folder = tinyFolder();
    const events = await train(folder, { ...keys, save_steps: 2 });
    const losses = only(events, "step").map(({ loss }) => loss);
    assert.ok(losses.every(Number.isFinite) && losses.at(-1)! < losses[0], String(losses));
    const [{ planned_gpu_bytes: planned, peak_gpu_bytes: peak }] = only(events, "end");
    const adapter = (out: string) =>
      Deno.readFileSync(`${folder}/${out}/adapter_model.safetensors`);
    const wanted = adapter("out");
    const resumed = { resume_from_checkpoint: `${folder}/out/checkpoint-2` };
    await train(folder, { ...keys, ...resumed, output_dir: `${folder}/on` });
    assert.deepEqual(adapter("on"), wanted);
    const adapted = await answer(folder, keys);
    const merged = await mergedAnswer(folder, keys);
    console.log(
      `${name}: merged ${distance(merged.logits, adapted.logits).toExponential(1)} from the ` +
        `adapter, planned ${planned} bytes, at most ${peak}`,
    );
    assert.ok(distance(merged.logits, adapted.logits) < 1e-4);
    assert.deepEqual(merged.tokens, adapted.tokens);
    assert.ok(Math.abs(planned / peak - 1) < 0.02, `planned ${planned}, allocated ${peak}`);

    // Going on from the adapter starts from the base again and changes nothing by itself.
    const onwards = { ...keys, lora_model_dir: `${folder}/out`, learning_rate: 0, max_steps: 1 };
    await train(folder, { ...onwards, output_dir: `${folder}/same` });
    assert.deepEqual(adapter("same"), wanted);
    const again = await answer(folder, { ...keys, output_dir: `${folder}/same` });
    assert.equal(distance(again.logits, adapted.logits), 0);
    Deno.removeSync(folder, { recursive: true });
  });
}

Deno.test("training goes on from an adapter", sanitize, async () => {
  const folder = tinyFolder();
  const plain = { ...lora, lora_target_linear: false, lora_target_modules: ["q_proj", "v_proj"] };
  await train(folder, { ...plain, lora_rank_pattern: { v_proj: 2 }, peft_use_rslora: true });
  Deno.renameSync(`${folder}/out`, `${folder}/first`);
  const before = await readTensors(`${folder}/first/adapter_model.safetensors`);
  const config = Deno.readTextFileSync(`${folder}/first/adapter_config.json`);
  const onwards = { adapter: "lora", lora_model_dir: `${folder}/first` };
  await train(folder, { ...onwards, learning_rate: 0, max_steps: 1 });
  const same = await readTensors(`${folder}/out/adapter_model.safetensors`);
  for (const [name, { values }] of before) {
    assert.equal(distance(same.get(name)!.values, values), 0, name);
  }
  assert.equal(Deno.readTextFileSync(`${folder}/out/adapter_config.json`), config);
  const events = await train(folder, onwards);
  assert.ok(only(events, "note").some(({ text }) => /lora_model_dir/.test(text)));
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("new tokens need trained rows, get them, and are written", sanitize, async () => {
  const folder = tinyFolder();
  const tokens = { tokens: ["<zig>", "red, blue"], special_tokens: { pad_token: "<padding>" } };
  await assert.rejects(
    train(folder, { ...lora, ...tokens }),
    /vocabulary has no <zig>, red, blue.*lora_modules_to_save: \[embed_tokens, lm_head\]/,
  );
  // Only padding is new (with id 259, the last of 260 rows): nothing to train.
  const padding = {
    ...lora,
    special_tokens: tokens.special_tokens,
    resize_token_embeddings_to_32x: true,
  };
  await train(folder, { ...padding, max_steps: 1 });
  const padded = await readTensors(`${folder}/out/adapter_model.safetensors`);
  const table = "base_model.model.model.embed_tokens.weight";
  assert.deepEqual(padded.get(table)!.shape, [288, 64]);
  await answer(folder, padding);

  const keys = {
    ...lora,
    ...tokens,
    lora_modules_to_save: ["embed_tokens", "lm_head"],
    mean_resizing_embeddings: true,
    resize_token_embeddings_to_32x: true,
  };
  const events = await train(folder, keys);
  assert.ok(only(events, "note").some(({ text }) => /<zig> \(260\)/.test(text)));
  const made = await readTensors(`${folder}/out/adapter_model.safetensors`);
  assert.deepEqual(made.get(table)!.shape, [288, 64]);
  // A row that no text uses is the mean of the old ones.
  const base = await readTensors(`${folder}/model`);
  const old = base.get("model.embed_tokens.weight")!.values;
  let mean = 0;
  for (let row = 0; row < 260; row++) mean += old[row * 64] / 260;
  assert.ok(Math.abs(made.get(table)!.values[287 * 64] - mean) < 1e-6);
  const written = JSON.parse(Deno.readTextFileSync(`${folder}/out/tokenizer.json`));
  const content = (token: { content: string }) => token.content;
  assert.deepEqual(written.added_tokens.slice(-3).map(content), [
    "<padding>",
    "<zig>",
    "red, blue",
  ]);
  const adapted = await answer(folder, keys);
  const merged = await mergedAnswer(folder, keys);
  assert.equal(merged.logits.length, 288);
  assert.ok(distance(merged.logits, adapted.logits) < 1e-4);
  assert.equal(
    JSON.parse(Deno.readTextFileSync(`${folder}/out/merged/config.json`)).vocab_size,
    288,
  );

  const rows = { ...lora, tokens: tokens.tokens, peft_trainable_token_indices: [259, 260] };
  await train(folder, rows);
  assert.deepEqual(
    (await readTensors(`${folder}/out/adapter_model.safetensors`))
      .get("base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta")!.shape,
    [2, 64],
  );
  const trained = await answer(folder, rows);
  const whole = await mergedAnswer(folder, rows);
  assert.ok(distance(whole.logits, trained.logits) < 1e-4);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("ReLoRA restarts, and leaves the merged model", sanitize, async () => {
  const folder = tinyFolder("base-qwen2");
  const keys = {
    ...lora,
    relora: true,
    jagged_restart_steps: 3,
    jagged_restart_warmup_steps: 1,
    max_steps: 7,
    lora_modules_to_save: ["norm"],
  };
  const events = await train(folder, keys);
  assert.deepEqual(
    only(events, "step").map((event) => event.num_lora_restarts),
    [0, 0, 0, 1, 1, 1, 2],
  );
  const state = JSON.parse(Deno.readTextFileSync(`${folder}/out/trainer_state.json`));
  assert.equal(state.log_history.at(-2).num_lora_restarts, 2);
  const [before, after] = [
    await readTensors(`${folder}/model`),
    await readTensors(`${folder}/out`),
  ];
  assert.deepEqual([...after.keys()].sort(), [...before.keys()].sort());
  for (const [name, { values }] of after) {
    const same = distance(values, before.get(name)!.values) === 0;
    assert.equal(same, !/_proj\.weight$|^model\.norm/.test(name), name);
  }
  const base = await answer(folder, { output_dir: `${folder}/none` });
  const { logits } = await answer(folder, keys);
  assert.ok(distance(logits, base.logits) > 0.1);
  Deno.removeSync(folder, { recursive: true });
});
