// Optimizers that update one element at a time, over flat groups; see
// shaders/elementwise_update.wgsl.

import source from "../../../shaders/elementwise_update.wgsl" with { type: "text" };
import { type Operation, sizeOf, type Tensor } from "../graph.ts";
import { rowShards } from "../limits.ts";
import { linearDispatch, literal, read, widthOf, write } from "./kernel.ts";

export type ElementwiseRule =
  | "adamw"
  | "lion"
  | "sgd"
  | "adagrad"
  | "rmsprop"
  | "adopt"
  | "schedule_free"
  | "exchange";

/** What all update operations know of their group. */
export interface Updated {
  /** Gradient and value, flat and of equal size. */
  gradient: Tensor;
  value: Tensor;
  /** The group's row of the scalars. */
  row: number;
  /** Clip the global norm to this; 0 leaves it alone. */
  maxNorm: number;
}

export interface Elementwise extends Updated {
  rule: ElementwiseRule;
  /** State of the same size as the value, in the rule's order. */
  states: Tensor[];
  /** Constants of the rule: numbers become f32 literals. */
  constants: Record<string, number | boolean>;
}

/** (norm, scalars) and a flat group: one update of the group, which also clears its gradient. */
export const elementwiseUpdate: Operation<Elementwise> = {
  name: "elementwiseUpdate",
  infer(_, { value, gradient, states }) {
    return [value, gradient, ...states].map((into) => ({
      name: into.name,
      shape: into.shape,
      into,
    }));
  },
  lower({ inputs: [norm, scalars], attributes }, limits) {
    const { rule, value, gradient, states, constants } = attributes;
    const values = Object.fromEntries(
      Object.entries(constants).map(([name, constant]) => [
        name,
        typeof constant === "number" ? literal(constant) : constant,
      ]),
    );
    return rowShards(sizeOf(value), 4, limits).map((shard) => {
      const N = shard.rows;
      const WIDTH = widthOf(N);
      const bindings = [
        read(norm),
        read(scalars),
        ...[gradient, value, ...states].map((tensor) => write(tensor, shard.offset, shard.bytes)),
      ];
      return linearDispatch(rule, source, N / WIDTH, bindings, {
        ...clipValues(attributes, scalars),
        ...values,
        COUPLED_DECAY: constants.COUPLED_DECAY ?? false,
        TO_USE: constants.TO_USE ?? false,
        RULE: rule,
        STATES: states.length,
        N,
        WIDTH,
      });
    });
  },
};

/** Words of a row of the scalars. */
export const SCALARS_PER_ROW = 8;

/** Template values for the row of scalars and the clipping, the same in every update kernel. */
export function clipValues({ row, maxNorm }: Updated, scalars: Tensor) {
  return {
    SCALARS: sizeOf(scalars),
    FIRST: row * SCALARS_PER_ROW,
    CLIP: maxNorm > 0,
    MAX_NORM: literal(maxNorm),
  };
}
