// LoRA adapters against PEFT, in both directions: adapters that PEFT trained give its logits here,
// and one that Eft trained gives our logits there (tests/golden says how its files were made).

import assert from "node:assert/strict";
import { openSafetensors } from "../../src/files/safetensors.ts";
import { bytesToF32 } from "../../src/files/dtype.ts";
import { distance, host, logitsOf, openModel, readExpected } from "../model/logits.ts";
import { readTensors, sanitize, train } from "../train/tiny.ts";
import { eftAdapterFolder, eftAdapterKeys } from "../golden/eft_adapter.ts";

const golden = "tests/golden";

function json(path: string) {
  return JSON.parse(Deno.readTextFileSync(path));
}

for (const name of ["llama", "qwen2"]) {
  Deno.test(`an adapter made by PEFT gives its logits: ${name}`, sanitize, async () => {
    const { rows, logits } = await readExpected(`${golden}/peft-logits/${name}.safetensors`);
    const base = `${golden}/base-${name}`;
    const opened = await openModel(base, { adapter: `${golden}/run-${name}-lora/final` });
    const found = await logitsOf(opened, rows);
    opened.memory.destroy();
    const plain = await openModel(base);
    const without = await logitsOf(plain, rows);
    plain.memory.destroy();
    const worst = distance(found, logits);
    console.log(
      `${name}: largest difference ${worst.toExponential(2)}; ` +
        `the adapter changes logits by up to ${distance(found, without).toFixed(2)}`,
    );
    assert.ok(worst < 1e-4, `logits differ by ${worst}`);
    assert.ok(distance(found, without) > 1, "the adapter does something");
  });
}

Deno.test(
  "an adapter made by Eft: training again gives it, PEFT gives our logits",
  sanitize,
  async () => {
    const folder = eftAdapterFolder();
    await train(folder, eftAdapterKeys);
    const kept = await readTensors(`${golden}/eft-adapter/adapter_model.safetensors`);
    const made = await readTensors(`${folder}/out/adapter_model.safetensors`);
    assert.deepEqual([...made.keys()], [...kept.keys()]);
    let worst = 0;
    for (const [name, { values }] of made) {
      worst = Math.max(worst, distance(values, kept.get(name)!.values));
    }
    console.log(`trained again: weights differ by at most ${worst.toExponential(2)}`);
    assert.ok(worst < 1e-6, `weights differ by ${worst}`);

    const rows = json(`${golden}/eft-adapter/input.json`).input_ids as number[][];
    const opened = await openModel(`${golden}/base-llama`, { adapter: `${golden}/eft-adapter` });
    const found = await logitsOf(opened, rows);
    opened.memory.destroy();
    const files = await openSafetensors(host, `${golden}/eft-adapter/peft_logits.safetensors`);
    const wanted = bytesToF32(await files.tensors.get("logits")!.read(), "F32");
    files.close();
    const far = distance(found, wanted);
    console.log(`logits of PEFT and ours differ by at most ${far.toExponential(2)}`);
    assert.ok(far < 1e-4, `logits differ by ${far}`);
    Deno.removeSync(folder, { recursive: true });
  },
);

Deno.test("the adapter's files are those of PEFT in kind", sanitize, async () => {
  const ours = `${golden}/eft-adapter`;
  const theirs = `${golden}/run-llama-lora/final`;
  const [a, b] = [
    await readTensors(`${ours}/adapter_model.safetensors`),
    await readTensors(`${theirs}/adapter_model.safetensors`),
  ];
  const description = (tensors: typeof a) =>
    [...tensors].map(([name, { dtype, shape }]) => `${name} ${dtype} ${shape}`);
  assert.deepEqual(description(a), description(b)); // the order in the file too
  const [config, peft] = [
    json(`${ours}/adapter_config.json`),
    json(`${theirs}/adapter_config.json`),
  ];
  // Names and revisions apart, what both write is the same; ours writes nothing that PEFT lacks.
  for (const [key, value] of Object.entries(config)) {
    assert.ok(key in peft, `${key} is unknown to PEFT`);
    if (key !== "base_model_name_or_path") assert.deepEqual(value, peft[key], key);
  }
  for (
    const key of ["peft_type", "task_type", "r", "lora_alpha", "lora_dropout", "target_modules"]
  ) {
    assert.ok(key in config, key);
  }
});
