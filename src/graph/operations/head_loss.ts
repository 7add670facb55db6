// The output head and the cross-entropy loss as one operation, in chunks of rows, so that the logits
// of a whole batch never exist. The gradients are made in the same pass, as nothing follows a loss.

import lossSource from "../../../shaders/loss_sum.wgsl" with { type: "text" };
import source from "../../../shaders/cross_entropy.wgsl" with { type: "text" };
import { assert, EftError } from "../../errors.ts";
import type { Dispatch, Operation, Tensor } from "../graph.ts";
import type { Limits } from "../limits.ts";
import { stepValues } from "../step_scalars.ts";
import { expandWgsl } from "../wgsl.ts";
import { read, rowDispatch, widthOf, write } from "./kernel.ts";
import { inputGradient, linearDispatches, weightGradient } from "./matmul.ts";
import { gatherColumns, scatterColumns } from "./token_rows.ts";

interface HeadLoss {
  /** Rows whose logits exist at once; see `chunkRows`. */
  chunk: number;
  /** Make the gradients of the hidden states and, when it is trained, of the head. */
  backward: boolean;
  /** Two more inputs: narrow [M, R] and up [V, R]; the logits are hidden·headᵀ + narrow·upᵀ. */
  lowRank?: boolean;
  /** Two more inputs: rows [n, C] and their tokens [n], which take the place of rows of the head. */
  rows?: boolean;
  /** What the gradients are multiplied with; see src/graph/loss_scaler.ts. */
  scaler?: Tensor;
}

/** Bytes of logits that a chunk may take, where the width of the vocabulary allows. */
const chunkBytes = 32 * 2 ** 20;

/**
 * llvmpipe ends the loops of a thread after 65535 iterations in all, without a word
 * (LP_MAX_TGSI_LOOP_ITERATIONS, gallivm/lp_bld_limits.h in Mesa). A thread goes three times through the
 * logits of its row, so the rows of a large vocabulary are shared by threads there as well.
 */
const loopIterations = 65535;

/**
 * Rows per chunk for M rows of V logits and hidden states of width C (and, with a low-rank addition,
 * of width `rank`).
 */
export function chunkRows(M: number, V: number, C: number, limits: Limits, rank = 0): number {
  // A chunk's hidden states are bound by byte range, which must start at an aligned offset.
  const aligned = (width: number) => width * 4 % limits.offsetAlignment === 0;
  let step = 1;
  while (!aligned(step * C) || !aligned(step * rank)) step++;
  const bytes = Math.min(chunkBytes, limits.maxBinding);
  const rows = Math.min(M, Math.max(step, Math.floor(bytes / (V * 4) / step) * step));
  if (rows * V * 4 > limits.maxBinding) {
    throw new EftError(
      "device",
      `Logits of ${rows} tokens over ${V} words are more than this device binds at once.`,
    );
  }
  return rows;
}

/**
 * (hidden [M, C], head [V, C], targets [M] i32, step, and what `lowRank` or `rows` ask for) to
 * (loss [M], hidden gradient [M, C], and with `lowRank` the gradient of narrow [M, R]).
 */
