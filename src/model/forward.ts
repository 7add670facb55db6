// The forward graph of a model. Training, evaluation, prefill and decode are all built here; they
// differ in what they feed in and what they do with the last hidden states.

import { type DType, Graph, type Tensor, tensor } from "../graph/graph.ts";
import { add } from "../graph/operations/add.ts";
import { attention } from "../graph/operations/attention.ts";
import { neftune } from "../graph/operations/neftune.ts";
import { rmsNorm } from "../graph/operations/rms_norm.ts";
import { rope } from "../graph/operations/rope.ts";
import { writeCache } from "../graph/operations/rows.ts";
import { swiglu } from "../graph/operations/swiglu.ts";
import { applyEmbedding, applyLinear, inUse } from "./adapted.ts";
import type { LinearLayer, Model } from "./model.ts";

/** What the host writes for a batch of B rows of T tokens; all [B·T]. */
export interface BatchInputs {
  batch: number;
  length: number;
  tokens: Tensor;
  /** Position of each token in its own sequence. */
  positions: Tensor;
  /** Index within the row of the first token of each token's segment. */
  starts: Tensor;
  /** Next token to predict, negative where none is; i32. */
  targets: Tensor;
  /** Positions sorted by token, and the runs in them; see shaders/embedding.wgsl. */
  order: Tensor;
  runs: Tensor;
}

export function batchInputs(batch: number, length: number): BatchInputs {
  const M = batch * length;
  return {
    batch,
    length,
    tokens: tensor("tokens", [M], "u32", "input"),
    positions: tensor("positions", [M], "u32", "input"),
    starts: tensor("starts", [M], "u32", "input"),
    targets: tensor("targets", [M], "i32", "input"),
    order: tensor("order", [M], "u32", "input"),
    runs: tensor("runs", [M + 1], "u32", "input"),
  };
}

/** Keys and values of all past tokens, one pair of tensors [B·S, K·D] per block. */
export interface Cache {
  keys: Tensor[];
  values: Tensor[];
}

export interface ForwardOptions {
  inputs: Pick<BatchInputs, "batch" | "tokens" | "positions" | "starts" | "order" | "runs">;
  /** The step's scalars, where dropout is wanted. */
  dropoutStep?: Tensor;
  /** The most that NEFTune adds to an embedding in training, at the same step's scalars. */
  noise?: number;
  /** Attend to and extend this cache, instead of to the batch itself. */
  cache?: Cache;
  /** Leave the adapter out. */
  withoutAdapter?: boolean;
}

/** Adds the model's forward pass; returns the normed hidden states [B·T, C]. */
export function forward(graph: Graph, model: Model, options: ForwardOptions): Tensor {
  const { shape } = model;
  const { inputs, cache } = options;
  const { heads, keyHeads, normEpsilon: epsilon } = shape;
  const apply = (layer: LinearLayer, x: Tensor) => applyLinear(graph, model, layer, x, options);
  const norm = (x: Tensor, weight: Tensor, dtype: DType) =>
    graph.call(rmsNorm, [x, inUse(model, weight, options)], { epsilon, dtype });
  const rotate = (x: Tensor, count: number) =>
    graph.call(rope, [x, inputs.positions, model.rope], { heads: count });

  let x = applyEmbedding(graph, model, options);
  if (options.noise && options.dropoutStep) {
    x = graph.call(neftune, [x, options.dropoutStep], { size: options.noise });
  }
  model.blocks.forEach((block, i) => {
    graph.block = i;
    const normed = norm(x, block.attentionNorm, model.activations);
    const q = rotate(apply(block.query, normed), heads);
    let k = rotate(apply(block.key, normed), keyHeads);
    let v = apply(block.value, normed);
    if (cache) {
      const write = { batch: inputs.batch };
      k = graph.call(writeCache, [k, inputs.positions], { ...write, into: cache.keys[i] });
      v = graph.call(writeCache, [v, inputs.positions], { ...write, into: cache.values[i] });
    }
    const bounds = cache ? inputs.positions : inputs.starts;
    const attributes = { batch: inputs.batch, heads, keyHeads, cached: cache !== undefined };
    const attended = graph.call(attention, [q, k, v, bounds], attributes);
    const residual = graph.call(add, [x, apply(block.output, attended)], {});

    const hidden = norm(residual, block.feedForwardNorm, model.activations);
    const gated = graph.call(swiglu, [apply(block.gate, hidden), apply(block.up, hidden)], {});
    x = graph.call(add, [residual, apply(block.down, gated)], {});
  });
  graph.block = undefined;
  return norm(x, model.norm, "f32");
}
