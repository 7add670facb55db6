// Base model and LoRA adapter as one model: W' = W + scale · B·A, one tensor at a time.

import { f32ToBytes } from "../files/dtype.ts";
import { bytesToF32, type Dtype } from "../files/dtype.ts";
import type { SafetensorsSet, TensorEntry, TensorToWrite } from "../files/safetensors.ts";
import { linearLayers, type Model } from "../model/model.ts";
import { findTensor } from "../model/weights.ts";

/** Elements of a weight that are merged at once. */
const pieceElements = 2 ** 21;

/**
 * The tensors of the merged model, in the dtypes of the base. The low-rank product is summed in f64
 * and rounded once.
 */
export function mergedTensors(
  model: Model,
  base: SafetensorsSet,
  adapter: SafetensorsSet,
): TensorToWrite[] {
  const layers = new Map(linearLayers(model).map((layer) => [`${layer.path}.weight`, layer]));
  return [...model.tensors].map(([name, tensor]) => {
    const entry = findTensor(base, name, tensor.shape);
    const lowRank = layers.get(name)?.lowRank;
    const dtype = entry.dtype as Dtype;
    if (!lowRank) return { name, dtype, shape: entry.shape, data: () => pieces(entry) };
    const down = adapter.tensors.get(lowRank.down.name)!;
    const up = adapter.tensors.get(lowRank.up.name)!;
    return {
      name,
      dtype,
      shape: entry.shape,
      data: () => mergedPieces(entry, down, up, lowRank.scale),
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
  entry: TensorEntry,
  downEntry: TensorEntry,
  upEntry: TensorEntry,
  scale: number,
): AsyncGenerator<Uint8Array> {
  const [outputs, inputs] = entry.shape;
  const rank = downEntry.shape[0];
  const down = bytesToF32(await downEntry.read(), downEntry.dtype);
  const up = bytesToF32(await upEntry.read(), upEntry.dtype);
  const rowsAtOnce = Math.max(1, Math.floor(pieceElements / inputs));
  const rowBytes = entry.bytes / outputs;
  const sums = new Float64Array(inputs);
  for (let first = 0; first < outputs; first += rowsAtOnce) {
    const count = Math.min(rowsAtOnce, outputs - first);
    const bytes = await entry.read(first * rowBytes, count * rowBytes);
    const weights = bytesToF32(bytes, entry.dtype);
    for (let row = 0; row < count; row++) {
      sums.fill(0);
      for (let r = 0; r < rank; r++) {
        const factor = scale * up[(first + row) * rank + r];
        for (let i = 0; i < inputs; i++) sums[i] += factor * down[r * inputs + i];
      }
      for (let i = 0; i < inputs; i++) weights[row * inputs + i] += sums[i];
    }
    yield f32ToBytes(weights, entry.dtype);
  }
}
