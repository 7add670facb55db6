// A whole model in Hugging Face layout: config.json and safetensors, in the dtype it came in.

import type { Config } from "../config/config.ts";
import { writeSafetensors } from "../files/safetensors.ts";
import type { Memory } from "../gpu/program.ts";
import type { Host } from "../host/host.ts";
import type { LoadedModel } from "../train/session.ts";
import { deviceTensors } from "./device_tensor.ts";

/** Files of a model folder that describe it, beside weights and tokenizer. */
const descriptions = ["config.json", "generation_config.json"];

export async function writeModel(
  host: Host,
  folder: string,
  memory: Memory,
  { model, folder: source, storedDtype }: LoadedModel,
  config: Config,
): Promise<void> {
  const dtype = config.float32 ? "F32" : storedDtype;
  const tensors = deviceTensors(
    memory,
    [...model.tensors].map(([name, tensor]) => ({
      name,
      tensor,
      dtype: tensor.dtype === "f32" ? dtype : storedDtype,
    })),
  );
  await writeSafetensors(host, `${folder}/model.safetensors`, tensors);
  for (const name of descriptions) {
    const path = `${source}/${name}`;
    if (await host.kind(path) === "file") {
      await host.write(`${folder}/${name}`, await host.readText(path));
    }
  }
}
