// Bringing weights to the device: from safetensors in pieces, or drawn anew. JavaScript never holds
// more than one piece.

import { EftError } from "../errors.ts";
import { bytesToF32, type Dtype, f32ToBf16 } from "../files/dtype.ts";
import type { SafetensorsSet, TensorEntry } from "../files/safetensors.ts";
import type { Memory } from "../gpu/program.ts";
import { bytesPerElement, type DType, sizeOf, type Tensor } from "../graph/graph.ts";
import { loadSaved, savedBytes } from "../quant/load.ts";
import { Quantizer, quantizingScratch } from "../quant/quantize.ts";
import { RandomStream } from "../random.ts";
import { fillNewRows, isGrown } from "../adapter/new_tokens.ts";
import { ropeTable } from "./architecture.ts";
import type { Model } from "./model.ts";

/** Bytes read from a file at once; a multiple of every element size and of a buffer's word. */
const pieceBytes = 8 * 2 ** 20;
/** Bytes handed to the device before waiting for it, as each write is staged in memory. */
const inFlightBytes = 64 * 2 ** 20;

const devicedTypes: Partial<Record<Dtype, DType>> = { F32: "f32", F16: "f16", BF16: "bf16" };

/** How a stored tensor is held on the device: as it is, unless it is trained or f16 is missing. */
export function heldAs(entry: TensorEntry, trained: boolean, f16: boolean): DType {
  const dtype = devicedTypes[entry.dtype];
  if (!dtype) {
    throw new EftError(
      "model",
      `The tensor ${entry.name} is stored as ${entry.dtype}; supported are F32, F16 and BF16.`,
    );
  }
  // Vectors (norms, biases) are small and read by kernels that know f32 only.
  if (trained || entry.shape.length < 2) return "f32";
  if (dtype === "f16" && !f16) return "f32";
  // Two bf16 values share a word, so a row must hold an even number of them.
  if (dtype === "bf16" && entry.shape[1] % 2 !== 0) return "f32";
  return dtype;
}

/** Finds a model tensor in its file. Throws an EftError when it is missing or of another shape. */
export function findTensor(
  files: SafetensorsSet,
  name: string,
  shape: readonly number[],
): TensorEntry {
  // Some files leave out the "model." in front.
  const entry = files.tensors.get(name) ?? files.tensors.get(name.replace(/^model\./, ""));
  const where = { file: files.files[0] };
  if (!entry) {
    throw new EftError("model", `The tensor ${name} is missing from the model's weights.`, where);
  }
  if (entry.shape.join() !== shape.join()) {
    throw new EftError(
      "model",
      `The tensor ${name} has shape [${entry.shape.join(", ")}], ` +
        `but config.json asks for [${shape.join(", ")}].`,
      where,
    );
  }
  return entry;
}

/** The same for a tensor of the model, which may have rows for new tokens that the file lacks. */
export function findRows(files: SafetensorsSet, tensor: Tensor): TensorEntry {
  const { name, shape } = tensor;
  const entry = files.tensors.get(name) ?? files.tensors.get(name.replace(/^model\./, ""));
  return entry && isGrown(tensor, entry) ? entry : findTensor(files, name, shape);
}

/** Whether the files hold a tensor in quantized parts, not under its name. */
export function isSaved({ quantized }: Tensor): boolean {
  return quantized !== undefined && quantized.source !== "weights";
}

/** Loads every tensor of a model; `progress` hears of bytes done and bytes in all. */
export async function loadWeights(
  memory: Memory,
  model: Model,
  files: SafetensorsSet,
  progress: (done: number, total: number) => void = () => {},
  newRows: { mean: boolean; seed: number } = { mean: true, seed: 0 },
): Promise<void> {
  const entries = [...model.tensors].map(([name, tensor]) => {
    const entry = isSaved(tensor) ? undefined : findRows(files, tensor);
    return { name, tensor, entry, bytes: entry?.bytes ?? savedBytes(files, name, tensor) };
  });
  const total = entries.reduce((sum, { bytes }) => sum + bytes, 0);
  const quantized = [...model.tensors.values()].filter((weight) =>
    weight.quantized && !isSaved(weight)
  );
  const quantizer = new Quantizer(memory, quantizingScratch(quantized));
  let done = 0;
  let waiting = 0;
  const sent = async (bytes: number) => {
    waiting += bytes;
    if (waiting <= inFlightBytes) return;
    waiting = 0;
    await memory.device.gpu.queue.onSubmittedWorkDone();
  };
  for (const { name, tensor, entry, bytes } of entries) {
    if (tensor.quantized) {
      if (entry) await quantizer.quantize(tensor, entry, sent);
      else await loadSaved(memory, files, name, tensor).then(() => sent(bytes));
      done += bytes;
      progress(done, total);
      continue;
    }
    if (!entry) continue;
    for (let offset = 0; offset < entry.bytes; offset += pieceBytes) {
      const length = Math.min(pieceBytes, entry.bytes - offset);
      const data = convert(await entry.read(offset, length), entry.dtype, tensor.dtype);
      const elements = offset / (entry.bytes / sizeOf(entry));
      memory.write(tensor, wholeWords(data), elements * bytesPerElement(tensor.dtype));
      done += length;
      await sent(data.byteLength);
    }
    progress(done, total);
  }
  quantizer.destroy();
  await fillNewRows(memory, model, files, findRows, newRows);
  memory.device.check();
  memory.write(model.rope, ropeTable(model.shape, model.rope.shape[0]));
}

/** Draws fresh weights: normal with the model's initializer range, norms one, biases zero. */
export function initializeWeights(memory: Memory, model: Model, seed: number): void {
  let stream = 0x1000;
  for (const [name, tensor] of model.tensors) {
    const values = new Float32Array(sizeOf(tensor));
    if (tensor.shape.length === 2) {
      const random = new RandomStream(seed, stream++);
      for (let i = 0; i < values.length; i++) {
        values[i] = random.normal() * model.shape.initializerRange;
      }
    } else if (!name.endsWith(".bias")) values.fill(1);
    memory.write(
      tensor,
      tensor.dtype === "bf16" ? wholeWords(new Uint8Array(f32ToBf16(values).buffer)) : values,
    );
  }
  memory.write(model.rope, ropeTable(model.shape, model.rope.shape[0]));
}

function convert(
  bytes: Uint8Array<ArrayBuffer>,
  from: Dtype,
  to: DType,
): Uint8Array<ArrayBuffer> {
  if (devicedTypes[from] === to) return bytes;
  const floats = bytesToF32(bytes, from);
  return new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
}

/** Pads to a multiple of four bytes, as a device write must have. */
function wholeWords(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (bytes.length % 4 === 0) return bytes;
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  padded.set(bytes);
  return padded;
}
