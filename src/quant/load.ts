// Bringing the parts of a quantized weight to the device, one weight at a time, whatever they come
// from.

import { EftError } from "../errors.ts";
import type { SafetensorsSet, TensorEntry } from "../files/safetensors.ts";
import type { Memory } from "../gpu/program.ts";
import type { Tensor } from "../graph/graph.ts";
import { savedParts } from "./checkpoint.ts";
import { type FourBit, nestedHeader } from "./format.ts";
import { fromAwq, fromGptq } from "./grouped.ts";

/** Bytes of the entries that `loadSaved` reads for a weight. */
export function savedBytes(files: SafetensorsSet, name: string, weight: Tensor): number {
  return Object.values(entriesOf(files, name, weight)).reduce((sum, { bytes }) => sum + bytes, 0);
}

function entriesOf(files: SafetensorsSet, name: string, weight: Tensor) {
  const { format, source } = weight.quantized!;
  return savedParts(files, name, weight.shape, format, source);
}

/** Fills the parts of a weight that was saved quantized. */
export async function loadSaved(
  memory: Memory,
  files: SafetensorsSet,
  name: string,
  weight: Tensor,
): Promise<void> {
  const entries = entriesOf(files, name, weight);
  const { format, parts, source } = weight.quantized!;
  const [rows, columns] = weight.shape;
  if (format.kind !== "grouped") {
    await copy(memory, entries.codes, parts[0]);
    if (format.kind !== "int8") await checkState(entries.state, name, format, weight);
    await copy(memory, entries.maxima, parts[1]);
    if (format.kind !== "int8" && format.nested) {
      const state = JSON.parse(new TextDecoder().decode(await entries.state.read()));
      const map = await floats(entries.map);
      const outer = await floats(entries.outer);
      const nested = new Float32Array(nestedHeader + outer.length);
      nested.set(map);
      nested[nestedHeader - 1] = state.nested_offset;
      nested.set(outer, nestedHeader);
      memory.write(parts[2], nested);
    }
    return;
  }
  const qweight = await words(entries.qweight);
  const zeros = await words(entries.qzeros);
  const scales = new Uint16Array((await entries.scales.read()).buffer);
  const values = source === "awq"
    ? fromAwq(qweight, zeros, scales, rows, columns, format)
    : fromGptq(qweight, zeros, scales, rows, columns, format, source === "gptq" ? 1 : 2);
  memory.write(parts[0], values.codes);
  memory.write(parts[1], values.scales);
  if (!entries.g_idx) return;
  const order = await words(entries.g_idx);
  if (format.ordered) return memory.write(parts[2], order);
  if (order.some((group, k) => group !== Math.floor(k / format.group))) {
    throw new EftError(
      "model",
      `${entries.g_idx.name} does not list groups of ${format.group} in order, although the ` +
        "model's desc_act is false.",
    );
  }
}

/** The bytes of a tensor as they are, in pieces. */
async function copy(memory: Memory, entry: TensorEntry, to: Tensor): Promise<void> {
  const step = 8 * 2 ** 20;
  for (let offset = 0; offset < entry.bytes; offset += step) {
    const bytes = await entry.read(offset, Math.min(step, entry.bytes - offset));
    const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
    padded.set(bytes);
    memory.write(to, padded, offset);
  }
}

async function checkState(entry: TensorEntry, name: string, format: FourBit, weight: Tensor) {
  const state = JSON.parse(new TextDecoder().decode(await entry.read()));
  const nested = "nested_absmax" in state || "nested_offset" in state;
  if (
    state.blocksize !== format.block || nested !== format.nested ||
    state.shape.join() !== weight.shape.join()
  ) {
    throw new EftError(
      "model",
      `${name} is stored in blocks of ${state.blocksize} as [${state.shape}]; expected blocks of ` +
        `${format.block} as [${weight.shape}], as the model's config.json says.`,
    );
  }
}

async function words(entry: TensorEntry): Promise<Uint32Array<ArrayBuffer>> {
  return new Uint32Array((await entry.read()).slice().buffer);
}

async function floats(entry: TensorEntry): Promise<Float32Array<ArrayBuffer>> {
  return new Float32Array((await entry.read()).slice().buffer);
}
