// Reverse-mode differentiation of a graph, for the trained tensors only: a frozen weight gets no
// gradient work. With `recompute`, values inside a transformer block are not kept for the backward
// pass but computed again from the block's inputs (gradient checkpointing; Chen et al. 2016,
// arXiv:1604.06174), one node at a time as the gradients ask for them.

import { assert } from "../errors.ts";
import type { GradientContext, Graph, Node, Tensor } from "./graph.ts";
import { isTransient } from "./graph.ts";
import { add } from "./operations/add.ts";

export interface DifferentiateOptions {
  /** Recompute the values of each block in the backward pass. */
  recompute?: boolean;
  /** Trained tensors that rest have no gradient for now; by default none rests. */
  rests?: (trained: Tensor) => boolean;
}

/**
 * Appends the backward pass of everything in `graph`. A node without outgoing gradients takes part
 * only if its operation starts a gradient by itself (a loss).
 */
export function differentiate(graph: Graph, options: DifferentiateOptions = {}): void {
  const forward = [...graph.nodes];
  const rests = options.rests ?? (() => false);
  const trained = requiringGradient(forward, rests);
  const values = options.recompute ? recomputing(graph, forward) : (value: Tensor) => value;
  const gradients = new Map<Tensor, Tensor>();
  // A sum hands one and the same gradient to both of its inputs; such a tensor has two owners and
  // must not be overwritten by either.
  const owners = new Map<Tensor, Tensor>();
  const shared = new Set<Tensor>();

  for (const node of forward.reverse()) {
    if (!node.operation.gradient) continue;
    if (!node.inputs.some((input) => trained.has(input))) continue;
    const reached = node.operation.startsGradient ||
      node.outputs.some((output) => gradients.has(output));
    if (!reached) continue;
    graph.block = node.block;
    const context: GradientContext = {
      graph,
      attributes: node.attributes,
      input: (i) => values(node.inputs[i]),
      output: (i) => values(node.outputs[i]),
      outputGradient: (i) => gradients.get(node.outputs[i]),
      needs: (i) => trained.has(node.inputs[i]),
      destination: (i) => rests(node.inputs[i]) ? undefined : node.inputs[i].gradient,
      partial: (i) => gradients.get(node.inputs[i]),
      ownPartial(i) {
        const partial = gradients.get(node.inputs[i]);
        return partial && !shared.has(partial) ? partial : undefined;
      },
      contribute(i, gradient, replaces = false) {
        const target = node.inputs[i];
        assert(isTransient(target), `gradient of ${target.name} goes to its destination`);
        const before = gradients.get(target);
        const sum = before && !replaces ? graph.call(add, [before, gradient], {}) : gradient;
        if (owners.has(sum) && owners.get(sum) !== target) shared.add(sum);
        owners.set(sum, target);
        gradients.set(target, sum);
      },
    };
    node.operation.gradient(context);
  }
  graph.block = undefined;
}

/** Tensors that a trained tensor flows into, the trained ones included. */
function requiringGradient(
  nodes: readonly Node[],
  rests: (trained: Tensor) => boolean,
): Set<Tensor> {
  const found = new Set<Tensor>();
  for (const node of nodes) {
    for (const input of node.inputs) {
      if (input.role === "trained" && !rests(input)) found.add(input);
    }
    if (node.inputs.some((input) => found.has(input))) {
      for (const output of node.outputs) if (isTransient(output)) found.add(output);
    }
  }
  return found;
}

/** Returns a function that gives the value of a forward tensor for use in the backward pass. */
function recomputing(graph: Graph, forward: readonly Node[]): (value: Tensor) => Tensor {
  // What another block reads is kept; everything else of a block is computed again.
  const kept = new Set<Tensor>();
  for (const node of forward) {
    for (const input of node.inputs) {
      if (graph.producers.get(input)?.block !== node.block) kept.add(input);
    }
  }
  const copies = new Map<Tensor, Tensor>();
  const value = (of: Tensor): Tensor => {
    const producer = graph.producers.get(of);
    if (!producer || producer.block === undefined || kept.has(of)) return of;
    const known = copies.get(of);
    if (known) return known;
    const inputs = producer.inputs.map(value);
    for (const [, input] of producer.inPlace) {
      assert(
        inputs[input] !== producer.inputs[input],
        `${producer.operation.name} overwrites a kept value and cannot be computed again`,
      );
    }
    const outputs = graph.add(producer.operation, inputs, producer.attributes);
    producer.outputs.forEach((output, i) => copies.set(output, outputs[i]));
    return copies.get(of)!;
  };
  return value;
}
