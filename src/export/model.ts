// A whole model in Hugging Face layout: config.json and safetensors, in the dtype it came in.

import type { MergedBase } from "../adapter/merged_base.ts";
import type { Config } from "../config/config.ts";
import { f32ToBytes } from "../files/dtype.ts";
import { writeSafetensors } from "../files/safetensors.ts";
import type { Memory } from "../gpu/program.ts";
import type { Tensor } from "../graph/graph.ts";
import type { Host } from "../host/host.ts";
import type { LoadedModel } from "../train/session.ts";
import { deviceTensors } from "./device_tensor.ts";
import type { Model } from "../model/model.ts";
import { mergingUnties } from "./merge.ts";

/** Files of a model folder that describe it, beside weights and tokenizer. */
const descriptions = ["config.json", "generation_config.json"];

/** Writes the files; `quantized` has the values of weights in 4 and 8 bits. */
export async function writeModel(
  host: Host,
  folder: string,
  memory: Memory,
  { model, folder: source, storedDtype }: LoadedModel,
  config: Config,
  quantized?: MergedBase,
): Promise<void> {
  const dtype = config.float32 ? "F32" : storedDtype;
  const written = [...writtenTensors(model)];
  const tensors = deviceTensors(
    memory,
    written.filter(([, tensor]) => !tensor.quantized).map(([name, tensor]) => ({
      name,
      tensor,
      dtype: tensor.dtype === "f32" ? dtype : storedDtype,
    })),
  );
  for (const [name, tensor] of written) {
    if (!tensor.quantized) continue;
    tensors.push({
      name,
      dtype,
      shape: [...tensor.shape],
      async *data() {
        for await (const piece of quantized!.values(tensor)) yield f32ToBytes(piece, dtype);
      },
    });
  }
  await writeSafetensors(host, `${folder}/model.safetensors`, tensors);
  for (const name of descriptions) {
    const path = `${source}/${name}`;
    if (await host.kind(path) === "file") {
      await host.write(`${folder}/${name}`, describe(name, await host.readText(path), model));
    }
  }
}

/** The tensors of a whole model's file: trained copies in the place of what they are copies of. */
export function writtenTensors(model: Model): Map<string, Tensor> {
  const { copies } = model.adaptation;
  const named = new Map(model.tensors);
  if (mergingUnties(model)) named.set("lm_head.weight", model.head);
  return new Map([...named].map(([name, base]) => [name, copies.get(name) ?? base]));
}

/** A description, with what the model's adapter has changed in it. */
export function describe(name: string, text: string, model: Model): string {
  if (name !== "config.json") return text;
  const description = JSON.parse(text);
  const changes: Record<string, unknown> = {};
  if (mergingUnties(model)) changes.tie_word_embeddings = false;
  if (description.vocab_size !== model.shape.vocabulary) {
    changes.vocab_size = model.shape.vocabulary;
  }
  const { quantization_config: quantized, ...rest } = description; // what is written is not
  if (Object.keys(changes).length === 0 && quantized === undefined) return text;
  return JSON.stringify({ ...rest, ...changes }, null, 2) + "\n";
}
