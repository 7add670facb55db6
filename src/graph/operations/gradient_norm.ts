// The global norm of all gradients; see shaders/gradient_norm.wgsl.

import source from "../../../shaders/gradient_norm.wgsl" with { type: "text" };
import { type Operation, sizeOf, type Tensor } from "../graph.ts";
import { type Limits, rowShards } from "../limits.ts";
import { stepValues } from "../step_scalars.ts";
import { expandWgsl } from "../wgsl.ts";
import { literal, read, write } from "./kernel.ts";

/** Partial sums per binding of a gradient group. */
const parts = 64;

interface GradientNorm {
  statistics: Tensor;
  /** Bindings that the gradients take; see `gradientPieces`. */
  pieces: number;
  /** The gradients are scaled; see src/graph/loss_scaler.ts. */
  scaling?: { scaler: Tensor; interval: number };
}

/**
 * (step, gradients...) to ((norm, halted) [2], partial sums); also into the statistics. With
 * `scaling` there is a third number, which takes the scale out of the gradients.
 */
export const gradientNorm: Operation<GradientNorm> = {
  name: "gradientNorm",
  infer(_, { statistics, pieces, scaling }) {
    return [
      { name: "gradientNorm", shape: [scaling ? 3 : 2] },
      { name: "squares", shape: [pieces * parts], role: "workspace" },
      { name: statistics.name, shape: statistics.shape, into: statistics },
    ];
  },
  lower({ inputs: [step, ...gradients], outputs, attributes: { scaling } }, limits) {
    const [norm, squares, statistics] = outputs;
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
      source: expandWgsl(source, {
        ...stepValues,
        KERNEL: "norm",
        P,
        SCALED: scaling !== undefined,
        INTERVAL: scaling?.interval ?? 0,
        LARGEST: literal(2 ** 126),
      }),
      workgroups: [1, 1, 1],
      bindings: [
        read(squares),
        read(step),
        write(statistics),
        write(norm),
        ...(scaling ? [write(scaling.scaler)] : []),
      ],
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
