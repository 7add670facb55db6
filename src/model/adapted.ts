// The layers of a model with what an adapter adds to them: linear layers, the embedding and the
// output head. Without an adapter each is one operation.

import { assert } from "../errors.ts";
import type { Graph, Tensor } from "../graph/graph.ts";
import { add } from "../graph/operations/add.ts";
import { columnScale, rowNorm } from "../graph/operations/dora.ts";
import { dropout } from "../graph/operations/dropout.ts";
import { embedding } from "../graph/operations/embedding.ts";
import { headLogits } from "../graph/operations/head_loss.ts";
import { linear } from "../graph/operations/matmul.ts";
import { replaceRows } from "../graph/operations/token_rows.ts";
import type { ForwardOptions } from "./forward.ts";
import type { LinearLayer, LowRank, Model } from "./model.ts";

type Choice = Pick<ForwardOptions, "dropoutStep" | "withoutAdapter">;

/** The tensor that is computed with: the adapter's copy where there is one. */
export function inUse(model: Model, base: Tensor, { withoutAdapter }: Choice): Tensor {
  return withoutAdapter ? base : model.adaptation.copies.get(base.name) ?? base;
}

/** y = x·weightᵀ + bias, plus what an adapter adds. */
export function applyLinear(
  graph: Graph,
  model: Model,
  layer: LinearLayer,
  x: Tensor,
  options: Choice,
): Tensor {
  const weight = inUse(model, layer.weight, options);
  const bias = layer.bias && inUse(model, layer.bias, options);
  const plain = (input: Tensor) =>
    graph.call(linear, bias ? [input, weight, bias] : [input, weight], {
      bias: bias !== undefined,
    });
  const { lowRank } = layer;
  if (!lowRank || options.withoutAdapter) return plain(x);
  const input = dropped(graph, lowRank, x, options);
  if (!lowRank.magnitude) return addLowRank(graph, lowRank, input, plain(x));

  const { vector, squares } = lowRank.magnitude;
  const { down, up, scale } = lowRank;
  const whole = addLowRank(graph, lowRank, input, graph.call(linear, [input, weight], {}));
  const cross = graph.call(linear, [down, weight], {});
  const gram = graph.call(linear, [down, down], {});
  const norm = graph.call(rowNorm, [squares, cross, gram, up], { scale });
  const inputs = bias ? [whole, vector, norm, bias] : [whole, vector, norm];
  const scaled = graph.call(columnScale, inputs, { bias: bias !== undefined });
  if (input === x) return scaled;
  // With dropout, PEFT drops from the base's part of the difference as well:
  // y = Wx + (m / norm)·(W + scale·BA)d − Wd with d = dropout(x).
  const base = graph.call(linear, [x, weight], {});
  const difference = graph.call(linear, [input, weight, base], { scale: -1, add: true });
  return graph.call(add, [scaled, difference], {});
}

function dropped(graph: Graph, { dropout: probability, index: salt }: LowRank, x: Tensor, {
  dropoutStep,
}: Choice): Tensor {
  return dropoutStep && probability > 0
    ? graph.call(dropout, [x, dropoutStep], { probability, salt })
    : x;
}

function addLowRank(graph: Graph, { down, up, scale }: LowRank, x: Tensor, sum: Tensor): Tensor {
  const narrow = graph.call(linear, [x, down], { scale });
  return graph.call(linear, [narrow, up, sum], { add: true });
}

/** The embedded tokens of the batch, [B·T, C]. */
export function applyEmbedding(graph: Graph, model: Model, options: ForwardOptions): Tensor {
  const { tokens, order, runs } = options.inputs;
  const sorted = { order, runs };
  const table = inUse(model, model.embedding, options);
  const x = graph.call(embedding, [table, tokens], { sorted });
  if (options.withoutAdapter) return x;
  const { embedding: lowRank, embeddingRows } = model.adaptation;
  let y = x;
  if (lowRank) {
    const narrow = graph.call(embedding, [lowRank.down, tokens], { sorted });
    y = graph.call(linear, [narrow, lowRank.up, y], { scale: lowRank.scale, add: true });
  }
  if (embeddingRows) {
    const inputs = [y, embeddingRows.rows, tokens, embeddingRows.slots];
    y = graph.call(replaceRows, inputs, { sorted });
  }
  return y;
}

/** What the output head is made of, as `headLoss` and `headLogits` take it after hidden states. */
export interface HeadParts {
  weight: Tensor;
  /** Hidden states brought to the adapter's rank (scaled), and its up matrix. */
  lowRank?: { narrow: Tensor; up: Tensor };
  /** Trained rows, and the tokens they belong to. */
  rows?: { rows: Tensor; index: Tensor };
}

export function headParts(
  graph: Graph,
  model: Model,
  hidden: Tensor,
  options: Choice,
): HeadParts {
  // A tied head keeps the base's table when only the embedding has a copy, as in PEFT.
  const { copies, head: lowRank, headRows } = model.adaptation;
  if (options.withoutAdapter) return { weight: model.head };
  const weight = copies.get("lm_head.weight") ?? model.head;
  const parts: HeadParts = { weight };
  if (lowRank) {
    const narrow = graph.call(linear, [dropped(graph, lowRank, hidden, options), lowRank.down], {
      scale: lowRank.scale,
    });
    parts.lowRank = { narrow, up: lowRank.up };
  }
  if (headRows) parts.rows = { rows: headRows.rows, index: headRows.index };
  assert(!(lowRank && headRows), "the head has both a low-rank addition and trained rows");
  return parts;
}

/** Logits [M, V] of hidden states [M, C]. */
export function logitsOf(
  graph: Graph,
  model: Model,
  hidden: Tensor,
  options: Choice = {},
): Tensor {
  const { weight, lowRank, rows } = headParts(graph, model, hidden, options);
  const logits = graph.call(linear, [hidden, weight], {});
  if (lowRank) return graph.call(linear, [lowRank.narrow, lowRank.up, logits], { add: true });
  if (rows) return graph.call(headLogits, [logits, hidden, rows.rows, rows.index], {});
  return logits;
}
