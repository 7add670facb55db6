// AdamW and Lion with 8-bit moments as in bitsandbytes: blockwise dynamic codes, and 32 bits for
// small tensors and for embeddings.

import { sizeOf, type Tensor, tensor } from "../../graph/graph.ts";
import { BLOCK, blockwiseUpdate } from "../../graph/operations/blockwise_update.ts";
import { adamw, biasCorrections } from "./adamw.ts";
import { lion } from "./lion.ts";
import type { GroupShape, Optimizer, OptimizerSettings } from "./optimizer.ts";

/** Tensors with fewer elements keep 32-bit moments. */
const smallest = 4096;

export const adamw8bit = (settings: OptimizerSettings) =>
  mixed(adamw(settings), blockwise("adamw", ["exp_avg", "exp_avg_sq"], settings));

export const lion8bit = (settings: OptimizerSettings) =>
  mixed(lion(settings), blockwise("lion", ["exp_avg"], settings));

function mixed(precise: Optimizer, quantized: Optimizer) {
  return (name: string, tensor: Tensor): Optimizer =>
    sizeOf(tensor) < smallest || /embed_tokens|lora_embedding/.test(name) ? precise : quantized;
}

function blockwise(
  rule: "adamw" | "lion",
  moments: string[],
  { beta1, beta2, epsilon }: OptimizerSettings,
): Optimizer {
  const table = tensor("codes of 8-bit moments", [512], "f32", "optimizer");
  return {
    name: `${rule}_8bit`,
    grouping: "flat",
    alignment: 4 * BLOCK,
    tables: [{
      tensor: table,
      values: Float32Array.of(...dynamicCodes(true), ...dynamicCodes(false)),
    }],
    state({ name, size }: GroupShape) {
      const codes = moments.map((moment) => [
        moment,
        tensor(`${name} ${moment}`, [size / 4], "u32", "optimizer"),
      ]);
      const scales = tensor(`${name} scales`, [size / BLOCK, 2], "f32", "optimizer");
      return { ...Object.fromEntries(codes), scales };
    },
    scalars: (n, rate) => rule === "adamw" ? biasCorrections(n, rate, beta1, beta2) : [rate],
    update(graph, { norm, scalars, maxNorm }, group) {
      graph.add(blockwiseUpdate, [norm, scalars], {
        rule,
        maxNorm,
        row: group.row,
        table,
        gradient: group.gradient,
        value: group.value,
        scales: group.state.scales,
        codes: moments.map((moment) => group.state[moment]),
        constants: {
          BETA1: beta1,
          ONE_MINUS_BETA1: 1 - beta1,
          BETA2: beta2,
          ONE_MINUS_BETA2: 1 - beta2,
          EPSILON: epsilon,
          WEIGHT_DECAY: group.weightDecay,
        },
      });
    },
  };
}

/**
 * The 256 values of the dynamic 8-bit type, rising: seven decades, each with twice as many steps as
 * the one below, with 0 and 1, and with the negative ones when `signed`. All zeros is a valid state,
 * since a scale of zero makes every code zero.
 */
export function dynamicCodes(signed: boolean): number[] {
  const codes = [0, 1];
  const f32 = Math.fround; // every operation rounds as it does in PyTorch
  for (let decade = 0; decade < 7; decade++) {
    const steps = 2 ** decade * (signed ? 1 : 2);
    const width = f32(f32(1 - f32(0.1)) / steps);
    // Counted from the nearer end, each with one rounding.
    const boundary = (i: number) =>
      f32(2 * i < steps + 1 ? f32(0.1) + width * i : 1 - width * (steps - i));
    for (let i = 0; i < steps; i++) {
      const mean = f32(f32(boundary(i) + boundary(i + 1)) / 2);
      const code = f32(f32(10 ** (decade - 6)) * mean);
      codes.push(code);
      if (signed) codes.push(-code);
    }
  }
  return codes.sort((a, b) => a - b);
}
