// Adding a low-rank product to its weight on the device; see shaders/merge.wgsl.

import source from "../../shaders/merge.wgsl" with { type: "text" };
import { EftError } from "../errors.ts";
import { bytesPerElement, type Dispatch, sizeOf } from "../graph/graph.ts";
import { type Limits, rowShards } from "../graph/limits.ts";
import { linearDispatch, literal, read, write } from "../graph/operations/kernel.ts";
import type { AdaptedModule } from "./lora.ts";

/**
 * How a format of weights takes a low-rank product in: dequantize, add, quantize again. `merge` gives
 * the dispatches for one module; they may need nothing but the module's own tensors.
 */
export type MergeInto = (module: AdaptedModule, limits: Limits) => Dispatch[];

/** By the dtype of the weight. A quantized format adds its own entry. */
export const mergeFormats: Record<string, MergeInto> = {
  f32: mergeIntoFloats,
  f16: mergeIntoFloats,
  bf16: mergeIntoFloats,
};

/** Dispatches of W += scale·B·A for one module. */
export function mergeDispatches(module: AdaptedModule, limits: Limits): Dispatch[] {
  const merge = mergeFormats[module.weight.dtype];
  if (!merge) {
    throw new EftError(
      "config",
      `ReLoRA cannot merge into ${module.weight.dtype} weights (${module.path}).`,
    );
  }
  return merge(module, limits);
}

function mergeIntoFloats({ kind, weight, rank, lowRank }: AdaptedModule, limits: Limits) {
  const { down, up, scale } = lowRank;
  const [rows, columns] = weight.shape;
  return rowShards(rows, columns * bytesPerElement(weight.dtype), limits).map((shard) => {
    const elements = shard.rows * columns;
    const words = Math.ceil(elements * bytesPerElement(weight.dtype) / 4);
    const bindings = [read(down), read(up), write(weight, shard.offset, shard.bytes)];
    return linearDispatch("merge", source, words, bindings, {
      W_TYPE: weight.dtype,
      EMBEDDING: kind === "embedding",
      A_SIZE: sizeOf(down),
      B_SIZE: sizeOf(up),
      WORDS: words,
      ELEMENTS: elements,
      COLUMNS: columns,
      FIRST: shard.row,
      R: rank,
      SCALE: literal(scale),
    });
  });
}
