// Column sums into a gradient; see shaders/column_sum.wgsl.

import source from "../../../shaders/column_sum.wgsl" with { type: "text" };
import type { Operation, Tensor } from "../graph.ts";
import { read, write } from "./kernel.ts";
import { expandWgsl } from "../wgsl.ts";

/** Rows per partial sum. */
const chunk = 64;

/** (x [M, C]) added over its rows to the gradient `into` [C]. */
export const columnSum: Operation<{ into: Tensor }> = {
  name: "columnSum",
  infer([x], { into }) {
    const parts = Math.ceil(x.shape[0] / chunk);
    return [
      { name: into.name, shape: into.shape, into },
      { name: "columnParts", shape: [parts, x.shape[1]], role: "workspace" },
    ];
  },
  lower({ inputs: [x], outputs: [sum, parts] }) {
    const [M, C] = x.shape;
    const S = parts.shape[0];
    const columns = Math.ceil(C / 64);
    return [
      {
        label: "columnSum",
        source: expandWgsl(source, { M, C, OUT: S * C, CHUNK: chunk, FINISH: false }),
        workgroups: [columns, S, 1],
        bindings: [read(x), write(parts)],
      },
      {
        label: "columnSum",
        source: expandWgsl(source, { M: S, C, OUT: C, CHUNK: S, FINISH: true }),
        workgroups: [columns, 1, 1],
        bindings: [read(parts), write(sum)],
      },
    ];
  },
};
