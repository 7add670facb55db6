// The runs of tests/golden/adapters and of tests/golden/quant/adapters: a base with an adapter as
// PEFT's file describes it.

import { attachLora, type Lora } from "../../src/adapter/lora.ts";
import { plusProduct, readWeight } from "../../src/adapter/base_weight.ts";
import { initializeAdapter, takeOutOfBase } from "../../src/adapter/initialize.ts";
import { transposed } from "../../src/adapter/load.ts";
import { readAdapterConfig } from "../../src/adapter/settings.ts";
import { parseConfig } from "../../src/config/config.ts";
import { bytesToF32 } from "../../src/files/dtype.ts";
import { openSafetensors } from "../../src/files/safetensors.ts";
import type { Memory } from "../../src/gpu/program.ts";
import type { Model } from "../../src/model/model.ts";
import { loadWeights } from "../../src/model/weights.ts";
import type { ParameterGroup } from "../../src/train/parameters.ts";
import { loadModel } from "../../src/train/session.ts";
import { testDevice } from "../device.ts";
import { golden, GoldenRun, json, type Recorded, windowsOf } from "../golden_run.ts";
import { host } from "../model/logits.ts";

export interface Expected extends Recorded {
  base: string;
  eps?: number;
}

export interface AdapterRun {
  memory: Memory;
  model: Model;
  lora: Lora;
  groups: ParameterGroup[];
  /** Runs the steps; `before` is called before each, and says 0 where the moments begin anew. */
  train(before?: (step: number) => Promise<0 | void>): Promise<void>;
  /** The largest relative differences of losses and gradient norms. */
  compare(recorded: Recorded): Promise<{ losses: number; norms: number }>;
}

/**
 * The base, held as `keys` say, with the adapter of `FOLDER/initial` as Eft starts it; A and B are not
 * yet loaded.
 */
export async function adapterRun(folder: string, keys = "float32: true"): Promise<AdapterRun> {
  const expected = json<Expected>(`${folder}/losses.json`);
  const windows = windowsOf(`${golden}/run-${expected.base}-lora/batches.json`);
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
  const { limits } = await testDevice();
  const base = { ...config, adapter: undefined };
  const { model, files } = await loadModel(host, base, limits, 128, "infer");
  const configFile = `${folder}/initial/adapter_config.json`;
  const lora = attachLora(model, readAdapterConfig(await host.readText(configFile), configFile));
  const options = { epsilon: expected.eps };
  const run = await GoldenRun.compile(model, lora.tensors, windows[0].batches[0], options);
  const { memory, groups } = run;
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
      for (const [step, rate] of expected.learning_rates.entries()) {
        if (await before(step) === 0) run.updates.startAnew();
        run.step(windows[step], rate);
      }
    },
    compare: (recorded) => run.compare(recorded),
  };
}

/** Writes the tensors of an adapter's file into those of `lora` that pass `chosen`. */
export async function loadTensors(
  { memory, lora }: AdapterRun,
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

/** Starts every module from the A and B of a file, taken out of the base. */
export async function takeOut({ memory, lora }: AdapterRun, path: string): Promise<void> {
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
