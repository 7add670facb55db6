// Base model and LoRA adapter as one model: W' = W + scale · B·A, one tensor at a time. Where the base
// was held quantized, W is what its codes stand for, since that is what the adapter was trained on.

import { f32ToBytes } from "../files/dtype.ts";
import { bytesToF32, type Dtype } from "../files/dtype.ts";
import type { SafetensorsSet, TensorEntry, TensorToWrite } from "../files/safetensors.ts";
import { linearLayers, type Model } from "../model/model.ts";
import { findTensor } from "../model/weights.ts";
import { heldValues } from "../quant/dense.ts";

/** Elements of a weight that are merged at once. */
const pieceElements = 2 ** 21;

/**
 * The tensors of the merged model, in the dtypes of the base; a weight that is stored quantized
 * becomes `storedDtype`. The low-rank product is summed in f64 and rounded once.
 */
export function mergedTensors(
  model: Model,
  base: SafetensorsSet,
  adapter: SafetensorsSet,
  storedDtype: Dtype = "F32",
): TensorToWrite[] {
  const layers = new Map(linearLayers(model).map((layer) => [`${layer.path}.weight`, layer]));
  return [...model.tensors].map(([name, tensor]) => {
    const lowRank = layers.get(name)?.lowRank;
    const { quantized, shape } = tensor;
    const held = quantized && (() => heldValues(base, name, tensor));
    const entry = quantized && quantized.source !== "weights"
      ? undefined
      : findTensor(base, name, shape);
    const dtype = entry?.dtype ?? storedDtype;
    if (!lowRank) {
      const data = held
        ? async function* () {
          yield f32ToBytes(await held(), dtype);
        }
        : () => pieces(entry!);
      return { name, dtype, shape: [...shape], data };
    }
    const down = adapter.tensors.get(lowRank.down.name)!;
    const up = adapter.tensors.get(lowRank.up.name)!;
    return {
      name,
      dtype,
      shape: [...shape],
      data: () => mergedPieces(held ?? entry!, shape, dtype, down, up, lowRank.scale),
    };
  });
}

async function* pieces(entry: TensorEntry): AsyncGenerator<Uint8Array> {
  const step = 8 * 2 ** 20;
  for (let offset = 0; offset < entry.bytes; offset += step) {
    yield await entry.read(offset, Math.min(step, entry.bytes - offset));
  }
}

async function* mergedPieces(
  base: TensorEntry | (() => Promise<Float32Array>),
  [outputs, inputs]: readonly number[],
  dtype: Dtype,
  downEntry: TensorEntry,
  upEntry: TensorEntry,
  scale: number,
): AsyncGenerator<Uint8Array> {
  const held = typeof base === "function" ? await base() : undefined;
  const rank = downEntry.shape[0];
  const down = bytesToF32(await downEntry.read(), downEntry.dtype);
  const up = bytesToF32(await upEntry.read(), upEntry.dtype);
  const rowsAtOnce = Math.max(1, Math.floor(pieceElements / inputs));
  const sums = new Float64Array(inputs);
  for (let first = 0; first < outputs; first += rowsAtOnce) {
    const count = Math.min(rowsAtOnce, outputs - first);
    const weights = held
      ? held.slice(first * inputs, (first + count) * inputs)
      : await rowsOf(base as TensorEntry, first, count);
    for (let row = 0; row < count; row++) {
      sums.fill(0);
      for (let r = 0; r < rank; r++) {
        const factor = scale * up[(first + row) * rank + r];
        for (let i = 0; i < inputs; i++) sums[i] += factor * down[r * inputs + i];
      }
      for (let i = 0; i < inputs; i++) weights[row * inputs + i] += sums[i];
    }
    yield f32ToBytes(weights, dtype);
  }
}

async function rowsOf(entry: TensorEntry, first: number, count: number) {
  const rowBytes = entry.bytes / entry.shape[0];
  return bytesToF32(await entry.read(first * rowBytes, count * rowBytes), entry.dtype);
}
