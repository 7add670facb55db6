// Adafactor (Shazeer & Stern 2018, arXiv:1804.04235) as the Hugging Face Trainer sets it: the
// learning rate of the schedule, no scaling by the size of a tensor, no first moment.

import { type Tensor, tensor } from "../../graph/graph.ts";
import { adafactorUpdate } from "../../graph/operations/adafactor_update.ts";
import type { Optimizer } from "./optimizer.ts";

export function adafactor(): Optimizer {
  return {
    name: "adafactor",
    grouping: "tensor",
    alignment: 256,
    state({ name, shape }): Record<string, Tensor> {
      const vector = (part: string, size: number) =>
        tensor(`${name} ${part}`, [size], "f32", "optimizer");
      if (shape.length < 2) return { exp_avg_sq: vector("exp_avg_sq", shape[0]) };
      return {
        exp_avg_sq_row: vector("exp_avg_sq_row", shape[0]),
        exp_avg_sq_col: vector("exp_avg_sq_col", shape[1]),
      };
    },
    scalars(n, rate) {
      const kept = n ** -0.8;
      return [rate, 1 - kept, kept];
    },
    update(graph, { norm, scalars, maxNorm, limits }, group) {
      const { shape } = group.members[0].tensor;
      const { exp_avg_sq, exp_avg_sq_row, exp_avg_sq_col } = group.state;
      graph.add(adafactorUpdate, [norm, scalars], {
        maxNorm,
        limits,
        row: group.row,
        gradient: group.gradient,
        value: group.value,
        shape: shape.length < 2 ? [1, shape[0]] : [shape[0], shape[1]],
        rows: exp_avg_sq_row,
        columns: exp_avg_sq_col ?? exp_avg_sq,
        weightDecay: group.weightDecay,
      });
    },
  };
}
