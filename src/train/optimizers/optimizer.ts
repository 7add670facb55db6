// What an optimizer is to the rest of a run: the state it keeps beside the trained values, the few
// numbers that change with each step, and the nodes that update a group.

import type { Graph, Tensor } from "../../graph/graph.ts";
import { tensor } from "../../graph/graph.ts";
import type { Limits } from "../../graph/limits.ts";
import {
  type ElementwiseRule,
  elementwiseUpdate,
  SCALARS_PER_ROW,
} from "../../graph/operations/elementwise_update.ts";
import type { ParameterGroup } from "../parameters.ts";

export { SCALARS_PER_ROW };

/** What the nodes of an update read. */
export interface UpdateInputs {
  /** (global gradient norm, halted) */
  norm: Tensor;
  /** [groups, SCALARS_PER_ROW] */
  scalars: Tensor;
  /** Clip the global norm to this; 0 leaves it alone. */
  maxNorm: number;
  limits: Limits;
}

/** What a group is like before it has state. */
export interface GroupShape {
  name: string;
  /** Elements, with the gaps between members. */
  size: number;
  /** Shape of the only member, where `grouping` is "tensor". */
  shape: readonly number[];
}

export interface Optimizer {
  readonly name: string;
  /** Whether a group is many tensors one after another, or one tensor. */
  readonly grouping: "flat" | "tensor";
  /** Members of a flat group begin at multiples of this many bytes. */
  readonly alignment: number;
  /** The tensors it keeps for a group, by the names that a checkpoint gives them; zero at first. */
  state(group: GroupShape): Record<string, Tensor>;
  /**
   * A group's numbers for its step `n` (from 1) at learning rate `rate`, which comes first; at most
   * SCALARS_PER_ROW. `kept` is what it remembers on the host between steps, empty at first; a
   * checkpoint saves it as it is.
   */
  scalars(n: number, rate: number, kept: number[]): number[];
  /** Adds the nodes of one update, which also clear the group's gradient. */
  update(graph: Graph, inputs: UpdateInputs, group: ParameterGroup): void;
  /** Tables that kernels read, to be written to the device once. */
  readonly tables?: readonly { tensor: Tensor; values: Float32Array<ArrayBuffer> }[];
  /**
   * For an optimizer that trains at other weights than the ones to use: adds the nodes that put
   * the ones in the place of the others.
   */
  exchange?(graph: Graph, inputs: UpdateInputs, group: ParameterGroup, to: Weights): void;
}

/** The weights that are trained at, or those to evaluate and to keep. */
export type Weights = "train" | "use";

/** Keys of the configuration that optimizers share, and arguments of their own (`optim_args`). */
export interface OptimizerSettings {
  beta1: number;
  beta2: number;
  epsilon: number;
  warmupSteps: number;
  args: Record<string, number | boolean>;
}

/** State of the group's size in f32. */
export function flatState(group: GroupShape, ...names: string[]): Record<string, Tensor> {
  return Object.fromEntries(
    names.map((name) => [name, tensor(`${group.name} ${name}`, [group.size], "f32", "optimizer")]),
  );
}

/** An optimizer whose update is one elementwise kernel. */
export function elementwise(settings: {
  name: string;
  rule: ElementwiseRule;
  /** Names of its state, in the order of the kernel. */
  states: string[];
  scalars: Optimizer["scalars"];
  constants: Record<string, number | boolean>;
  /** How weight decay enters: as a gradient (L2), or apart from it. */
  decay: "coupled" | "decoupled";
  exchange?: Optimizer["exchange"];
}): Optimizer {
  const { name, rule, states, scalars, constants, decay, exchange } = settings;
  return {
    name,
    grouping: "flat",
    alignment: 256,
    scalars,
    exchange,
    state: (group) => flatState(group, ...states),
    update(graph, { norm, scalars, maxNorm }, group) {
      graph.add(elementwiseUpdate, [norm, scalars], {
        rule,
        maxNorm,
        row: group.row,
        gradient: group.gradient,
        value: group.value,
        states: states.map((state) => group.state[state]),
        constants: {
          ...constants,
          WEIGHT_DECAY: group.weightDecay,
          COUPLED_DECAY: decay === "coupled" && group.weightDecay > 0,
        },
      });
    },
  };
}
