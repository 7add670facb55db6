// Whole runs against PyTorch + transformers + PEFT: 50 steps from the same start on the same batches;
// see tests/golden. Each loss, each gradient norm and the final weights must agree; with activations
// in f16 they must stay as near to the run in f32 as PyTorch's do under autocast.

import assert from "node:assert/strict";
import { attachLora } from "../../src/adapter/lora.ts";
import { openSafetensors } from "../../src/files/safetensors.ts";
import type { Tensor } from "../../src/graph/graph.ts";
import { denoHost } from "../../src/host/deno.ts";
import { readModelShape } from "../../src/model/architecture.ts";
import { declareModel } from "../../src/model/model.ts";
import { loadWeights } from "../../src/model/weights.ts";
import { schedule } from "../../src/train/schedule.ts";
import { testDevice } from "../device.ts";
import { golden, GoldenRun, json, type Recorded, shown, windowsOf } from "../golden_run.ts";

const host = denoHost();
const sanitize = { sanitizeOps: false, sanitizeResources: false };
const lora = { rank: 4, alpha: 8, dropout: 0, targets: [], allLinear: true };

for (const base of ["llama", "qwen2"]) {
  for (const method of ["lora", "full"]) {
    for (const recompute of [false, true]) {
      const name = `golden run ${base} ${method}${recompute ? " recomputed" : ""}`;
      Deno.test(name, sanitize, async () => {
        await checkRun(
          `${golden}/base-${base}`,
          `${golden}/run-${base}-${method}`,
          method === "full",
          { recompute },
        );
      });
    }
    Deno.test(`golden run ${base} ${method} in f16`, sanitize, async () => {
      if (!(await testDevice()).limits.f16) return;
      const { band } = json<{ band: number }>(`${golden}/half/${base}-${method}.json`);
      const paths = [`${golden}/base-${base}`, `${golden}/run-${base}-${method}`] as const;
      await checkRun(...paths, method === "full", { recompute: method === "lora", band });
    });
  }
}

/** `band`: how far losses under PyTorch's autocast to f16 are from those in f32; f16 here as well. */
async function checkRun(
  baseFolder: string,
  folder: string,
  full: boolean,
  { recompute, band }: { recompute: boolean; band?: number },
) {
  const expected = json<Recorded>(`${folder}/losses.json`);
  const windows = windowsOf(`${folder}/batches.json`, 2);
  const [batch] = windows[0].batches;
  const shape = readModelShape(await host.readText(`${baseFolder}/config.json`), "config.json");
  const model = declareModel(shape, batch.length, () => ({ dtype: "f32", trained: full }));
  const trained: Map<string, Tensor> = full ? model.tensors : attachLora(model, lora).tensors;
  const run = await GoldenRun.compile(model, trained, batch, {
    recompute,
    half: band !== undefined,
  });
  try {
    const base = await openSafetensors(host, baseFolder);
    await loadWeights(run.memory, model, base);
    base.close();
    if (!full) await run.load(trained, `${folder}/initial/adapter_model.safetensors`);
    const factor = schedule("cosine", 5);
    const top = full ? 1e-3 : 5e-3;
    assert.equal(windows.length, 50);
    for (const [step, window] of windows.entries()) {
      const rate = top * factor(step, 50);
      assert.ok(Math.abs(rate - expected.learning_rates[step]) < 1e-9, `rate of step ${step}`);
      run.step(window, rate);
    }
    const final = full ? `${folder}/final` : `${folder}/final/adapter_model.safetensors`;
    const worst = {
      ...await run.compare(expected),
      weights: await run.distance(trained, final),
    };
    console.log(`${folder}: ${shown(worst)}`);
    if (band !== undefined) {
      assert.ok(worst.losses < 2 * band, `losses differ by ${worst.losses}, PyTorch's by ${band}`);
      assert.ok(worst.losses > 1e-6, "nothing was in f16");
      assert.ok(worst.weights < 1e-2, `final weights differ by ${worst.weights}`);
      return;
    }
    assert.ok(worst.losses < 1e-5, `losses differ by ${worst.losses}`);
    assert.ok(worst.norms < 1e-4, `gradient norms differ by ${worst.norms}`);
    assert.ok(worst.weights < 1e-4, `final weights differ by ${worst.weights}`);
  } finally {
    run.memory.destroy();
  }
}
