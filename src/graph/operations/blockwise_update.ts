// Optimizers with 8-bit moments, over flat groups; see shaders/blockwise_update.wgsl.

import EXACT from "../../../shaders/exact_division.wgsl" with { type: "text" };
import source from "../../../shaders/blockwise_update.wgsl" with { type: "text" };
import { type Operation, sizeOf, type Tensor } from "../graph.ts";
import { rowShards } from "../limits.ts";
import { expandWgsl } from "../wgsl.ts";
import { clipValues, type Updated } from "./elementwise_update.ts";
import { grid, literal, read, write } from "./kernel.ts";

/** Elements that share a scale. */
export const BLOCK = 256;

export interface Blockwise extends Updated {
  rule: "adamw" | "lion";
  /** The codes' values: 256 for the first moment, 256 for the second. */
  table: Tensor;
  /** [N / BLOCK, 2] */
  scales: Tensor;
  /** Codes of one or two moments, u32 [N / 4]. */
  codes: Tensor[];
  constants: Record<string, number>;
}

/** (norm, scalars) and a flat group: one update of the group, which also clears its gradient. */
export const blockwiseUpdate: Operation<Blockwise> = {
  name: "blockwiseUpdate",
  infer(_, { value, gradient, scales, codes }) {
    return [value, gradient, scales, ...codes].map((into) => ({
      name: into.name,
      shape: into.shape,
      into,
    }));
  },
  lower({ inputs: [norm, scalars], attributes }, limits) {
    const { rule, value, gradient, table, scales, codes, constants } = attributes;
    const values = Object.entries(constants).map(([name, number]) => [name, literal(number)]);
    return rowShards(sizeOf(value) / BLOCK, 4 * BLOCK, limits, 8).map((shard) => {
      const workgroups = grid(shard.rows);
      return {
        label: `${rule} 8-bit`,
        source: expandWgsl(source, {
          ...clipValues(attributes, scalars),
          ...Object.fromEntries(values),
          RULE: rule,
          EXACT,
          N: shard.rows * BLOCK,
          GROUPS_X: workgroups[0],
        }),
        workgroups,
        bindings: [
          read(norm),
          read(scalars),
          read(table),
          write(gradient, shard.offset, shard.bytes),
          write(value, shard.offset, shard.bytes),
          write(scales, shard.row * 8, shard.rows * 8),
          ...codes.map((code) => write(code, shard.row * BLOCK, shard.rows * BLOCK)),
        ],
      };
    });
  },
};
