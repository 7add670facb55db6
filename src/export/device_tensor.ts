// Tensors of the device as entries of a safetensors file, read back in pieces when their turn comes.

import { type Dtype, DTYPE_BYTES, f32ToBytes } from "../files/dtype.ts";
import { inFileOrder, type TensorToWrite } from "../files/safetensors.ts";
import type { Memory } from "../gpu/program.ts";
import { bytesOf, bytesPerElement, sizeOf, type Tensor } from "../graph/graph.ts";
import { assert } from "../errors.ts";

/** A large tensor is read in pieces of so many elements. */
const pieceElements = 2 ** 21;
/** Small tensors are read together, up to so many bytes: a readback takes 10 ms or more. */
const batchBytes = 4 * 2 ** 20;

/** Bytes on the device that reading these tensors back takes at most. */
export function readbackBytes(tensors: Iterable<Tensor>): number {
  let most = 0;
  let total = 0;
  for (const tensor of tensors) {
    const count = Math.min(pieceElements, sizeOf(tensor));
    most = Math.max(most, Math.ceil(count * bytesPerElement(tensor.dtype) / 4) * 4);
    total += bytesOf(tensor);
  }
  return Math.max(most, Math.min(total, batchBytes));
}

const held: Record<string, Dtype> = {
  f32: "F32",
  f16: "F16",
  bf16: "BF16",
  u32: "U32",
  i32: "I32",
};

/** The type that a tensor is written in without any conversion. */
export function heldDtype(tensor: Tensor): Dtype {
  return held[tensor.dtype];
}

interface Entry {
  name: string;
  tensor: Tensor;
  /** What it is written as; only f32 is converted, other types are written as they are. */
  dtype: Dtype;
}

/** Tensors to be written into one file. */
export function deviceTensors(memory: Memory, entries: readonly Entry[]): TensorToWrite[] {
  const order = [...entries].sort(inFileOrder);
  const places = new Map(order.map(({ name }, i) => [name, i]));
  const ready = new Map<string, ArrayBuffer>();
  const isSmall = ({ tensor }: Entry) => bytesOf(tensor) <= batchBytes;
  const readFrom = async (name: string) => {
    const batch: Entry[] = [];
    let bytes = 0;
    for (let i = places.get(name)!; i < order.length && isSmall(order[i]); i++) {
      bytes += bytesOf(order[i].tensor);
      if (bytes > batchBytes) break;
      batch.push(order[i]);
    }
    const pieces = await memory.read(batch.map(({ tensor }) => ({ tensor })));
    batch.forEach((entry, i) => ready.set(entry.name, pieces[i]));
  };
  return entries.map((entry) => {
    const { name, tensor, dtype } = entry;
    const from = held[tensor.dtype];
    assert(
      from === dtype || from === "F32",
      `${name} is held as ${from}, not convertible to ${dtype}`,
    );
    const convert = (piece: ArrayBuffer, count: number) =>
      from === dtype
        ? new Uint8Array(piece, 0, count * DTYPE_BYTES[dtype])
        : f32ToBytes(new Float32Array(piece), dtype);
    async function* data(): AsyncGenerator<Uint8Array> {
      const size = sizeOf(tensor);
      if (isSmall(entry)) {
        if (!ready.has(name)) await readFrom(name);
        const piece = ready.get(name)!;
        ready.delete(name);
        yield convert(piece, size);
        return;
      }
      const element = bytesPerElement(tensor.dtype);
      for (let first = 0; first < size; first += pieceElements) {
        const count = Math.min(pieceElements, size - first);
        const [piece] = await memory.read([
          { tensor, offset: first * element, bytes: count * element },
        ]);
        yield convert(piece, count);
      }
    }
    return { name, dtype, shape: [...tensor.shape], data };
  });
}
