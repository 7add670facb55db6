// Adding low-rank products to their weights on the device (ReLoRA); see shaders/merge.wgsl.

import source from "../../shaders/merge.wgsl" with { type: "text" };
import { bytesPerElement, sizeOf } from "../graph/graph.ts";
import { type Limits, rowShards } from "../graph/limits.ts";
import { linearDispatch, literal, read, write } from "../graph/operations/kernel.ts";
import { dispatchesOnly, type Plan } from "../graph/plan.ts";
import type { AdaptedModule } from "./lora.ts";

/** What of a module its merging must know. */
export type Merged = Pick<AdaptedModule, "kind" | "weight" | "rank"> & {
  lowRank: Pick<AdaptedModule["lowRank"], "down" | "up" | "scale">;
};

/** W += scale·B·A for every module, whose weights are floats. */
export function mergePlan(modules: readonly Merged[], limits: Limits): Plan {
  return dispatchesOnly("merge", modules.flatMap((module) => mergeDispatches(module, limits)));
}

function mergeDispatches({ kind, weight, rank, lowRank }: Merged, limits: Limits) {
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
