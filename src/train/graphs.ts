// The three graphs of a training run: a micro step (forward, backward, gradients added up), the
// optimizer's update, and an evaluation.

import { differentiate } from "../graph/differentiate.ts";
import { Graph, type Tensor } from "../graph/graph.ts";
import type { Limits } from "../graph/limits.ts";
import { adamw, gradientNorm } from "../graph/operations/adamw.ts";
import { chunkRows, headLoss, lossSum } from "../graph/operations/head_loss.ts";
import { sizeOf } from "../graph/graph.ts";
import { rowShards } from "../graph/limits.ts";
import { headParts } from "../model/adapted.ts";
import { type BatchInputs, forward } from "../model/forward.ts";
import type { Model } from "../model/model.ts";
import type { ParameterGroup } from "./parameters.ts";

/** Tensors that all graphs of a run share. */
export interface StepState {
  step: Tensor;
  statistics: Tensor;
}

/** A graph whose host-readable output is the loss of each token, [B·T]. */
export interface LossGraph {
  graph: Graph;
  losses: Tensor;
}

/** Forward and backward of one micro batch; gradients are added to those of the trained tensors. */
export function microStepGraph(
  model: Model,
  inputs: BatchInputs,
  { step, statistics }: StepState,
  limits: Limits,
  options: { recompute: boolean },
): LossGraph {
  const built = lossGraph(model, inputs, { step, statistics }, limits, true);
  differentiate(built.graph, options);
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
  { step, statistics }: StepState,
  limits: Limits,
  backward: boolean,
): LossGraph {
  const graph = new Graph();
  const options = { inputs, dropoutStep: backward ? step : undefined };
  const hidden = forward(graph, model, options);
  const { weight, lowRank, rows } = headParts(graph, model, hidden, options);
  const rank = lowRank?.narrow.shape[1];
  const chunk = chunkRows(hidden.shape[0], weight.shape[0], hidden.shape[1], limits, rank);
  const extra = lowRank ? [lowRank.narrow, lowRank.up] : rows ? [rows.rows, rows.index] : [];
  const losses = graph.call(headLoss, [hidden, weight, inputs.targets, step, ...extra], {
    chunk,
    backward,
    lowRank: lowRank !== undefined,
    rows: rows !== undefined,
  });
  graph.add(lossSum, [losses, step], { into: statistics });
  graph.result(losses);
  return { graph, losses };
}

export interface UpdateSettings {
  beta1: number;
  beta2: number;
  epsilon: number;
  maxGradNorm: number;
}

/** Clips the gradients by their global norm, updates every group, and clears the gradients. */
export function updateGraph(
  groups: readonly ParameterGroup[],
  { step, statistics }: StepState,
  settings: UpdateSettings,
  limits: Limits,
): Graph {
  const graph = new Graph();
  const gradients = groups.map((group) => group.gradient);
  const pieces = gradients.reduce(
    (sum, gradient) => sum + rowShards(sizeOf(gradient), 4, limits).length,
    0,
  );
  const norm = graph.call(gradientNorm, [step, ...gradients], { statistics, pieces });
  for (const group of groups) {
    graph.add(adamw, [norm, step], {
      beta1: settings.beta1,
      beta2: settings.beta2,
      epsilon: settings.epsilon,
      weightDecay: group.weightDecay,
      maxNorm: settings.maxGradNorm,
      group,
    });
  }
  return graph;
}
