// Base model and adapter as one model, one tensor at a time: W' = W + scale·B·A, with DoRA
// m ⊙ W' / ‖W'‖ by row; trained copies and rows take the place of the base's.

import type { OpenedAdapter } from "../adapter/load.ts";
import type { AdaptedModule } from "../adapter/lora.ts";
import { bytesToF32, type Dtype, f32ToBytes } from "../files/dtype.ts";
import type { SafetensorsSet, TensorEntry, TensorToWrite } from "../files/safetensors.ts";
import type { Model } from "../model/model.ts";
import { findRows } from "../model/weights.ts";

/** Elements of a weight that are merged at once. */
const pieceElements = 2 ** 21;

/**
 * Whether the merged model has a head of its own although the base's is its embedding: one of the two
 * was trained whole. config.json must then say `tie_word_embeddings: false`.
 */
export function mergingUnties(model: Model): boolean {
  const { copies } = model.adaptation;
  return model.shape.tied &&
    (copies.has("lm_head.weight") || copies.has("model.embed_tokens.weight"));
}

/**
 * The tensors of the merged model, in the dtypes of the base. The low-rank product is summed in f64
 * and rounded once.
 */
export function mergedTensors(
  model: Model,
  base: SafetensorsSet,
  adapter: OpenedAdapter,
): TensorToWrite[] {
  const { lora } = adapter;
  const modules = new Map(lora.modules.map((module) => [`${module.path}.weight`, module]));
  const tensors = new Map(model.tensors);
  if (mergingUnties(model)) tensors.set("lm_head.weight", model.head);
  return [...tensors].map(([name, tensor]) => {
    const entry = adapter.baseEntries.get(tensor.name) ?? findRows(base, tensor);
    const dtype = entry.dtype as Dtype;
    const written = { name, dtype, shape: [...tensor.shape] };
    const copy = model.adaptation.copies.get(name);
    if (copy) {
      return {
        ...written,
        async *data() {
          yield f32ToBytes(await adapter.values(copy.name), dtype);
        },
      };
    }
    const module = modules.get(name);
    if (module) return { ...written, data: () => mergedPieces(entry, module, adapter) };
    const rows = lora.rows.find(({ base }) => base.name === name);
    if (rows) {
      const place = new Map(rows.tokens.map((token, i) => [token, i]));
      return { ...written, data: () => replacedPieces(entry, place, rows.rows.name, adapter) };
    }
    return { ...written, data: () => pieces(entry) };
  });
}

async function* pieces(entry: TensorEntry): AsyncGenerator<Uint8Array> {
  const step = 8 * 2 ** 20;
  for (let offset = 0; offset < entry.bytes; offset += step) {
    yield await entry.read(offset, Math.min(step, entry.bytes - offset));
  }
}

/** Rows of a matrix in pieces, as floats that may be changed. */
async function* rowsOf(
  entry: TensorEntry,
): AsyncGenerator<{ first: number; count: number; weights: Float32Array }> {
  const [outputs, inputs] = entry.shape;
  const atOnce = Math.max(1, Math.floor(pieceElements / inputs));
  const rowBytes = entry.bytes / outputs;
  for (let first = 0; first < outputs; first += atOnce) {
    const count = Math.min(atOnce, outputs - first);
    const read = await entry.read(first * rowBytes, count * rowBytes);
    yield { first, count, weights: bytesToF32(read, entry.dtype) };
  }
}

async function* replacedPieces(
  entry: TensorEntry,
  place: ReadonlyMap<number, number>,
  name: string,
  adapter: OpenedAdapter,
): AsyncGenerator<Uint8Array> {
  const C = entry.shape[1];
  const rows = await adapter.values(name);
  for await (const { first, count, weights } of rowsOf(entry)) {
    for (let row = 0; row < count; row++) {
      const at = place.get(first + row);
      if (at !== undefined) weights.set(rows.subarray(at * C, (at + 1) * C), row * C);
    }
    yield f32ToBytes(weights, entry.dtype);
  }
}

async function* mergedPieces(
  entry: TensorEntry,
  { kind, rank, lowRank }: AdaptedModule,
  adapter: OpenedAdapter,
): AsyncGenerator<Uint8Array> {
  const inputs = entry.shape[1];
  const { down, up, scale, magnitude } = lowRank;
  // A row of the merged matrix is a sum of rows of `right`, weighted by a row of `left`.
  let left = await adapter.values(up.name);
  let right = await adapter.values(down.name);
  if (kind === "embedding") {
    const turned = new Float32Array(left.length);
    for (let c = 0; c < inputs; c++) {
      for (let r = 0; r < rank; r++) turned[r * inputs + c] = left[c * rank + r];
    }
    [left, right] = [right, turned];
  }
  const lengths = magnitude && await adapter.values(magnitude.vector.name);
  const sums = new Float64Array(inputs);
  for await (const { first, count, weights } of rowsOf(entry)) {
    for (let row = 0; row < count; row++) {
      const at = row * inputs;
      sums.fill(0);
      for (let r = 0; r < rank; r++) {
        const factor = scale * left[(first + row) * rank + r];
        for (let i = 0; i < inputs; i++) sums[i] += factor * right[r * inputs + i];
      }
      for (let i = 0; i < inputs; i++) sums[i] += weights[at + i];
      if (lengths) {
        const length = Math.sqrt(sums.reduce((sum, value) => sum + value * value, 0));
        for (let i = 0; i < inputs; i++) sums[i] *= lengths[first + row] / length;
      }
      weights.set(sums, at);
    }
    yield f32ToBytes(weights, entry.dtype);
  }
}
