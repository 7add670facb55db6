// The runs of tests/golden/adapters: a base with an adapter as PEFT's file describes it.

import { attachLora, type Lora } from "../../src/adapter/lora.ts";
import { readWeight } from "../../src/adapter/base_weight.ts";
import { initializeAdapter, takeOutOfBase } from "../../src/adapter/initialize.ts";
import { transposed } from "../../src/adapter/load.ts";
import { readAdapterConfig } from "../../src/adapter/settings.ts";
import { bytesToF32 } from "../../src/files/dtype.ts";
import { openSafetensors } from "../../src/files/safetensors.ts";
import { readModelShape } from "../../src/model/architecture.ts";
import { declareModel, type Model } from "../../src/model/model.ts";
import { loadWeights } from "../../src/model/weights.ts";
import { golden, GoldenRun, json, type Recorded, windowsOf } from "../golden_run.ts";
import { host } from "../model/logits.ts";

export interface Expected extends Recorded {
  base: string;
  eps?: number;
}

export interface AdapterRun {
  run: GoldenRun;
  model: Model;
  lora: Lora;
  /** Runs the steps; `before` is called before each, and says 0 where the moments begin anew. */
  train(before?: (step: number) => Promise<0 | void>): Promise<void>;
}

/** The base with the adapter of `adapters/NAME/initial` as Eft starts it, A and B not yet loaded. */
export async function adapterRun(name: string): Promise<AdapterRun> {
  const folder = `${golden}/adapters/${name}`;
  const expected = json<Expected>(`${folder}/losses.json`);
  const windows = windowsOf(`${golden}/run-${expected.base}-lora/batches.json`);
  const baseFolder = `${golden}/base-${expected.base}`;
  const shape = readModelShape(await host.readText(`${baseFolder}/config.json`), "config.json");
  const model = declareModel(shape, 128, () => ({ dtype: "f32", trained: false }));
  const configFile = `${folder}/initial/adapter_config.json`;
  const lora = attachLora(model, readAdapterConfig(await host.readText(configFile), configFile));
  const options = { epsilon: expected.eps };
  const run = await GoldenRun.compile(model, lora.tensors, windows[0].batches[0], options);
  const base = await openSafetensors(host, baseFolder);
  await loadWeights(run.memory, model, base);
  base.close();
  if (lora.settings.initialization?.kind === "pissa_niter") {
    lora.settings = { ...lora.settings, initialization: undefined }; // starts where PEFT's draws led
  }
  await initializeAdapter(run.memory, lora, 42);
  return {
    run,
    model,
    lora,
    async train(before = () => Promise.resolve()) {
      for (const [step, rate] of expected.learning_rates.entries()) {
        if (await before(step) === 0) run.updates.startAnew();
        run.step(windows[step], rate);
      }
    },
  };
}

/** Writes the tensors of an adapter's file into those of `lora` that pass `chosen`. */
export async function loadTensors(
  { run: { memory }, lora }: AdapterRun,
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
export async function takeOut({ run: { memory }, lora }: AdapterRun, path: string): Promise<void> {
  const files = await openSafetensors(host, path);
  const read = async (name: string) => {
    const entry = files.tensors.get(name)!;
    return bytesToF32(await entry.read(), entry.dtype);
  };
  for (const module of lora.modules) {
    const { weight, lowRank: { down, up } } = module;
    const values = await readWeight(memory, weight);
    takeOutOfBase(memory, lora, module, values, await read(down.name), await read(up.name));
  }
  files.close();
}
