// Adding low-rank products to their weights on the device (ReLoRA); see shaders/merge.wgsl and, for
// weights that are dequantized and quantized again, shaders/merge_quantized.wgsl.

import quantizedSource from "../../shaders/merge_quantized.wgsl" with { type: "text" };
import source from "../../shaders/merge.wgsl" with { type: "text" };
import { bytesPerElement, type Dispatch, sizeOf, type Tensor, tensor } from "../graph/graph.ts";
import { type Limits, rowShards } from "../graph/limits.ts";
import { decoderSource } from "../graph/matmul.ts";
import { linearDispatch, literal, read, write } from "../graph/operations/kernel.ts";
import { dispatchesOnly, type Plan } from "../graph/plan.ts";
import { nestDispatches, pieceSize, quantizeDispatch, wholeMaxima } from "../quant/quantize.ts";
import type { AdaptedModule } from "./lora.ts";

/** W += scale·B·A for every module. */
export function mergePlan(modules: readonly AdaptedModule[], limits: Limits): Plan {
  const scratch = scratchOf(modules.map(({ weight }) => weight));
  const dispatches = modules.flatMap((module) =>
    module.weight.quantized ? mergeIntoCodes(module, scratch) : mergeIntoFloats(module, limits)
  );
  return dispatchesOnly("merge", dispatches);
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

/** Buffers that quantized weights share while they are merged into, one after the other. */
interface Scratch {
  /** A piece of a weight as f32. */
  piece: Tensor;
  /** Block maxima of a whole weight, before they are quantized. */
  maxima: Tensor;
}

function scratchOf(weights: readonly Tensor[]): Scratch {
  const quantized = weights.filter((weight) => weight.quantized);
  const most = (size: (weight: Tensor) => number) => Math.max(0, ...quantized.map(size));
  const pieces = most((weight) => Math.min(pieceSize(weight), sizeOf(weight)));
  const maxima = most((weight) => wholeMaxima(weight) ?? 0);
  return {
    piece: tensor("merged piece", [pieces], "f32", "state"),
    maxima: tensor("merged maxima", [maxima], "f32", "state"),
  };
}

/**
 * Into 4 or 8 bits: the values that the codes stand for and the product are added in f32 and quantized
 * as at loading, int8 through f16. What is smaller than the steps between codes gets lost.
 */
function mergeIntoCodes({ weight, rank, lowRank }: AdaptedModule, scratch: Scratch): Dispatch[] {
  const { down, up, scale } = lowRank;
  const { format, parts: [codes, ...scales] } = weight.quantized!;
  const [, columns] = weight.shape;
  const count = sizeOf(weight);
  const step = pieceSize(weight);
  const perByte = format.kind === "int8" ? 1 : 2;
  const line = format.kind === "int8" ? columns : step;
  const blocks = wholeMaxima(weight);
  const dispatches: Dispatch[] = [];
  for (let first = 0; first < count; first += step) {
    const elements = Math.min(step, count - first);
    const bindings = [
      write(scratch.piece, 0, elements * 4),
      read(codes, first / perByte, elements / perByte),
      ...scales.map((part) => read(part)),
      read(down),
      read(up),
    ];
    const sum = linearDispatch("merge", quantizedSource, elements, bindings, {
      DECODERS: decoderSource(format, line, { row: first / line }),
      PARTS: scales.length,
      COUNT: elements,
      FIRST: first,
      COLUMNS: columns,
      LINE: line,
      R: rank,
      SCALE: literal(scale),
    });
    const piece = { tensor: scratch.piece, first, elements, dtype: "F32" as const };
    dispatches.push(
      { ...sum, flops: 2 * rank * elements },
      quantizeDispatch(weight, piece, blocks === undefined ? undefined : scratch.maxima),
    );
  }
  if (blocks !== undefined) dispatches.push(...nestDispatches(weight, scratch.maxima, blocks));
  return dispatches;
}
