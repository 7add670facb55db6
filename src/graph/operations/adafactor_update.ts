// Adafactor over one tensor; see shaders/adafactor.wgsl.

import source from "../../../shaders/adafactor.wgsl" with { type: "text" };
import { type Dispatch, type Operation, sizeOf, type Tensor } from "../graph.ts";
import { type Limits, rowShards } from "../limits.ts";
import { expandWgsl } from "../wgsl.ts";
import { clipValues, type Updated } from "./elementwise_update.ts";
import { grid, literal, read, write } from "./kernel.ts";

/** Partial sums of squares per binding. */
const parts = 64;
/** Rows to a partial sum of a column. */
const chunk = 64;

export interface Adafactor extends Updated {
  /** [R, C]; a vector is one row. */
  shape: readonly [rows: number, columns: number];
  /** Row and column moments, [R] and [C]; of a vector only the second. */
  rows: Tensor | undefined;
  columns: Tensor;
  weightDecay: number;
  limits: Limits;
}

/** (norm, scalars) and one tensor: one update of it, which also clears its gradient. */
export const adafactorUpdate: Operation<Adafactor> = {
  name: "adafactorUpdate",
  infer(_, { value, gradient, rows, columns, shape: [R, C], limits }) {
    const shards = rowShards(R, 4 * C, limits, 4);
    const chunks = shards.reduce((sum, shard) => sum + Math.ceil(shard.rows / chunk), 0);
    const lasting = [value, gradient, columns, ...(rows ? [rows] : [])];
    return [
      { name: "sums", shape: [Math.max(chunks * C, shards.length * parts)], role: "workspace" },
      { name: "found", shape: [2], role: "workspace" },
      { name: "no rows", shape: [1], role: "workspace" },
      ...lasting.map((into) => ({ name: into.name, shape: into.shape, into })),
    ];
  },
  lower({ inputs: [norm, scalars], outputs: [sums, found, none], attributes }, limits) {
    const { value, gradient, rows, columns, shape: [R, C], weightDecay } = attributes;
    const shards = rowShards(R, 4 * C, limits, 4);
    let chunks = 0;
    const at = shards.map((shard) => {
      const first = chunks;
      chunks += Math.ceil(shard.rows / chunk);
      return first;
    });
    const kernel = (
      name: string,
      shard: typeof shards[number],
      workgroups: [number, number, number],
      values: Record<string, number> = {},
      wholeRows = false,
    ): Dispatch => ({
      label: `adafactor ${name}`,
      source: expandWgsl(source, {
        ...clipValues(attributes, scalars),
        KERNEL: name,
        VECTOR: rows === undefined,
        R,
        C,
        ROWS: shard.rows,
        RBOUND: rows ? (wholeRows ? R : shard.rows) : 1,
        P: sizeOf(sums),
        PARTS: parts,
        CHUNK: chunk,
        CHUNKS: chunks,
        COUNT: shards.length * parts,
        GROUPS_X: workgroups[0],
        WEIGHT_DECAY: literal(weightDecay),
        ...values,
      }),
      workgroups,
      bindings: [
        read(norm),
        read(scalars),
        write(gradient, shard.offset, shard.bytes),
        rows ? wholeRows ? write(rows) : write(rows, shard.row * 4, shard.rows * 4) : write(none),
        write(columns),
        write(sums),
        write(found),
        write(value, shard.offset, shard.bytes),
      ],
    });
    const [one] = shards;
    const perColumn = Math.ceil(C / 64);
    const moments = rows
      ? [
        ...shards.map((shard) => kernel("rows", shard, grid(shard.rows))),
        ...shards.map((shard, i) =>
          kernel("columns", shard, [perColumn, Math.ceil(shard.rows / chunk), 1], { OFFSET: at[i] })
        ),
        kernel("finish", one, [perColumn, 1, 1]),
        kernel("mean", one, [1, 1, 1], {}, true),
        ...shards.map((shard, i) => kernel("squares", shard, [parts, 1, 1], { OFFSET: i * parts })),
      ]
      : [kernel("vector", one, [parts, 1, 1], { OFFSET: 0 })];
    return [
      ...moments,
      kernel("total", one, [1, 1, 1]),
      ...shards.map((shard) => kernel("apply", shard, grid(Math.ceil(shard.rows * C / 64)))),
    ];
  },
};
