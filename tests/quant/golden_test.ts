// Whole runs over quantized bases against PyTorch + PEFT on the values that the bases stand for: 30
// steps from the same start; see tests/golden/quant. And checkpoints that bitsandbytes saved hold what
// Eft makes of the same weights.

import assert from "node:assert/strict";
import { type Config, parseConfig } from "../../src/config/config.ts";
import { Memory } from "../../src/gpu/program.ts";
import type { Tensor } from "../../src/graph/graph.ts";
import { denoHost } from "../../src/host/deno.ts";
import { loadWeights } from "../../src/model/weights.ts";
import { schedule } from "../../src/train/schedule.ts";
import { loadModel } from "../../src/train/session.ts";
import { testDevice } from "../device.ts";
import { golden, GoldenRun, json, type Recorded, shown, windowsOf } from "../golden_run.ts";

const host = denoHost();
const sanitize = { sanitizeOps: false, sanitizeResources: false };

function config(base: string, keys: string): Config {
  const text = `
base_model: ${base}
datasets: [{path: none.jsonl, type: alpaca}]
learning_rate: 1e-3
lora_r: 4
lora_alpha: 8
lora_target_linear: true
${keys}`;
  return parseConfig(text, "test.yml").config;
}

const llama = `${golden}/base-llama`;
const start = `${golden}/run-llama-lora/initial`;
const quant = `${golden}/quant`;
const runs: Record<string, { base: string; keys: string; start: string }> = {
  "run-nf4": { base: llama, keys: "adapter: qlora\nfloat32: true", start },
  "run-int8": { base: llama, keys: "adapter: lora\nload_in_8bit: true\nfloat32: true", start },
  "run-gptq": {
    base: `${quant}/base-gptq`,
    keys: "adapter: lora\ngptq: true",
    start: `${quant}/run-gptq/initial`,
  },
  "run-awq": {
    base: `${quant}/base-awq`,
    keys: "adapter: lora",
    start: `${quant}/run-awq/initial`,
  },
};

for (const [name, settings] of Object.entries(runs)) {
  Deno.test(`golden ${name}`, sanitize, async () => {
    const folder = `${quant}/${name}`;
    const expected = json<Recorded>(`${folder}/losses.json`);
    const windows = windowsOf(`${golden}/run-llama-lora/batches.json`, 2);
    const [batch] = windows[0].batches;
    const { limits } = await testDevice();
    const { model, lora, files } = await loadModel(
      host,
      config(settings.base, settings.keys),
      limits,
      batch.length,
    );
    const run = await GoldenRun.compile(model, lora!.tensors, batch, { recompute: true });
    await loadWeights(run.memory, model, files!);
    files!.close();
    await run.load(lora!.tensors, `${settings.start}/adapter_model.safetensors`);
    const steps = expected.losses.length;
    const factor = schedule("cosine", 5);
    for (let step = 0; step < steps; step++) {
      const rate = 5e-3 * factor(step, steps);
      assert.ok(Math.abs(rate - expected.learning_rates[step]) < 1e-9, `rate of step ${step}`);
      run.step(windows[step], rate);
    }
    const worst = {
      ...await run.compare(expected),
      weights: await run.distance(lora!.tensors, `${folder}/final/adapter_model.safetensors`),
    };
    run.memory.destroy();
    console.log(`${name}: ${shown(worst)}`);
    assert.ok(worst.losses < 1e-4, "losses");
    assert.ok(worst.weights < 1e-3, "final weights");
  });
}

/** The parts of every quantized weight of a model, as they are on the device. */
async function partsOf(base: string, keys: string): Promise<Map<string, ArrayBuffer[]>> {
  const device = await testDevice();
  const memory = new Memory(device);
  const { model, files } = await loadModel(host, config(base, keys), device.limits, 8);
  await loadWeights(memory, model, files!);
  files!.close();
  const found = new Map<string, ArrayBuffer[]>();
  for (const [name, { quantized }] of model.tensors as Map<string, Tensor>) {
    if (!quantized) continue;
    found.set(name, await memory.read(quantized.parts.map((tensor) => ({ tensor }))));
  }
  memory.destroy();
  return found;
}

for (
  const [name, four, keys] of [
    ["nf4", "nf4", "adapter: qlora"],
    [
      "fp4",
      "fp4",
      "adapter: qlora\nbnb_config_kwargs: {bnb_4bit_quant_type: fp4, bnb_4bit_use_double_quant: false}",
    ],
    ["int8", "int8", "adapter: lora\nload_in_8bit: true"],
  ]
) {
  Deno.test(`a base saved by bitsandbytes in ${four} is read as it is`, sanitize, async () => {
    const saved = await partsOf(`${quant}/base-bnb-${name}`, keys);
    const made = await partsOf(llama, keys);
    assert.equal(saved.size, 14);
    assert.deepEqual([...saved.keys()], [...made.keys()]);
    for (const [weight, parts] of saved) {
      parts.forEach((part, i) => {
        const other = made.get(weight)![i];
        // See double_quantization.py: the last bit of the offset, and codes all but halfway.
        if (four === "nf4" && i === 2) {
          const [a, b] = [new Float32Array(part), new Float32Array(other)];
          a.forEach((value, j) => assert.ok(Math.abs(value - b[j]) <= 1e-6 * Math.abs(value)));
        } else if (four === "nf4" && i === 1) {
          const [a, b] = [new Uint8Array(part), new Uint8Array(other)];
          const apart = a.filter((code, j) => code !== b[j]);
          assert.ok(apart.length <= 0.02 * a.length, `${apart.length} of ${a.length}`);
        } else assert.deepEqual(new Uint8Array(part), new Uint8Array(other), `${weight} ${i}`);
      });
    }
  });
}
