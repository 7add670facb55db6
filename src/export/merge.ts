// Base model and adapter as one model, one tensor at a time: W' = W + scale·B·A, with DoRA
// m ⊙ W' / ‖W'‖ by row; trained copies and rows take the place of the base's. Where the base was held
// quantized, W is what its codes stand for, since that is what the adapter was trained on.

import type { OpenedAdapter } from "../adapter/load.ts";
import { startOf } from "../adapter/initialize.ts";
import { type AdaptedModule, type Lora, startsAgain } from "../adapter/lora.ts";
import { bytesToF32, type Dtype, f32ToBytes } from "../files/dtype.ts";
import type { SafetensorsSet, TensorEntry, TensorToWrite } from "../files/safetensors.ts";
import type { Model } from "../model/model.ts";
import { findRows, isSaved } from "../model/weights.ts";
import { heldValues, roundTrip } from "../quant/dense.ts";
import { RandomStream } from "../random.ts";

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

/** A matrix of the base, wherever its values are. */
interface BaseMatrix {
  shape: readonly number[];
  /** What it is written as. */
  dtype: Dtype;
  /** Rows in pieces, as floats that may be changed. */
  rows(): AsyncGenerator<{ first: number; count: number; weights: Float32Array }>;
}

/**
 * The tensors of the merged model, in the dtypes of the base; a weight that is stored quantized
 * becomes `storedDtype`. The low-rank product is summed in f64 and rounded once.
 */
export function mergedTensors(
  model: Model,
  base: SafetensorsSet,
  adapter: OpenedAdapter,
  storedDtype: Dtype = "F32",
): TensorToWrite[] {
  const { lora } = adapter;
  const modules = new Map(lora.modules.map((module) => [`${module.path}.weight`, module]));
  const tensors = new Map(model.tensors);
  if (mergingUnties(model)) tensors.set("lm_head.weight", model.head);
  return [...tensors].map(([name, tensor]) => {
    const { quantized, shape } = tensor;
    const entry = adapter.baseEntries.get(tensor.name) ??
      (isSaved(tensor) ? undefined : findRows(base, tensor));
    const dtype = entry?.dtype as Dtype ?? storedDtype;
    const written = { name, dtype, shape: [...shape] };
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
    const values = async () =>
      quantized
        ? await heldValues(base, tensor.name, tensor)
        : bytesToF32(await entry!.read(), entry!.dtype);
    const whole = quantized ? values : undefined;
    const read = module && startsAgain(lora)
      ? async () => started(lora, module, await values())
      : whole;
    const matrix: BaseMatrix = {
      shape,
      dtype,
      rows: () =>
        read
          ? rowsInPieces(shape, heldPart(read, shape[1]))
          : rowsInPieces(entry!.shape, storedPart(entry!)),
    };
    if (module) return { ...written, data: () => mergedPieces(matrix, module, adapter) };
    const rows = lora.rows.find(({ base }) => base.name === name);
    if (rows) {
      const place = new Map(rows.tokens.map((token, i) => [token, i]));
      return { ...written, data: () => replacedPieces(matrix, place, rows.rows.name, adapter) };
    }
    return { ...written, data: () => quantized ? plainPieces(matrix) : pieces(entry!) };
  });
}

/** What a module that starts from its weight leaves of it, as it was held in training. */
function started(lora: Lora, module: AdaptedModule, values: Float32Array): Float32Array {
  const { quantized, shape, dtype } = module.weight;
  const { rest } = startOf(module, lora, values, new RandomStream(0, 0));
  if (quantized) return roundTrip(rest, shape[0], quantized.format);
  const held = dtype === "bf16" ? "BF16" : dtype === "f16" ? "F16" : "F32";
  return bytesToF32(f32ToBytes(rest, held), held);
}

async function* pieces(entry: TensorEntry): AsyncGenerator<Uint8Array> {
  const step = 8 * 2 ** 20;
  for (let offset = 0; offset < entry.bytes; offset += step) {
    yield await entry.read(offset, Math.min(step, entry.bytes - offset));
  }
}

async function* plainPieces(matrix: BaseMatrix): AsyncGenerator<Uint8Array> {
  for await (const { weights } of matrix.rows()) yield f32ToBytes(weights, matrix.dtype);
}

/** Gives `count` rows from `first` on, as floats of their own. */
type Part = (first: number, count: number) => Promise<Float32Array>;

async function* rowsInPieces(
  [outputs, inputs]: readonly number[],
  part: Part,
): ReturnType<BaseMatrix["rows"]> {
  const atOnce = Math.max(1, Math.floor(pieceElements / inputs));
  for (let first = 0; first < outputs; first += atOnce) {
    const count = Math.min(atOnce, outputs - first);
    yield { first, count, weights: await part(first, count) };
  }
}

function storedPart(entry: TensorEntry): Part {
  const rowBytes = entry.bytes / entry.shape[0];
  return async (first, count) =>
    bytesToF32(await entry.read(first * rowBytes, count * rowBytes), entry.dtype);
}

function heldPart(read: () => Promise<Float32Array>, inputs: number): Part {
  let values: Float32Array | undefined;
  return async (first, count) => {
    values ??= await read();
    return values.slice(first * inputs, (first + count) * inputs);
  };
}

async function* replacedPieces(
  { shape: [, C], dtype, rows: rowsOf }: BaseMatrix,
  place: ReadonlyMap<number, number>,
  name: string,
  adapter: OpenedAdapter,
): AsyncGenerator<Uint8Array> {
  const rows = await adapter.values(name);
  for await (const { first, count, weights } of rowsOf()) {
    for (let row = 0; row < count; row++) {
      const at = place.get(first + row);
      if (at !== undefined) weights.set(rows.subarray(at * C, (at + 1) * C), row * C);
    }
    yield f32ToBytes(weights, dtype);
  }
}

async function* mergedPieces(
  { shape: [, inputs], dtype, rows }: BaseMatrix,
  { kind, rank, lowRank }: AdaptedModule,
  adapter: OpenedAdapter,
): AsyncGenerator<Uint8Array> {
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
  for await (const { first, count, weights } of rows()) {
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
    yield f32ToBytes(weights, dtype);
  }
}
