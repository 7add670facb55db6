// Whole runs against PyTorch + transformers + PEFT: 50 steps from the same start on the same batches;
// see tests/golden. Each loss, each gradient norm and the final weights must agree; with activations
// in f16 they must stay as near to the run in f32 as PyTorch's do under autocast.

import assert from "node:assert/strict";
import { attachLora } from "../../src/adapter/lora.ts";
import { openSafetensors } from "../../src/files/safetensors.ts";
import { bytesToF32 } from "../../src/files/dtype.ts";
import { Memory } from "../../src/gpu/program.ts";
import { firstScaler, scalerTensor } from "../../src/graph/loss_scaler.ts";
import { packStep, statisticsTensor, stepTensor } from "../../src/graph/step_scalars.ts";
import { plan } from "../../src/graph/plan.ts";
import { sizeOf, type Tensor } from "../../src/graph/graph.ts";
import { denoHost } from "../../src/host/deno.ts";
import { readModelShape } from "../../src/model/architecture.ts";
import { batchInputs } from "../../src/model/forward.ts";
import { declareModel } from "../../src/model/model.ts";
import { loadWeights } from "../../src/model/weights.ts";
import { microStepGraph, type StepState, updateGraph } from "../../src/train/graphs.ts";
import { decays, groupParameters } from "../../src/train/parameters.ts";
import { adamw } from "../../src/train/optimizers/adamw.ts";
import { scalarsTensor, UpdateScalars } from "../../src/train/optimizers/scalars.ts";
import { schedule } from "../../src/train/schedule.ts";
import { sortByToken } from "../../src/train/trainer.ts";
import { testDevice } from "../device.ts";

const host = denoHost();
const golden = "tests/golden";
const sanitize = { sanitizeOps: false, sanitizeResources: false };

interface Golden {
  losses: number[];
  grad_norms: number[];
  learning_rates: number[];
}

async function json<T>(path: string): Promise<T> {
  return JSON.parse(await host.readText(path));
}

for (const base of ["llama", "qwen2"]) {
  for (const method of ["lora", "full"]) {
    for (const recompute of [false, true]) {
      const name = `golden run ${base} ${method}${recompute ? " recomputed" : ""}`;
      Deno.test(name, sanitize, async () => {
        await checkRun(
          `${golden}/base-${base}`,
          `${golden}/run-${base}-${method}`,
          method,
          recompute,
        );
      });
    }
    Deno.test(`golden run ${base} ${method} in f16`, sanitize, async () => {
      if (!(await testDevice()).limits.f16) return;
      const half = await json<{ band: number }>(`${golden}/half/${base}-${method}.json`);
      const paths = [`${golden}/base-${base}`, `${golden}/run-${base}-${method}`] as const;
      await checkRun(...paths, method, method === "lora", half.band);
    });
  }
}

