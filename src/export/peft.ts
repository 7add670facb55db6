// A LoRA adapter in the two files that PEFT writes: adapter_config.json, adapter_model.safetensors.
// PiSSA and OLoRA train on a base without the part they start from. Their files are converted, as
// PEFT documents it, to an ordinary adapter of twice the rank for the whole base: A' = [A; A0] and
// B' = [B, −B0] give B·A − B0·A0. Where the base was rounded for them (OLoRA on a quantized one,
// LoftQ), their files say how they started, and a reader starts from the base again.

import { besideNegative, stacked, transposed } from "../adapter/load.ts";
import { type Lora, startsAgain } from "../adapter/lora.ts";
import { adapterConfig } from "../adapter/settings.ts";
import type { Config } from "../config/config.ts";
import { type TensorToWrite, writeSafetensors } from "../files/safetensors.ts";
import type { Memory } from "../gpu/program.ts";
import type { Tensor } from "../graph/graph.ts";
import type { Host } from "../host/host.ts";
import { deviceTensors, heldDtype } from "./device_tensor.ts";

export async function writeAdapter(
  host: Host,
  folder: string,
  memory: Memory,
  lora: Lora,
  config: Pick<Config, "base_model">,
): Promise<void> {
  const plain = (name: string) => !lora.transposed.has(name) && !lora.startValues.has(name);
  const tensors = deviceTensors(memory, [
    ...[...lora.tensors].filter(([name]) => plain(name))
      .map(([name, tensor]) => ({ name, tensor, dtype: "F32" as const })),
    ...[...lora.grownTables]
      .map(([name, tensor]) => ({ name, tensor, dtype: heldDtype(tensor) })),
  ]);
  for (const [name, tensor] of lora.tensors) {
    if (!plain(name)) tensors.push(convertedTensor(memory, lora, name, tensor));
  }
  await writeSafetensors(host, `${folder}/adapter_model.safetensors`, tensors);
  const { settings, targetModules, startValues } = lora;
  await host.write(
    `${folder}/adapter_config.json`,
    adapterConfig(settings, targetModules, config.base_model, {
      doubled: startValues.size > 0,
      again: startsAgain(lora),
    }),
  );
}

/** A tensor that its file holds transposed, or beside its start values. */
function convertedTensor(memory: Memory, lora: Lora, name: string, tensor: Tensor): TensorToWrite {
  const [rows, columns] = tensor.shape;
  const read = async () => {
    const [bytes] = await memory.read([{ tensor }]);
    return new Float32Array(bytes);
  };
  const written = (shape: number[], change: (values: Float32Array) => Float32Array) => ({
    name,
    dtype: "F32" as const,
    shape,
    async *data() {
      yield new Uint8Array(change(await read()).buffer as ArrayBuffer);
    },
  });
  if (lora.transposed.has(name)) {
    return written([columns, rows], (values) => transposed(values, [rows, columns]));
  }
  const start = lora.startValues.get(name)!;
  return name.includes(".lora_A.")
    ? written([2 * rows, columns], (values) => stacked(values, start))
    : written([rows, 2 * columns], (values) => besideNegative(values, start, rows));
}