export const headLoss: Operation<HeadLoss> = {
  name: "headLoss",
  startsGradient: true,
  infer([hidden, head, targets, , extra], { chunk, backward, lowRank, rows }) {
    const [M, C] = hidden.shape;
    assert(head.shape[1] === C && targets.shape[0] === M, "headLoss: shapes");
    const V = head.shape[0];
    return [
      { name: "loss", shape: [M] },
      { name: "logits", shape: [chunk, V], role: "workspace" },
      ...(backward ? [{ name: "dhidden", shape: [M, C] }] : []),
      ...(backward && lowRank ? [{ name: "dnarrow", shape: extra.shape }] : []),
      ...(rows
        ? [{ name: "part", shape: [chunk, extra.shape[0]], role: "workspace" } as const]
        : []),
    ];
  },
  gradient(context) {
    if (context.needs(0)) context.contribute(0, context.output(2));
    if (context.attributes.lowRank) context.contribute(4, context.output(3));
  },
  lower({ inputs, outputs, attributes: { chunk, backward, scaler, ...extra } }, limits) {
    const [hidden, head, targets, step] = inputs;
    const [loss, logits, dhidden] = outputs;
    const [narrow, up] = extra.lowRank ? inputs.slice(4) : [];
    const [rowWeights, index] = extra.rows ? inputs.slice(4) : [];
    const part = outputs[outputs.length - 1];
    const M = hidden.shape[0];
    const V = head.shape[0];
    const width = widthOf(V);
    const sharing = 3 * V / width > loopIterations ? { ...limits, software: false } : limits;
    const dispatches: Dispatch[] = [];
    for (let first = 0; first < M; first += chunk) {
      const count = Math.min(chunk, M - first);
      const rows = { first, count };
      const here = { first: 0, count };
      dispatches.push(...linearDispatches(hidden, head, logits, limits, { rows }));
      if (narrow) {
        const options = { rows, accumulate: true };
        dispatches.push(...linearDispatches(narrow, up, logits, limits, options));
      }
      if (index) {
        dispatches.push(...linearDispatches(hidden, rowWeights, part, limits, { rows }));
        dispatches.push(scatterColumns(count, part, index, logits));
      }
      const bindings = [read(targets), read(step), write(logits, 0, count * V * 4), write(loss)];
      if (backward && scaler) bindings.push(read(scaler));
      dispatches.push(rowDispatch("crossEntropy", source, count, sharing, bindings, {
        ...stepValues,
        M,
        R: count,
        V,
        WIDTH: width,
        FIRST: first,
        BACKWARD: backward,
        SCALED: backward && scaler !== undefined,
      }));
      if (!backward) continue;
      if (index) dispatches.push(gatherColumns(count, index, logits, part));
      dispatches.push(...inputGradient(logits, head, dhidden, limits, { rows }));
      const both = { rows: here, rightRows: rows };
      if (head.gradient) {
        dispatches.push(...weightGradient(logits, hidden, head.gradient, limits, both));
      }
      if (narrow) {
        dispatches.push(...inputGradient(logits, up, outputs[3], limits, { rows }));
        if (up.gradient) {
          dispatches.push(...weightGradient(logits, narrow, up.gradient, limits, both));
        }
      }
      if (index) {
        const options = { rows, accumulate: true };
        dispatches.push(...inputGradient(part, rowWeights, dhidden, limits, options));
        if (rowWeights.gradient) {
          dispatches.push(...weightGradient(part, hidden, rowWeights.gradient, limits, both));
        }
      }
    }
    return dispatches;
  },
};

/** (logits [M, V], hidden [M, C], rows [n, C], tokens [n]) to the logits with those of the rows. */
export const headLogits: Operation<Record<never, never>> = {
  name: "headLogits",
  infer([logits, , rows]) {
    const part = [logits.shape[0], rows.shape[0]];
    return [
      { name: "logits", shape: logits.shape, inPlace: 0 },
      { name: "part", shape: part, role: "workspace" },
    ];
  },
  lower({ inputs: [, hidden, rows, index], outputs: [logits, part] }, limits) {
    return [
      ...linearDispatches(hidden, rows, part, limits),
      scatterColumns(logits.shape[0], part, index, logits),
    ];
  },
};

/** (loss [M], step) summed into the statistics of the step. */
export const lossSum: Operation<{ into: Tensor }> = {
  name: "lossSum",
  infer(_, { into }) {
    return [{ name: into.name, shape: into.shape, into }];
  },
  lower({ inputs: [loss, step], outputs: [statistics] }) {
    return [{
      label: "lossSum",
      source: expandWgsl(lossSource, { ...stepValues, M: loss.shape[0] }),
      workgroups: [1, 1, 1],
      bindings: [read(loss), read(step), write(statistics)],
    }];
  },
};
