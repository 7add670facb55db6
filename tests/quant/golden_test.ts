// Whole runs over quantized bases against PyTorch + PEFT on the values that the bases stand for: 30
// steps from the same start; see tests/golden/quant. And checkpoints that bitsandbytes saved hold what
// Eft makes of the same weights.

import assert from "node:assert/strict";
import { type Config, parseConfig } from "../../src/config/config.ts";
import { bytesToF32 } from "../../src/files/dtype.ts";
import { openSafetensors } from "../../src/files/safetensors.ts";
import { Memory } from "../../src/gpu/program.ts";
import { sizeOf, type Tensor } from "../../src/graph/graph.ts";
import { plan } from "../../src/graph/plan.ts";
import { packStep, statisticsTensor, stepTensor } from "../../src/graph/step_scalars.ts";
import { batchInputs } from "../../src/model/forward.ts";
import { loadWeights } from "../../src/model/weights.ts";
import { microStepGraph, updateGraph } from "../../src/train/graphs.ts";
import { groupParameters } from "../../src/train/parameters.ts";
import { adamw } from "../../src/train/optimizers/adamw.ts";
import { scalarsTensor, UpdateScalars } from "../../src/train/optimizers/scalars.ts";
import { schedule } from "../../src/train/schedule.ts";
import { loadModel } from "../../src/train/session.ts";
import { denoHost } from "../../src/host/deno.ts";
import { testDevice } from "../device.ts";

const host = denoHost();
const golden = "tests/golden";
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

interface Golden {
  losses: number[];
  grad_norms: number[];
  learning_rates: number[];
}

async function json<T>(path: string): Promise<T> {
  return JSON.parse(await host.readText(path));
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

const relative = (found: number, wanted: number) => Math.abs(found - wanted) / Math.abs(wanted);

for (const [name, settings] of Object.entries(runs)) {
  Deno.test(`golden ${name}`, sanitize, async () => {
    const folder = `${quant}/${name}`;
    const expected = await json<Golden>(`${folder}/losses.json`);
    const { micro_batches: batches } = await json<{
      micro_batches: { input_ids: number[][]; labels: number[][] }[];
    }>(`${golden}/run-llama-lora/batches.json`);
    const device = await testDevice();
    const memory = new Memory(device);
    const length = batches[0].input_ids[0].length;
    const { model, lora, files } = await loadModel(
      host,
      config(settings.base, settings.keys),
      device.limits,
      length,
    );
    const optimizer = adamw({
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
      warmupSteps: 0,
      args: {},
    });
    const groups = groupParameters(
      lora!.tensors,
      () => ({ optimizer, weightDecay: 0.01, rateScale: 1 }),
      device.limits,
    );
    const scalars = scalarsTensor(groups);
    const updates = new UpdateScalars(groups);
    const state = { step: stepTensor(), statistics: statisticsTensor() };
    const inputs = batchInputs(batches[0].input_ids.length, length);
    const { graph } = microStepGraph(model, inputs, state, device.limits, { recompute: true });
    const updating = updateGraph({ groups, scalars, maxGradNorm: 1 }, state, device.limits);
    const [micro, update] = await memory.compile([
      plan("micro", graph, device.limits),
      plan("update", updating, device.limits),
    ]);
    await loadWeights(memory, model, files!);
    files!.close();
    const initial = await openSafetensors(host, `${settings.start}/adapter_model.safetensors`);
    for (const [label, target] of lora!.tensors) {
      const entry = initial.tensors.get(label)!;
      memory.write(target, bytesToF32(await entry.read(), entry.dtype));
    }
    initial.close();

    const steps = expected.losses.length;
    const factor = schedule("cosine", 5);
    for (let step = 0; step < steps; step++) {
      const rate = 5e-3 * factor(step, steps);
      assert.ok(Math.abs(rate - expected.learning_rates[step]) < 1e-9, `rate of step ${step}`);
      const window = batches.slice(2 * step, 2 * step + 2);
      const targets = window.map(({ labels }) =>
        Int32Array.from(labels.flatMap((row) => [...row.slice(1), -100]))
      );
      const count = targets.flatMap((t) => [...t]).filter((t) => t >= 0).length;
      window.forEach(({ input_ids }, i) => {
        const tokens = Uint32Array.from(input_ids.flat());
        memory.write(inputs.tokens, tokens);
        memory.write(inputs.positions, tokens.map((_, at) => at % length));
        memory.write(inputs.starts, new Uint32Array(tokens.length));
        memory.write(inputs.targets, targets[i]);
        memory.write(
          state.step,
          packStep({
            lossScale: 1 / count,
            slot: step,
            microStep: 2 * step + i,
            seed: 1,
          }),
        );
        micro.run();
      });
      memory.write(scalars, updates.next(rate));
      update.run();
    }
    const [statistics] = await memory.read([{ tensor: state.statistics }]);
    const rows = new Float32Array(statistics);
    const worst = { losses: 0, norms: 0, weights: 0 };
    for (let step = 0; step < steps; step++) {
      worst.losses = Math.max(worst.losses, relative(rows[4 * step], expected.losses[step]));
      worst.norms = Math.max(worst.norms, relative(rows[4 * step + 1], expected.grad_norms[step]));
    }
    const final = await openSafetensors(host, `${folder}/final/adapter_model.safetensors`);
    for (const [label, target] of lora!.tensors) {
      const entry = final.tensors.get(label)!;
      const wanted = bytesToF32(await entry.read(), entry.dtype);
      const [bytes] = await memory.read([{ tensor: target }]);
      const found = new Float32Array(bytes, 0, sizeOf(target));
      const distance = Math.hypot(...wanted.map((w, i) => w - found[i])) / Math.hypot(...wanted);
      worst.weights = Math.max(worst.weights, distance);
    }
    final.close();
    memory.destroy();
    console.log(
      `${name}: largest relative differences: losses ${worst.losses.toExponential(1)}, ` +
        `gradient norms ${worst.norms.toExponential(1)}, weights ${worst.weights.toExponential(1)}`,
    );
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
