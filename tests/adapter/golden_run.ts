// A run of 30 steps on the batches of tests/golden/adapters, step by step, for comparison with the
// losses that PEFT found there.

import { attachLora, type Lora } from "../../src/adapter/lora.ts";
import { plusProduct, readWeight } from "../../src/adapter/base_weight.ts";
import { initializeAdapter, takeOutOfBase } from "../../src/adapter/initialize.ts";
import { transposed } from "../../src/adapter/load.ts";
import { readAdapterConfig } from "../../src/adapter/settings.ts";
import { parseConfig } from "../../src/config/config.ts";
import { bytesToF32 } from "../../src/files/dtype.ts";
import { openSafetensors } from "../../src/files/safetensors.ts";
import { Memory } from "../../src/gpu/program.ts";
import { plan } from "../../src/graph/plan.ts";
import { packStep, statisticsTensor, stepTensor } from "../../src/graph/step_scalars.ts";
import { batchInputs } from "../../src/model/forward.ts";
import type { Model } from "../../src/model/model.ts";
import { loadWeights } from "../../src/model/weights.ts";
import { microStepGraph, updateGraph } from "../../src/train/graphs.ts";
import { decays, groupParameters, type ParameterGroup } from "../../src/train/parameters.ts";
import { adamw } from "../../src/train/optimizers/adamw.ts";
import { scalarsTensor, UpdateScalars } from "../../src/train/optimizers/scalars.ts";
import { loadModel } from "../../src/train/session.ts";
import { sortByToken } from "../../src/train/trainer.ts";
import { testDevice } from "../device.ts";
import { host } from "../model/logits.ts";

export const golden = "tests/golden";

export interface Expected {
  base: string;
  losses: number[];
  grad_norms: number[];
  learning_rates: number[];
  eps?: number;
}

export function json<T>(path: string): T {
  return JSON.parse(Deno.readTextFileSync(path));
}

export interface GoldenRun {
  memory: Memory;
  model: Model;
  lora: Lora;
  groups: ParameterGroup[];
  /** Runs the steps; `before` is called before each, and says 0 where the moments begin anew. */
  train(before?: (step: number) => Promise<0 | void>): Promise<void>;
  /** Losses and gradient norms of all steps. */
  statistics(): Promise<{ losses: number[]; norms: number[] }>;
}

/**
 * The base, held as `keys` say, with the adapter of `FOLDER/initial` as Eft starts it; A and B are not
 * yet loaded.
 */
export async function goldenRun(folder: string, keys = "float32: true"): Promise<GoldenRun> {
  const expected = json<Expected>(`${folder}/losses.json`);
  const { micro_batches: batches } = json<{
    micro_batches: { input_ids: number[][]; labels: number[][] }[];
  }>(`${golden}/run-${expected.base}-lora/batches.json`);
  const device = await testDevice();
  const memory = new Memory(device);
  const { config } = parseConfig(
    `base_model: ${golden}/base-${expected.base}
datasets: [{path: none, type: alpaca}]
learning_rate: 1
lora_r: 4
lora_alpha: 8
lora_target_linear: true
${keys}`,
    "test.yml",
  );
  const rows = batches[0].input_ids.length;
  const length = batches[0].input_ids[0].length;
  const { model, files } = await loadModel(
    host,
    { ...config, adapter: undefined },
    device.limits,
    128,
    "infer",
  );
  const configFile = `${folder}/initial/adapter_config.json`;
  const lora = attachLora(model, readAdapterConfig(await host.readText(configFile), configFile));
  const optimizer = adamw({
    beta1: 0.9,
    beta2: 0.999,
    epsilon: expected.eps ?? 1e-8,
    warmupSteps: 0,
    args: {},
  });
  const groups = groupParameters(
    lora.tensors,
    (name) => ({ optimizer, weightDecay: decays(name) ? 0.01 : 0, rateScale: 1 }),
    device.limits,
  );
  const scalars = scalarsTensor(groups);
  const updates = new UpdateScalars(groups);
  const state = { step: stepTensor(), statistics: statisticsTensor() };
  const inputs = batchInputs(rows, length);
  const { graph } = microStepGraph(model, inputs, state, device.limits, { recompute: false });
  const updating = updateGraph({ groups, scalars, maxGradNorm: 1 }, state, device.limits);
  const [micro, update] = await memory.compile([
    plan("micro", graph, device.limits),
    plan("update", updating, device.limits),
  ]);
  await loadWeights(memory, model, files!);
  files!.close();
  if (lora.settings.initialization?.kind === "pissa_niter") {
    lora.settings = { ...lora.settings, initialization: undefined }; // starts where PEFT's draws led
  }
  await initializeAdapter(memory, lora, 42);
  return {
    memory,
    model,
    lora,
    groups,
    async train(before = () => Promise.resolve()) {
      for (let step = 0; step < expected.losses.length; step++) {
        if (await before(step) === 0) updates.startAnew();
        const tokens = Uint32Array.from(batches[step].input_ids.flat());
        const targets = Int32Array.from(
          batches[step].labels.flatMap((row) => [...row.slice(1), -100]),
        );
        memory.write(inputs.tokens, tokens);
        memory.write(inputs.positions, tokens.map((_, at) => at % length));
        memory.write(inputs.starts, new Uint32Array(tokens.length));
        memory.write(inputs.targets, targets);
        const { order, runs } = sortByToken(tokens);
        memory.write(inputs.order, order);
        memory.write(inputs.runs, runs);
        memory.write(
          state.step,
          packStep({
            lossScale: 1 / targets.filter((target) => target >= 0).length,
            slot: step,
            microStep: step,
            seed: 1,
          }),
        );
        micro.run();
        memory.write(scalars, updates.next(expected.learning_rates[step]));
        update.run();
      }
    },
    async statistics() {
      const [bytes] = await memory.read([{ tensor: state.statistics }]);
      const found = new Float32Array(bytes);
      const column = (at: number) => expected.losses.map((_, step) => found[4 * step + at]);
      return { losses: column(0), norms: column(1) };
    },
  };
}

