// Trained rows of an otherwise frozen embedding or output head; see shaders/token_rows.wgsl.

import source from "../../../shaders/token_rows.wgsl" with { type: "text" };
import type { Dispatch, Operation, Tensor } from "../graph.ts";
import { linearDispatch, read, write } from "./kernel.ts";

interface Sorted {
  /** As for `embedding`. */
  sorted: { order: Tensor; runs: Tensor };
}

/** (x [M, C], rows [n, C], tokens [M], slots [V]) to x, with the rows of tokens that have one. */
export const replaceRows: Operation<Sorted> = {
  name: "replaceRows",
  infer([x]) {
    return [{ name: "embedded", shape: x.shape, inPlace: 0 }];
  },
  gradient(context) {
    const { order, runs } = context.attributes.sorted;
    const dx = context.outputGradient(0)!;
    const [tokens, slots] = [context.input(2), context.input(3)];
    const into = context.destination(1);
    if (into) {
      context.graph.add(replaceRowsBackward, [tokens, slots, order, runs, dx], { into });
    }
    if (context.needs(0)) {
      context.contribute(0, context.graph.call(maskRows, [dx, tokens, slots], { rows: into! }));
    }
  },
  lower({ inputs: [x, rows, tokens, slots], outputs: [y] }) {
    const [M, C] = x.shape;
    const values = { KERNEL: "replace", M, C, R: rows.shape[0], V: slots.shape[0] };
    const bindings = [read(rows), read(tokens), read(slots), write(y)];
    return [linearDispatch("replaceRows", source, M * C, bindings, values)];
  },
};

/** (dx [M, C], tokens, slots) to dx without the positions that got a row of their own. */
const maskRows: Operation<{ rows: Tensor }> = {
  name: "maskRows",
  infer([dx]) {
    return [{ name: "dembedded", shape: dx.shape }];
  },
  lower({ inputs: [dx, tokens, slots], outputs: [dy], attributes: { rows } }) {
    const [M, C] = dx.shape;
    const values = { KERNEL: "mask", M, C, R: rows.shape[0], V: slots.shape[0] };
    const bindings = [read(dx), read(tokens), read(slots), write(dy)];
    return [linearDispatch("maskRows", source, M * C, bindings, values)];
  },
};

/** (tokens, slots, order, runs, dx) added to the rows' gradient `into`. */
const replaceRowsBackward: Operation<{ into: Tensor }> = {
  name: "replaceRowsBackward",
  infer(_, { into }) {
    return [{ name: into.name, shape: into.shape, into }];
  },
  lower({ inputs: [tokens, slots, order, runs, dx], outputs: [drows] }) {
    const [M, C] = dx.shape;
    const values = { KERNEL: "gradient", M, C, R: drows.shape[0], V: slots.shape[0] };
    const bindings = [tokens, slots, order, runs, dx].map((tensor) => read(tensor));
    bindings.push(write(drows));
    return [linearDispatch("replaceRowsBackward", source, M * C, bindings, values)];
  },
};

/** Columns `index` [R] of the first M rows of z [>= M, V] become `part` [>= M, R]. */
export function scatterColumns(M: number, part: Tensor, index: Tensor, z: Tensor): Dispatch {
  const [R, V] = [index.shape[0], z.shape[1]];
  const values = { KERNEL: "scatter", M, R, V, C: 0 };
  const bindings = [read(part, 0, M * R * 4), read(index), write(z, 0, M * V * 4)];
  return linearDispatch("scatterColumns", source, M * R, bindings, values);
}

/** The reverse, which leaves zeros in the columns. */
export function gatherColumns(M: number, index: Tensor, z: Tensor, part: Tensor): Dispatch {
  const [R, V] = [index.shape[0], z.shape[1]];
  const values = { KERNEL: "gather", M, R, V, C: 0 };
  const bindings = [read(index), write(z, 0, M * V * 4), write(part, 0, M * R * 4)];
  return linearDispatch("gatherColumns", source, M * R, bindings, values);
}
