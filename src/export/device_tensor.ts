// Tensors of the device as entries of a safetensors file, read back in pieces when their turn comes.

import { type Dtype, DTYPE_BYTES, f32ToBytes } from "../files/dtype.ts";
import type { TensorToWrite } from "../files/safetensors.ts";
import type { Memory } from "../gpu/program.ts";
import { bytesPerElement, sizeOf, type Tensor } from "../graph/graph.ts";
import { assert } from "../errors.ts";

const pieceElements = 2 ** 21;

/** Bytes that reading any of these tensors back takes on the device. */
export function readbackBytes(tensors: Iterable<Tensor>): number {
  let most = 0;
  for (const tensor of tensors) {
    const count = Math.min(pieceElements, sizeOf(tensor));
    most = Math.max(most, Math.ceil(count * bytesPerElement(tensor.dtype) / 4) * 4);
  }
  return most;
}

const held: Record<string, Dtype> = { f32: "F32", f16: "F16", bf16: "BF16" };

/** The type that a tensor is written in without any conversion. */
export function heldDtype(tensor: Tensor): Dtype {
  return held[tensor.dtype];
}

/** A tensor to be written as `dtype`; only f32 is converted, other types are written as they are. */
export function deviceTensor(
  memory: Memory,
  name: string,
  tensor: Tensor,
  dtype: Dtype,
): TensorToWrite {
  const from = held[tensor.dtype];
  assert(
    from === dtype || from === "F32",
    `${name} is held as ${from}, not convertible to ${dtype}`,
  );
  const size = sizeOf(tensor);
  async function* data(): AsyncGenerator<Uint8Array> {
    for (let first = 0; first < size; first += pieceElements) {
      const count = Math.min(pieceElements, size - first);
      const element = bytesPerElement(tensor.dtype);
      const [piece] = await memory.read([
        { tensor, offset: first * element, bytes: count * element },
      ]);
      yield from === dtype
        ? new Uint8Array(piece, 0, count * DTYPE_BYTES[dtype])
        : f32ToBytes(new Float32Array(piece), dtype);
    }
  }
  return { name, dtype, shape: [...tensor.shape], data };
}
