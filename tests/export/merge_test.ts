// Merging: base and adapter as one model gives the logits of both together, here and in transformers.

import assert from "node:assert/strict";
import { openAdapter } from "../../src/adapter/load.ts";
import { mergedTensors } from "../../src/export/merge.ts";
import { bytesToF32 } from "../../src/files/dtype.ts";
import { openSafetensors, writeSafetensors } from "../../src/files/safetensors.ts";
import { readModelShape } from "../../src/model/architecture.ts";
import { declareModel } from "../../src/model/model.ts";
import { distance, host, logitsOf, openModel } from "../model/logits.ts";
import { readTensors, sanitize } from "../train/tiny.ts";

const golden = "tests/golden";

/** Merges into `folder`. */
async function merge(base: string, adapter: string, folder: string) {
  const shape = readModelShape(await host.readText(`${base}/config.json`), "config.json");
  const model = declareModel(shape, 1, () => ({ dtype: "f32", trained: false }));
  const files = await openSafetensors(host, base);
  const changes = await openAdapter(host, adapter, model, files);
  await writeSafetensors(
    host,
    `${folder}/model.safetensors`,
    mergedTensors(model, files, changes),
  );
  Deno.copyFileSync(`${base}/config.json`, `${folder}/config.json`);
  files.close();
  changes.files.close();
}

Deno.test(
  "a merged model gives the logits of base and adapter, and of transformers",
  sanitize,
  async () => {
    const folder = Deno.makeTempDirSync({ prefix: "eft-test-" });
    const rows = JSON.parse(Deno.readTextFileSync(`${golden}/eft-adapter/input.json`)).input_ids;
    await merge(`${golden}/base-llama`, `${golden}/eft-adapter`, folder);
    const both = await openModel(`${golden}/base-llama`, { adapter: `${golden}/eft-adapter` });
    const together = await logitsOf(both, rows);
    both.memory.destroy();
    const one = await openModel(folder);
    const merged = await logitsOf(one, rows);
    one.memory.destroy();
    const files = await openSafetensors(host, `${golden}/eft-adapter/merged_logits.safetensors`);
    const wanted = bytesToF32(await files.tensors.get("logits")!.read(), "F32");
    files.close();
    const [ours, theirs] = [distance(merged, together), distance(merged, wanted)];
    console.log(
      `merged and base + adapter differ by ${ours.toExponential(2)}, ` +
        `from transformers by ${theirs.toExponential(2)}`,
    );
    assert.ok(ours < 1e-4 && theirs < 1e-4);
    Deno.removeSync(folder, { recursive: true });
  },
);

Deno.test("what no adapter touches is copied byte for byte, in its dtype", sanitize, async () => {
  const folder = Deno.makeTempDirSync({ prefix: "eft-test-" });
  const base = `${golden}/base-qwen2`;
  await merge(base, `${golden}/run-qwen2-lora/final`, folder);
  const [before, after] = [await readTensors(base), await readTensors(folder)];
  assert.deepEqual([...after.keys()].sort(), [...before.keys()].sort());
  for (const [name, { dtype, shape, values }] of after) {
    assert.deepEqual([dtype, shape], [before.get(name)!.dtype, before.get(name)!.shape]);
    const same = distance(values, before.get(name)!.values) === 0;
    assert.equal(same, !/_proj\.weight$/.test(name), name);
  }
  Deno.removeSync(folder, { recursive: true });
});
