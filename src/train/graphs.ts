// The three graphs of a training run: a micro step (forward, backward, gradients added up), the
// optimizer's update, and an evaluation.

import { differentiate, type DifferentiateOptions } from "../graph/differentiate.ts";
import { Graph, type Tensor, tensor } from "../graph/graph.ts";
import type { Limits } from "../graph/limits.ts";
import { growthInterval } from "../graph/loss_scaler.ts";
import { clearRows, type Rows } from "../graph/operations/clear_rows.ts";
import { gradientNorm, gradientPieces } from "../graph/operations/gradient_norm.ts";
import { chunkRows, headLoss, lossSum } from "../graph/operations/head_loss.ts";
import { unscale } from "../graph/operations/unscale.ts";
import { headParts } from "../model/adapted.ts";
import { type BatchInputs, forward } from "../model/forward.ts";
import type { Model } from "../model/model.ts";
import type { Weights } from "./optimizers/optimizer.ts";
import type { ParameterGroup } from "./parameters.ts";

/** Tensors that all graphs of a run share. */
export interface StepState {
  step: Tensor;
  statistics: Tensor;
  /** With activations in f16; see graph/loss_scaler.ts. */
  scaler?: Tensor;
}

/** A graph whose host-readable output is the loss of each token, [B·T]. */
export interface LossGraph {
  graph: Graph;
  losses: Tensor;
}

export interface MicroStepOptions extends DifferentiateOptions {
  /** NEFTune: the noise on the embeddings, before it is divided by sqrt(T·C). */
  neftuneAlpha?: number;
}

/** Forward and backward of one micro batch; gradients are added to those of the trained tensors. */
export function microStepGraph(
  model: Model,
  inputs: BatchInputs,
  state: StepState,
  limits: Limits,
  options: MicroStepOptions,
): LossGraph {
  const { neftuneAlpha, ...differentiation } = options;
  const size = inputs.length * model.shape.width;
  const noise = neftuneAlpha && neftuneAlpha / Math.sqrt(size);
  const built = lossGraph(model, inputs, state, limits, true, noise);
  differentiate(built.graph, differentiation);
  return built;
}

/** Forward only, without dropout. */
export function evaluationGraph(
  model: Model,
  inputs: BatchInputs,
  state: StepState,
  limits: Limits,
): LossGraph {
  return lossGraph(model, inputs, state, limits, false);
}

function lossGraph(
  model: Model,
  inputs: BatchInputs,
  { step, statistics, scaler }: StepState,
  limits: Limits,
  backward: boolean,
  noise?: number,
): LossGraph {
  const graph = new Graph();
  const options = { inputs, noise, dropoutStep: backward ? step : undefined };
  const hidden = forward(graph, model, options);
  const { weight, lowRank, rows } = headParts(graph, model, hidden, options);
  const rank = lowRank?.narrow.shape[1];
  const chunk = chunkRows(hidden.shape[0], weight.shape[0], hidden.shape[1], limits, rank);
  const extra = lowRank ? [lowRank.narrow, lowRank.up] : rows ? [rows.rows, rows.index] : [];
  const losses = graph.call(headLoss, [hidden, weight, inputs.targets, step, ...extra], {
    chunk,
    backward,
    scaler,
    lowRank: lowRank !== undefined,
    rows: rows !== undefined,
  });
  graph.add(lossSum, [losses, step], { into: statistics });
  graph.result(losses);
  return { graph, losses };
}

/** What the update of a run works on. */
export interface Update {
  groups: readonly ParameterGroup[];
  /** The rows of numbers that each step's update reads; see optimizers/scalars.ts. */
  scalars: Tensor;
  /** Clip the global norm to this; 0 leaves it alone. */
  maxGradNorm: number;
  /** Rows of trained tensors that stay as they are, by name. */
  frozenRows?: ReadonlyMap<string, readonly Rows[]>;
}

/** Clips the gradients by their global norm, updates every group, and clears the gradients. */
export function updateGraph(
  { groups, scalars, maxGradNorm: maxNorm, frozenRows }: Update,
  { step, statistics, scaler }: StepState,
  limits: Limits,
): Graph {
  const graph = new Graph();
  for (const { name, tensor } of groups.flatMap(({ members }) => members)) {
    const ranges = frozenRows?.get(name);
    if (ranges) graph.add(clearRows, [], { into: tensor.gradient!, ranges });
  }
  const gradients = groups.map((group) => group.gradient);
  const pieces = gradientPieces(gradients, limits);
  const scaling = scaler && { scaler, interval: growthInterval };
  const norm = graph.call(gradientNorm, [step, ...gradients], { statistics, pieces, scaling });
  if (scaler) { for (const into of gradients) graph.add(unscale, [norm], { into }); }
  const inputs = { norm, scalars, maxNorm, limits };
  for (const group of groups) group.optimizer.update(graph, inputs, group);
  return graph;
}

/** Puts the weights to use in the place of those to train at, or back, where they differ. */
export function exchangeGraph(
  groups: readonly ParameterGroup[],
  scalars: Tensor,
  to: Weights,
  limits: Limits,
): Graph {
  const graph = new Graph();
  const norm = tensor("no norm", [2], "f32", "input");
  const inputs = { norm, scalars, maxNorm: 0, limits };
  for (const group of groups) group.optimizer.exchange?.(graph, inputs, group, to);
  return graph;
}
