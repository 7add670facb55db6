// Reading a LoRA adapter in PEFT's layout, whoever made it.

import { EftError } from "../errors.ts";
import { bytesToF32 } from "../files/dtype.ts";
import { openSafetensors, type SafetensorsSet } from "../files/safetensors.ts";
import type { Memory } from "../gpu/program.ts";
import type { Host } from "../host/host.ts";
import { linearLayers, type Model } from "../model/model.ts";
import { attachLora, type Lora } from "./lora.ts";

/** Settings of adapter_config.json that change what the adapter computes and that Eft lacks. */
const unsupported: Record<string, (value: unknown) => boolean> = {
  use_dora: (value) => value === true,
  use_rslora: (value) => value === true,
  fan_in_fan_out: (value) => value === true,
  bias: (value) => value !== "none" && value !== undefined,
  modules_to_save: (value) => Array.isArray(value) && value.length > 0,
  rank_pattern: (value) => Object.keys(value ?? {}).length > 0,
  alpha_pattern: (value) => Object.keys(value ?? {}).length > 0,
  layer_replication: (value) => value !== null && value !== undefined,
};

/**
 * Attaches the adapter of a folder to a declared model. Its values are in `files`; `load` writes them
 * to the device and closes the files.
 */
export async function openAdapter(
  host: Host,
  folder: string,
  model: Model,
): Promise<{ lora: Lora; files: SafetensorsSet; load: (memory: Memory) => Promise<void> }> {
  const configFile = `${folder}/adapter_config.json`;
  if (await host.kind(configFile) !== "file") {
    throw new EftError(
      "model",
      `There is no adapter at ${folder} (no adapter_config.json). Train first, or name the ` +
        "adapter's folder with --lora-model-dir.",
    );
  }
  const config = parse(await host.readText(configFile), configFile);
  for (const [key, refused] of Object.entries(unsupported)) {
    if (refused(config[key])) {
      throw new EftError(
        "model",
        `${key}: ${JSON.stringify(config[key])} is not supported yet.`,
        { file: configFile },
      );
    }
  }
  const files = await openSafetensors(host, `${folder}/adapter_model.safetensors`);
  const adapted = new Set(
    [...files.tensors.keys()].map((name) =>
      name.replace(/^base_model\.model\./, "").replace(/\.lora_[AB]\.weight$/, "")
    ),
  );
  const layers = linearLayers(model).map(({ path }) => path);
  const strangers = [...adapted].filter((path) => !layers.includes(path));
  if (strangers.length > 0) {
    throw new EftError("model", `The adapter changes ${strangers[0]}, which the model lacks.`, {
      file: files.files[0],
    });
  }
  const lora = attachLora(model, {
    rank: Number(config.r),
    alpha: Number(config.lora_alpha),
    dropout: 0,
    targets: [...adapted],
  });
  for (const [name, tensor] of lora.tensors) {
    const entry = files.tensors.get(name);
    if (!entry || entry.shape.join() !== tensor.shape.join()) {
      throw new EftError(
        "model",
        `${name}: expected shape [${tensor.shape.join(", ")}], ` +
          `found ${entry ? `[${entry.shape.join(", ")}]` : "nothing"}.`,
        { file: files.files[0] },
      );
    }
  }
  const load = async (memory: Memory) => {
    for (const [name, tensor] of lora.tensors) {
      const entry = files.tensors.get(name)!;
      memory.write(tensor, bytesToF32(await entry.read(), entry.dtype));
    }
    files.close();
  };
  return { lora, files, load };
}

function parse(text: string, file: string): Record<string, unknown> {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new EftError("model", `This is not JSON: ${(cause as Error).message}`, { file });
  }
}
