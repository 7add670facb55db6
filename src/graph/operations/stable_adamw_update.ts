// StableAdamW over one tensor; see shaders/stable_adamw.wgsl.

import source from "../../../shaders/stable_adamw.wgsl" with { type: "text" };
import { type Operation, sizeOf, type Tensor } from "../graph.ts";
import { rowShards } from "../limits.ts";
import { expandWgsl } from "../wgsl.ts";
import { clipValues, type Updated } from "./elementwise_update.ts";
import { linearDispatch, literal, read, write } from "./kernel.ts";

/** Partial sums per binding. */
const parts = 64;

export interface StableAdamW extends Updated {
  first: Tensor;
  second: Tensor;
  epsilon: number;
  weightDecay: number;
  /** Bindings that the tensor takes. */
  pieces: number;
}

/** (norm, scalars) and one tensor: one update of it, which also clears its gradient. */
export const stableAdamwUpdate: Operation<StableAdamW> = {
  name: "stableAdamwUpdate",
  infer(_, { value, gradient, first, second, pieces }) {
    return [
      { name: "surprise", shape: [pieces * parts], role: "workspace" },
      { name: "rate", shape: [1], role: "workspace" },
      ...[value, gradient, first, second].map((into) => ({
        name: into.name,
        shape: into.shape,
        into,
      })),
    ];
  },
  lower({ inputs: [norm, scalars], outputs: [sums, rate], attributes }, limits) {
    const { value, gradient, first, second, epsilon, weightDecay } = attributes;
    const shards = rowShards(sizeOf(value), 4, limits);
    const values = {
      ...clipValues(attributes, scalars),
      P: sizeOf(sums),
      PARTS: parts,
      TOTAL: literal(sizeOf(value)),
      EPSILON: literal(epsilon),
      EPSILON_SQUARED: literal(epsilon ** 2),
      WEIGHT_DECAY: literal(weightDecay),
    };
    const shared = [read(norm), read(scalars)];
    const bound = ({ offset, bytes }: { offset: number; bytes: number }, ...tensors: Tensor[]) =>
      tensors.map((tensor) => write(tensor, offset, bytes));
    return [
      ...shards.map((shard, i) => ({
        label: "stable_adamw moments",
        source: expandWgsl(source, {
          ...values,
          KERNEL: "moments",
          N: shard.rows,
          OFFSET: i * parts,
        }),
        workgroups: [parts, 1, 1] as [number, number, number],
        bindings: [...shared, ...bound(shard, gradient, first, second), write(sums)],
      })),
      {
        label: "stable_adamw rate",
        source: expandWgsl(source, { ...values, KERNEL: "total" }),
        workgroups: [1, 1, 1],
        bindings: [...shared, read(sums), write(rate)],
      },
      ...shards.map((shard) =>
        linearDispatch(
          "stable_adamw",
          source,
          shard.rows,
          [...shared, ...bound(shard, gradient, first, second, value), read(rate)],
          { ...values, KERNEL: "apply", N: shard.rows },
        )
      ),
    ];
  },
};