/** `band`: how far losses under PyTorch's autocast to f16 are from those in f32; f16 here as well. */
async function checkRun(
  baseFolder: string,
  folder: string,
  method: string,
  recompute: boolean,
  band?: number,
) {
  const expected = await json<Golden>(`${folder}/losses.json`);
  const { micro_batches: microBatches } = await json<{
    micro_batches: { input_ids: number[][]; labels: number[][] }[];
  }>(`${folder}/batches.json`);
  const device = await testDevice();
  const memory = new Memory(device);
  try {
    const shape = readModelShape(await host.readText(`${baseFolder}/config.json`), "config.json");
    const length = microBatches[0].input_ids[0].length;
    const batch = microBatches[0].input_ids.length;
    const full = method === "full";
    const model = declareModel(shape, length, () => ({ dtype: "f32", trained: full }));
    const lora = full ? undefined : attachLora(model, {
      rank: 4,
      alpha: 8,
      dropout: 0,
      targets: [],
      allLinear: true,
    });
    const trained: Map<string, Tensor> = lora?.tensors ?? model.tensors;
    const optimizer = adamw({
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
      warmupSteps: 0,
      args: {},
    });
    const groups = groupParameters(
      trained,
      (name) => ({ optimizer, weightDecay: decays(name) ? 0.01 : 0, rateScale: 1 }),
      device.limits,
    );
    const scalars = scalarsTensor(groups);
    const updates = new UpdateScalars(groups);
    const state: StepState = { step: stepTensor(), statistics: statisticsTensor() };
    if (band) {
      model.activations = "f16";
      state.scaler = scalerTensor();
      memory.write(state.scaler, firstScaler);
    }
    const inputs = batchInputs(batch, length);
    const { graph } = microStepGraph(model, inputs, state, device.limits, { recompute });
    const updating = updateGraph({ groups, scalars, maxGradNorm: 1 }, state, device.limits);
    const [micro, update] = await memory.compile([
      plan("micro", graph, device.limits),
      plan("update", updating, device.limits),
    ]);
    const base = await openSafetensors(host, baseFolder);
    await loadWeights(memory, model, base);
    base.close();
    if (lora) {
      const initial = await openSafetensors(host, `${folder}/initial/adapter_model.safetensors`);
      for (const [name, target] of lora.tensors) {
        const entry = initial.tensors.get(name)!;
        memory.write(target, bytesToF32(await entry.read(), entry.dtype));
      }
      initial.close();
    }

    const factor = schedule("cosine", 5);
    const top = full ? 1e-3 : 5e-3;
    for (let step = 0; step < 50; step++) {
      const rate = top * factor(step, 50);
      assert.ok(Math.abs(rate - expected.learning_rates[step]) < 1e-9, `rate of step ${step}`);
      const window = microBatches.slice(2 * step, 2 * step + 2);
      const targets = window.map(({ labels }) => shifted(labels));
      const count = targets.flatMap((t) => [...t]).filter((t) => t >= 0).length;
      window.forEach(({ input_ids }, i) => {
        const tokens = Uint32Array.from(input_ids.flat());
        memory.write(inputs.tokens, tokens);
        memory.write(inputs.positions, tokens.map((_, at) => at % length));
        memory.write(inputs.starts, new Uint32Array(tokens.length));
        memory.write(inputs.targets, targets[i]);
        if (full) {
          const { order, runs } = sortByToken(tokens);
          memory.write(inputs.order, order);
          memory.write(inputs.runs, runs);
        }
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
    let worstLoss = 0;
    let worstNorm = 0;
    for (let step = 0; step < 50; step++) {
      worstLoss = Math.max(worstLoss, relative(rows[4 * step], expected.losses[step]));
      worstNorm = Math.max(worstNorm, relative(rows[4 * step + 1], expected.grad_norms[step]));
    }
    const final = await openSafetensors(
      host,
      full ? `${folder}/final` : `${folder}/final/adapter_model.safetensors`,
    );
    assert.deepEqual([...final.tensors.keys()].sort(), [...trained.keys()].sort());
    let worstWeight = 0;
    for (const [name, target] of trained) {
      const entry = final.tensors.get(name)!;
      const wanted = bytesToF32(await entry.read(), entry.dtype);
      const [bytes] = await memory.read([{ tensor: target }]);
      const found = new Float32Array(bytes, 0, sizeOf(target));
      const size = Math.hypot(...wanted);
      worstWeight = Math.max(worstWeight, Math.hypot(...wanted.map((w, i) => w - found[i])) / size);
    }
    final.close();
    const worst = { worstLoss, worstNorm, worstWeight };
    console.log(`${folder}: ${JSON.stringify(worst)}`);
    if (band) {
      assert.ok(worstLoss < 2 * band, `losses differ by ${worstLoss}, PyTorch's by ${band}`);
      assert.ok(worstLoss > 1e-6, "nothing was in f16");
      assert.ok(worstWeight < 1e-2, `final weights differ by ${worstWeight}`);
      return;
    }
    assert.ok(worstLoss < 1e-5, `losses differ by ${worstLoss}`);
    assert.ok(worstNorm < 1e-4, `gradient norms differ by ${worstNorm}`);
    assert.ok(worstWeight < 1e-4, `final weights differ by ${worstWeight}`);
  } finally {
    memory.destroy();
  }
}

/** The label of the next token, negative at the end of a row. */
function shifted(labels: number[][]): Int32Array<ArrayBuffer> {
  return Int32Array.from(labels.flatMap((row) => [...row.slice(1), -100]));
}

function relative(found: number, wanted: number): number {
  return Math.abs(found - wanted) / Math.abs(wanted);
}
