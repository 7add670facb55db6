// The global norm of all gradients; see shaders/gradient_norm.wgsl.

import source from "../../../shaders/gradient_norm.wgsl" with { type: "text" };
import { type Operation, sizeOf, type Tensor } from "../graph.ts";
import { type Limits, rowShards } from "../limits.ts";
import { stepValues } from "../step_scalars.ts";
import { expandWgsl } from "../wgsl.ts";
import { read, write } from "./kernel.ts";

/** Partial sums per binding of a gradient group. */
const parts = 64;

/** (step, gradients...) to ((norm, halted) [2], partial sums); also into the statistics. */
export const gradientNorm: Operation<{ statistics: Tensor; pieces: number }> = {
  name: "gradientNorm",
  infer(_, { statistics, pieces }) {
    return [
      { name: "gradientNorm", shape: [2] },
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

/** Bindings that the gradients take: the `pieces` of `gradientNorm`. */
export function gradientPieces(gradients: readonly Tensor[], limits: Limits): number {
  return gradients.reduce(
    (sum, gradient) => sum + rowShards(sizeOf(gradient), 4, limits).length,
    0,
  );
}
