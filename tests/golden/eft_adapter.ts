// The adapter in tests/golden/eft-adapter is made by a short run of Eft on base-llama; this is that
// run. As a program (`deno run -A tests/golden/eft_adapter.ts MERGED`) it writes the folder anew, and
// the merged model to MERGED; then check_peft.py and check_merged.py make the logits, as README.md says.

import { main } from "../../src/cli/main.ts";
import { configText, tinyFolder, train } from "../train/tiny.ts";

const target = "tests/golden/eft-adapter";

/** Keys of the run beside those every test has. */
export const eftAdapterKeys = {
  adapter: "lora",
  lora_r: 4,
  lora_alpha: 8,
  lora_target_linear: true,
  max_steps: 20,
  learning_rate: 5e-3,
  lr_scheduler: "cosine",
  warmup_steps: 2,
  seed: 7,
};

/** A new folder with the model and the data of the run. */
export function eftAdapterFolder(): string {
  return tinyFolder("base-llama");
}

if (import.meta.main) {
  const folder = eftAdapterFolder();
  await train(folder, eftAdapterKeys);
  await Deno.writeTextFile(`${folder}/run.yml`, configText(folder, eftAdapterKeys));
  if (await main(["merge-lora", `${folder}/run.yml`]) !== 0) Deno.exit(1);
  await Deno.rename(`${folder}/out/merged`, Deno.args[0]);
  await Deno.mkdir(target, { recursive: true });
  await Deno.copyFile(
    `${folder}/out/adapter_model.safetensors`,
    `${target}/adapter_model.safetensors`,
  );
  // The folder of the run was a temporary one.
  const config = JSON.parse(await Deno.readTextFile(`${folder}/out/adapter_config.json`));
  config.base_model_name_or_path = "tests/golden/base-llama";
  await Deno.writeTextFile(`${target}/adapter_config.json`, JSON.stringify(config, null, 2) + "\n");
  await Deno.remove(folder, { recursive: true });
}
