// Kinds of adapters over quantized bases against PEFT and bitsandbytes (tests/golden/quant/adapters):
// the start, 30 losses, what is left on disk, the logits of PEFT's adapter and of ours, merging.

import assert from "node:assert/strict";
import { openAdapter } from "../../src/adapter/load.ts";
import { parseConfig } from "../../src/config/config.ts";
import { mergedTensors } from "../../src/export/merge.ts";
import { writeAdapter } from "../../src/export/peft.ts";
import { writeSafetensors } from "../../src/files/safetensors.ts";
import { leastLimits } from "../../src/graph/limits.ts";
import { loadModel } from "../../src/train/session.ts";
import { distance, host, logitsOf, openModel, readExpected } from "../model/logits.ts";
import { farness, golden, json, shown } from "../golden_run.ts";
import { adapterRun, type Expected, loadTensors, productOf } from "../adapter/golden_run.ts";
import { readTensors, sanitize } from "../train/tiny.ts";

const base = `${golden}/base-llama`;
const settings = "lora_r: 4\nlora_alpha: 8\nlora_target_linear: true\n";
const nf4 = `${settings}adapter: qlora\nbnb_config_kwargs: {bnb_4bit_use_double_quant: false}`;
const int8 = `${settings}adapter: lora\nload_in_8bit: true`;
/** How the base is held, by what a name has in it. */
const keysOf = (name: string) =>
  name.startsWith("loftq") ? "float32: true" : name.endsWith("nf4") ? nf4 : int8;
/** A folder for what Eft trains, for tests/golden/quant/check_adapters.py. */
const keep = Deno.env.get("EFT_KEEP_ADAPTERS");

for (const name of ["dora-nf4", "dora-int8", "olora-nf4", "loftq", "loftq-turns", "loftq-int8"]) {
  Deno.test(`PEFT and Eft agree on ${name}`, sanitize, async () => {
    const folder = `${golden}/quant/adapters/${name}`;
    const expected = json<Expected>(`${folder}/losses.json`);
    const keys = keysOf(name);
    const run = await adapterRun(folder, keys.replace(settings, ""));
    const start = await readTensors(`${folder}/initial/adapter_model.safetensors`);
    const dora = name.startsWith("dora");
    if (dora) {
      const isFactor = (key: string) => /\.lora_[AB]\.weight$/.test(key);
      await loadTensors(run, `${folder}/initial/adapter_model.safetensors`, isFactor);
    }
    // What is not drawn at random starts as in PEFT; singular vectors up to their sign.
    const found = new Map<string, { shape: number[]; values: Float32Array }>();
    for (const [key, tensor] of run.lora.tensors) {
      const [bytes] = await run.memory.read([{ tensor }]);
      found.set(key, { shape: [...tensor.shape], values: new Float32Array(bytes) });
    }
    const starts = worstTensor(found, start);
    await run.train();
    const { losses, norms } = await run.compare(expected);
    const result = keep ? `${keep}/${name}` : Deno.makeTempDirSync({ prefix: "eft-test-" });
    await writeAdapter(host, result, run.memory, run.lora, { base_model: "base-llama" });
    run.memory.destroy();

    const ours = await readTensors(`${result}/adapter_model.safetensors`);
    const peft = await readTensors(`${folder}/final/adapter_model.safetensors`);
    assert.deepEqual([...ours.keys()].sort(), [...peft.keys()].sort());
    const written = (path: string) => json<Record<string, unknown>>(`${path}/adapter_config.json`);
    const [config, theirs] = [written(result), written(`${folder}/final`)];
    for (const key of ["r", "lora_alpha", "init_lora_weights", "loftq_config", "use_dora"]) {
      assert.deepEqual(config[key], theirs[key], key);
    }

    const { rows, logits } = await readExpected(`${folder}/logits.safetensors`);
    const logitsWith = async (folder: string, adapter?: string, held = "") => {
      const opened = await openModel(folder, { adapter, keys: held });
      const values = await logitsOf(opened, rows);
      opened.memory.destroy();
      return values;
    };
    await merge(`${folder}/final`, `${result}/merged`, keys);
    const own = await logitsWith(base, result, keys);
    const figures: Record<string, number> = {
      starts,
      losses,
      norms,
      tensors: worstTensor(ours, peft),
      peftLogits: distance(await logitsWith(base, `${folder}/final`, keys), logits),
      mergedLogits: distance(await logitsWith(`${result}/merged`), logits),
      ownLogits: distance(own, logits),
    };
    console.log(`${name}: ${shown(figures)}`);
    if (keep) Deno.writeFileSync(`${result}/logits.f32`, new Uint8Array(own.buffer as ArrayBuffer));
    else Deno.removeSync(result, { recursive: true });
    assert.ok(figures.starts < 1e-4, `starts ${figures.starts} from PEFT's`);
    assert.ok(figures.losses < 1e-4, `losses differ by ${figures.losses}`);
    assert.ok(figures.tensors < 1e-3, `final tensors differ by ${figures.tensors}`);
    assert.ok(figures.peftLogits < 1e-4, `logits differ by ${figures.peftLogits}`);
    assert.ok(figures.mergedLogits < 1e-4, `merged logits differ by ${figures.mergedLogits}`);
  });
}

type Tensors = ReadonlyMap<string, { shape: number[]; values: Float32Array }>;

/** The largest relative difference of products B·A, and of other tensors. */
function worstTensor(found: Tensors, wanted: Tensors): number {
  let worst = 0;
  for (const [key, { values }] of wanted) {
    if (key.includes(".lora_B.")) continue;
    const up = key.replace(".lora_A.", ".lora_B.");
    const zero = key !== up && wanted.get(up)!.values.every((value) => value === 0);
    const far = key === up || zero
      ? farness(found.get(key)!.values, values)
      : farness(productOf(found, key, up), productOf(wanted, key, up));
    worst = Math.max(worst, far);
  }
  return worst;
}

/** Base and adapter as one model of floats. */
async function merge(adapter: string, folder: string, keys: string): Promise<void> {
  const text = `base_model: ${base}\ndatasets: [{path: n, type: alpaca}]\nlearning_rate: 1\n`;
  const { config } = parseConfig(text + keys, "test.yml");
  const settings = { ...config, adapter: undefined };
  const { model, files, storedDtype } = await loadModel(host, settings, leastLimits, 1, "infer");
  const opened = await openAdapter(host, adapter, model, files);
  const path = `${folder}/model.safetensors`;
  await writeSafetensors(host, path, mergedTensors(model, files!, opened, storedDtype));
  await host.write(`${folder}/config.json`, await host.readText(`${base}/config.json`));
  files!.close();
  opened.files.close();
}
