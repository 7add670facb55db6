// The tensors of a model, by the names its files use. Which of them are trained is decided here once;
// everything later follows from their role.

import { type DType, type Tensor, tensor } from "../graph/graph.ts";
import type { Source } from "../quant/checkpoint.ts";
import type { QuantFormat } from "../quant/format.ts";
import { quantizedTensor } from "../quant/tensor.ts";
import type { ModelShape } from "./architecture.ts";

/** A low-rank addition to a linear layer: y += scale · B(A(dropout(x))). */
export interface LowRank {
  /** [R, K]; of an embedding [K, R], as it is looked up by token. */
  down: Tensor;
  /** [N, R] */
  up: Tensor;
  scale: number;
  dropout: number;
  /** Number of this adapter in the model; tells its random numbers from others'. */
  index: number;
  /** DoRA: the length of each row of the whole weight is trained by itself. */
  magnitude?: Magnitude;
}

/** DoRA (Liu et al. 2024, arXiv:2402.09353): y = m ⊙ (W + scale·BA)x / ‖W + scale·BA‖, by row. */
export interface Magnitude {
  /** m, [N] */
  vector: Tensor;
  /** Squared lengths of the rows of W, [N]. */
  squares: Tensor;
}

/** Rows of an embedding or a head that are trained, while the others are not. */
export interface TokenRows {
  tokens: readonly number[];
  /** [n, C] */
  rows: Tensor;
  /** Row of each token, n where it has none; u32 [V]. */
  slots: Tensor;
  /** The tokens; u32 [n]. */
  index: Tensor;
}

/** What an adapter changes outside the linear layers of the blocks. */
export interface Adaptation {
  /** Trained copies that stand in for tensors of the model, by the names of those. */
  copies: Map<string, Tensor>;
  embedding?: LowRank;
  head?: LowRank;
  embeddingRows?: TokenRows;
  headRows?: TokenRows;
}

/** A linear layer, and what an adapter adds to it. */
export interface LinearLayer {
  /** Module path, for instance "model.layers.0.self_attn.q_proj". */
  path: string;
  weight: Tensor;
  bias?: Tensor;
  lowRank?: LowRank;
}

export interface Block {
  attentionNorm: Tensor;
  query: LinearLayer;
  key: LinearLayer;
  value: LinearLayer;
  output: LinearLayer;
  feedForwardNorm: Tensor;
  gate: LinearLayer;
  up: LinearLayer;
  down: LinearLayer;
}

export interface Model {
  shape: ModelShape;
  /** [V, C] */
  embedding: Tensor;
  blocks: Block[];
  norm: Tensor;
  /** [V, C]; the embedding itself when tied. */
  head: Tensor;
  /** [positions, D]; see `ropeTable`. */
  rope: Tensor;
  /** Every tensor that a model file holds, by its name there. */
  tensors: Map<string, Tensor>;
  adaptation: Adaptation;
  /** How the activations inside the blocks are stored; the residual stream between them is f32. */
  activations: "f32" | "f16";
}

/** How a tensor of a model file is held on the device. */
export interface Holding {
  dtype: DType;
  trained: boolean;
  /** Held quantized, in place of `dtype`. */
  quantized?: { format: QuantFormat; source: Source };
}

/** Declares a model's tensors. `positions` is the longest sequence it will see. */
export function declareModel(
  shape: ModelShape,
  positions: number,
  holding: (name: string, dimensions: readonly number[]) => Holding,
): Model {
  const tensors = new Map<string, Tensor>();
  const declare = (name: string, dimensions: number[]): Tensor => {
    const { dtype, trained, quantized } = holding(name, dimensions);
    const made = quantized
      ? quantizedTensor(name, dimensions, quantized.format, quantized.source)
      : tensor(name, dimensions, dtype, trained ? "trained" : "weight");
    tensors.set(name, made);
    return made;
  };
  const linear = (path: string, outputs: number, inputs: number, bias: boolean): LinearLayer => ({
    path,
    weight: declare(`${path}.weight`, [outputs, inputs]),
    bias: bias ? declare(`${path}.bias`, [outputs]) : undefined,
  });
  const { width, feedForward, headWidth, heads, keyHeads, biases } = shape;
  const embedding = declare("model.embed_tokens.weight", [shape.vocabulary, width]);
  const blocks = Array.from({ length: shape.layers }, (_, i): Block => {
    const path = `model.layers.${i}`;
    const attention = `${path}.self_attn`;
    return {
      attentionNorm: declare(`${path}.input_layernorm.weight`, [width]),
      query: linear(`${attention}.q_proj`, heads * headWidth, width, biases.qkv),
      key: linear(`${attention}.k_proj`, keyHeads * headWidth, width, biases.qkv),
      value: linear(`${attention}.v_proj`, keyHeads * headWidth, width, biases.qkv),
      output: linear(`${attention}.o_proj`, width, heads * headWidth, biases.output),
      feedForwardNorm: declare(`${path}.post_attention_layernorm.weight`, [width]),
      gate: linear(`${path}.mlp.gate_proj`, feedForward, width, biases.feedForward),
      up: linear(`${path}.mlp.up_proj`, feedForward, width, biases.feedForward),
      down: linear(`${path}.mlp.down_proj`, width, feedForward, biases.feedForward),
    };
  });
  const norm = declare("model.norm.weight", [width]);
  const head = shape.tied ? embedding : declare("lm_head.weight", [shape.vocabulary, width]);
  const rope = tensor("rope", [positions, headWidth], "f32", "weight");
  const adaptation: Adaptation = { copies: new Map() };
  const parts = { shape, embedding, blocks, norm, head, rope, tensors, adaptation };
  return { ...parts, activations: "f32" };
}

/** The linear layers of the blocks, in the order of the model. */
export function linearLayers(model: Model): LinearLayer[] {
  return model.blocks.flatMap((block) => [
    block.query,
    block.key,
    block.value,
    block.output,
    block.gate,
    block.up,
    block.down,
  ]);
}
