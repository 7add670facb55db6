// Clearing rows of a gradient; see shaders/clear_rows.wgsl.

import source from "../../../shaders/clear_rows.wgsl" with { type: "text" };
import { type Operation, sizeOf, type Tensor } from "../graph.ts";
import { rowShards } from "../limits.ts";
import { linearDispatch, write } from "./kernel.ts";

/** A range of rows, the end not included. */
export type Rows = readonly [start: number, end: number];

/** Clears these rows of `into` [R, ...]. */
export const clearRows: Operation<{ into: Tensor; ranges: readonly Rows[] }> = {
  name: "clearRows",
  infer(_, { into }) {
    return [{ name: into.name, shape: into.shape, into }];
  },
  lower({ outputs: [gradient], attributes: { ranges } }, limits) {
    const rows = gradient.shape[0];
    const width = sizeOf(gradient) / rows;
    return rowShards(rows, 4 * width, limits).flatMap((shard) =>
      ranges.flatMap(([from, to]) => {
        const start = Math.max(0, from - shard.row) * width;
        const end = Math.min(shard.rows, to - shard.row) * width;
        if (start >= end) return [];
        const values = { N: shard.rows * width, START: start, END: end };
        const bindings = [write(gradient, shard.offset, shard.bytes)];
        return [linearDispatch("clearRows", source, end - start, bindings, values)];
      })
    );
  },
};
