// The optimizer's part of the graph: global gradient norm, clipping and AdamW over flat groups of
// trained tensors; see shaders/optimizer.wgsl.

import source from "../../../shaders/optimizer.wgsl" with { type: "text" };
import { type Operation, sizeOf, type Tensor } from "../graph.ts";
import { rowShards } from "../limits.ts";
import { stepValues } from "../step_scalars.ts";
import { expandWgsl } from "../wgsl.ts";
import { linearDispatch, literal, read, widthOf, write } from "./kernel.ts";

/** Partial sums per binding of a gradient group. */
const parts = 64;

/** (step, gradients...) to (norm [1], partial sums); the norm also goes into the statistics. */
export const gradientNorm: Operation<{ statistics: Tensor; pieces: number }> = {
  name: "gradientNorm",
  infer(_, { statistics, pieces }) {
    return [
      { name: "gradientNorm", shape: [1] },
      { name: "squares", shape: [pieces * parts], role: "workspace" },
      { name: statistics.name, shape: statistics.shape, into: statistics },
    ];
  },
  lower({ inputs: [step, ...gradients], outputs: [norm, squares, statistics] }, limits) {
    const P = sizeOf(squares);
    let piece = 0;
    const sums = gradients.flatMap((gradient) =>
      rowShards(sizeOf(gradient), 4, limits).map((shard) => ({
        label: "gradientSquares",
        source: expandWgsl(source, {
          KERNEL: "squares",
          N: shard.rows,
          P,
          PARTS: parts,
          OFFSET: parts * piece++,
        }),
        workgroups: [parts, 1, 1] as [number, number, number],
        bindings: [read(gradient, shard.offset, shard.bytes), write(squares)],
      }))
    );
    return [...sums, {
      label: "gradientNorm",
      source: expandWgsl(source, { ...stepValues, KERNEL: "norm", P }),
      workgroups: [1, 1, 1],
      bindings: [read(squares), read(step), write(statistics), write(norm)],
    }];
  },
};

export interface AdamW {
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
  /** Clip the global norm to this; 0 leaves it alone. */
  maxNorm: number;
  /** The tensors that change: gradient, value, first and second moment, flat and of equal size. */
  group: { gradient: Tensor; value: Tensor; first: Tensor; second: Tensor };
}

/** (norm, step) and a flat group: one update of the group, which also clears its gradient. */
export const adamw: Operation<AdamW> = {
  name: "adamw",
  infer(_, { group }) {
    return [group.value, group.gradient, group.first, group.second].map((into) => ({
      name: into.name,
      shape: into.shape,
      into,
    }));
  },
  lower({ inputs: [norm, step], attributes }, limits) {
    const { group, beta1, beta2, epsilon, weightDecay, maxNorm } = attributes;
    return rowShards(sizeOf(group.value), 4, limits).map((shard) => {
      const N = shard.rows;
      const WIDTH = widthOf(N);
      const bindings = [
        read(norm),
        read(step),
        ...[group.gradient, group.value, group.first, group.second].map((tensor) =>
          write(tensor, shard.offset, shard.bytes)
        ),
      ];
      return linearDispatch("adamw", source, N / WIDTH, bindings, {
        ...stepValues,
        KERNEL: "adamw",
        N,
        WIDTH,
        BETA1: literal(beta1),
        ONE_MINUS_BETA1: literal(1 - beta1),
        BETA2: literal(beta2),
        ONE_MINUS_BETA2: literal(1 - beta2),
        EPSILON: literal(epsilon),
        WEIGHT_DECAY: literal(weightDecay),
        CLIP: maxNorm > 0,
        MAX_NORM: literal(maxNorm),
      });
    });
  },
};