/** Writes the tensors of an adapter's file into those of `lora` that pass `chosen`. */
export async function loadTensors(
  { memory, lora }: GoldenRun,
  path: string,
  chosen: (name: string) => boolean = () => true,
): Promise<void> {
  const files = await openSafetensors(host, path);
  for (const [name, entry] of files.tensors) {
    const target = lora.tensors.get(name);
    if (!target || !chosen(name)) continue;
    const values = bytesToF32(await entry.read(), entry.dtype);
    const held = lora.transposed.has(name) ? transposed(values, entry.shape) : values;
    memory.write(target, held);
  }
  files.close();
}

/** The largest relative difference. */
export function worstOf(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  let worst = 0;
  for (let i = 0; i < wanted.length; i++) {
    const difference = Math.abs(found[i] - wanted[i]) / Math.abs(wanted[i]);
    if (!(difference <= worst)) worst = difference;
  }
  return worst;
}

/** ‖found − wanted‖ / ‖wanted‖. */
export function farness(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  if (found.length !== wanted.length) return Infinity;
  let [difference, size] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    difference += (found[i] - wanted[i]) ** 2;
    size += wanted[i] ** 2;
  }
  return Math.sqrt(difference / size);
}

/** Starts every module from the A and B of a file, taken out of the base. */
export async function takeOut({ memory, lora }: GoldenRun, path: string): Promise<void> {
  const files = await openSafetensors(host, path);
  const read = async (name: string) => {
    const entry = files.tensors.get(name)!;
    return bytesToF32(await entry.read(), entry.dtype);
  };
  for (const module of lora.modules) {
    const { weight, lowRank: { scale, ...names } } = module;
    const [down, up] = [await read(names.down.name), await read(names.up.name)];
    const rest = plusProduct(await readWeight(memory, weight), down, up, -scale);
    await takeOutOfBase(memory, lora, module, { down, up, rest });
  }
  files.close();
}

/** B·A of two tensors of a file. */
export function productOf(
  tensors: ReadonlyMap<string, { shape: number[]; values: Float32Array }>,
  down: string,
  up: string,
): Float64Array {
  const [a, b] = [tensors.get(down)!, tensors.get(up)!];
  const [R, K] = a.shape;
  const N = b.shape[0];
  const whole = new Float64Array(N * K);
  for (let n = 0; n < N; n++) {
    for (let r = 0; r < R; r++) {
      for (let k = 0; k < K; k++) whole[n * K + k] += b.values[n * R + r] * a.values[r * K + k];
    }
  }
  return whole;
}
