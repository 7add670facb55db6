// Every kind of LoRA against PEFT (tests/golden/adapters): the start, 30 losses, what is left on disk,
// the logits of PEFT's adapter and of ours, and those of the merged model.

import assert from "node:assert/strict";
import { openAdapter } from "../../src/adapter/load.ts";
import { writeAdapter } from "../../src/export/peft.ts";
import { mergedTensors } from "../../src/export/merge.ts";
import { describe } from "../../src/export/model.ts";
import { openSafetensors, writeSafetensors } from "../../src/files/safetensors.ts";
import { readModelShape } from "../../src/model/architecture.ts";
import { declareModel } from "../../src/model/model.ts";
import { distance, host, logitsOf, openModel, readExpected } from "../model/logits.ts";
import { readTensors, sanitize } from "../train/tiny.ts";
import { farness, golden, json, shown } from "../golden_run.ts";
import { adapterRun, type Expected, loadTensors, productOf, takeOut } from "./golden_run.ts";

const only = Deno.env.get("EFT_KIND");
const kinds = [...Deno.readDirSync(`${golden}/adapters`)].map(({ name }) => name)
  .filter((name) => !name.startsWith("relora") && (!only || only === name)).sort();
/** A folder for what Eft trains, for tests/golden/check_adapter_kinds.py. */
const keep = Deno.env.get("EFT_KEEP_ADAPTERS");

const isFactor = (name: string) => /\.lora_(embedding_)?[AB](\.weight)?$/.test(name);

for (const name of kinds) {
  Deno.test(`PEFT and Eft agree on ${name}`, sanitize, async () => {
    const folder = `${golden}/adapters/${name}`;
    const expected = json<Expected>(`${folder}/losses.json`);
    const run = await adapterRun(folder);
    const start = await readTensors(`${folder}/initial/adapter_model.safetensors`);
    const subtracts = /^(pissa|olora)/.test(name);
    if (name === "pissa-niter") {
      await takeOut(run, `${folder}/initial/adapter_model.safetensors`);
    } else if (!subtracts) {
      await loadTensors(run, `${folder}/initial/adapter_model.safetensors`, isFactor);
      // What is not drawn at random must start as in PEFT.
      for (const [key, tensor] of run.lora.tensors) {
        if (isFactor(key)) continue;
        const [bytes] = await run.memory.read([{ tensor }]);
        const far = distance(new Float32Array(bytes), start.get(key)!.values);
        assert.ok(far < 1e-6, `${key} starts ${far} from PEFT's`);
      }
    }
    await run.train();
    const { losses, norms } = await run.compare(expected);
    const result = keep ? `${keep}/${name}` : Deno.makeTempDirSync({ prefix: "eft-test-" });
    const config = { base_model: `base-${expected.base}` };
    await writeAdapter(host, result, run.memory, run.lora, config);
    run.memory.destroy();

    const ours = await readTensors(`${result}/adapter_model.safetensors`);
    const peft = await readTensors(`${folder}/final/adapter_model.safetensors`);
    for (const key of peft.keys()) if (key.includes(".base_layer.")) peft.delete(key);
    assert.deepEqual([...ours.keys()].sort(), [...peft.keys()].sort());
    let worstTensor = 0;
    for (const [key, { shape, values }] of peft) {
      if (subtracts) {
        if (!key.includes(".lora_A.")) continue;
        const partner = key.replace(".lora_A.", ".lora_B.");
        const wanted = productOf(peft, key, partner);
        productOf(start, key, partner).forEach((value, i) => wanted[i] -= value);
        worstTensor = Math.max(worstTensor, farness(productOf(ours, key, partner), wanted));
      } else {
        assert.deepEqual(ours.get(key)!.shape, shape, key);
        worstTensor = Math.max(worstTensor, farness(ours.get(key)!.values, values));
      }
    }

    const { rows, logits } = await readExpected(`${folder}/logits.safetensors`);
    const base = `${golden}/base-${expected.base}`;
    const found = async (base: string, adapter?: string) => {
      const opened = await openModel(base, { adapter });
      const values = await logitsOf(opened, rows);
      opened.memory.destroy();
      return values;
    };
    const figures: Record<string, number> = {
      losses,
      norms,
      tensors: worstTensor,
    };
    if (name === "pissa-niter") {
      // Where it starts is random: PEFT's file cannot be read without the converted one.
      await assert.rejects(found(base, `${folder}/final`), /path_initial_model/);
    } else {
      figures.peftLogits = distance(await found(base, `${folder}/final`), logits);
      await merge(base, `${folder}/final`, `${result}/merged`);
      figures.mergedLogits = distance(await found(`${result}/merged`), logits);
    }
    const own = await found(base, result);
    console.log(`${name}: ${shown(figures)}, own logits ${shown({ from: distance(own, logits) })}`);
    if (keep) Deno.writeFileSync(`${result}/logits.f32`, new Uint8Array(own.buffer as ArrayBuffer));
    else Deno.removeSync(result, { recursive: true });
    assert.ok(figures.losses < 1e-4, `losses differ by ${figures.losses}`);
    assert.ok(figures.tensors < 1e-3, `final tensors differ by ${figures.tensors}`);
    assert.ok(!(figures.peftLogits > 1e-4), `logits differ by ${figures.peftLogits}`);
    assert.ok(!(figures.mergedLogits > 1e-4), `merged logits differ by ${figures.mergedLogits}`);
  });
}

async function merge(base: string, adapter: string, folder: string) {
  const config = await host.readText(`${base}/config.json`);
  const model = declareModel(
    readModelShape(config, "config.json"),
    1,
    () => ({ dtype: "f32", trained: false }),
  );
  const files = await openSafetensors(host, base);
  const opened = await openAdapter(host, adapter, model, files);
  await writeSafetensors(
    host,
    `${folder}/model.safetensors`,
    mergedTensors(model, files, opened),
  );
  await host.write(`${folder}/config.json`, describe("config.json", config, model));
  files.close();
  opened.files.close();
}
