// Merging into a base that is held quantized: the merged model gives the logits that base and adapter
// gave together, whether Eft quantized the base or bitsandbytes had saved it.

import assert from "node:assert/strict";
import { openAdapter } from "../../src/adapter/load.ts";
import { parseConfig } from "../../src/config/config.ts";
import { mergedTensors } from "../../src/export/merge.ts";
import { writeSafetensors } from "../../src/files/safetensors.ts";
import { leastLimits } from "../../src/graph/limits.ts";
import { loadModel } from "../../src/train/session.ts";
import { distance, host, logitsOf, openModel } from "../model/logits.ts";
import { sanitize } from "../train/tiny.ts";

const golden = "tests/golden";
const lora = "lora_r: 4\nlora_alpha: 8\nlora_target_linear: true\n";
const cases = [
  [`${golden}/base-llama`, "adapter: qlora", "run-nf4"],
  [`${golden}/quant/base-bnb-nf4`, "adapter: qlora", "run-nf4"],
  [`${golden}/quant/base-bnb-fp4`, "adapter: qlora", "run-nf4"],
  [`${golden}/base-llama`, "adapter: lora\nload_in_8bit: true", "run-int8"],
  [`${golden}/quant/base-bnb-int8`, "adapter: lora\nload_in_8bit: true", "run-int8"],
];

for (const [base, adapterKeys, run] of cases) {
  const name = `merging into ${base.slice(golden.length + 1)} with ${
    adapterKeys.split("\n").at(-1)
  }`;
  Deno.test(name, sanitize, async () => {
    const folder = Deno.makeTempDirSync({ prefix: "eft-test-" });
    const adapter = `${golden}/quant/${run}/final`;
    const rows = JSON.parse(Deno.readTextFileSync(`${golden}/eft-adapter/input.json`)).input_ids;
    const keys = `${lora}${adapterKeys}`;
    const both = await openModel(base, { adapter, keys });
    const together = await logitsOf(both, rows);
    both.memory.destroy();

    const text = `base_model: ${base}\ndatasets: [{path: n, type: alpaca}]\nlearning_rate: 1\n`;
    const { config } = parseConfig(text + keys, "test.yml");
    const settings = { ...config, adapter: undefined };
    const { model, files, storedDtype } = await loadModel(host, settings, leastLimits, 1, "infer");
    const changes = await openAdapter(host, adapter, model);
    await writeSafetensors(
      host,
      `${folder}/model.safetensors`,
      mergedTensors(model, files!, changes, storedDtype),
    );
    files!.close();
    changes.files.close();
    const { quantization_config: _, ...shape } = JSON.parse(
      await host.readText(`${base}/config.json`),
    );
    await host.write(`${folder}/config.json`, JSON.stringify(shape));

    const one = await openModel(folder);
    const merged = await logitsOf(one, rows);
    one.memory.destroy();
    Deno.removeSync(folder, { recursive: true });
    console.log(
      `merged and base + adapter differ by ${distance(merged, together).toExponential(2)}`,
    );
    assert.ok(distance(merged, together) < 1e-4);
  });
}
