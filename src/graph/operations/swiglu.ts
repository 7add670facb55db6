// The gated unit silu(gate)·up; see shaders/swiglu.wgsl.

import source from "../../../shaders/swiglu.wgsl" with { type: "text" };
import { assertShape, type Operation, sizeOf } from "../graph.ts";
import { linearDispatch, read, widthOf, write } from "./kernel.ts";

type None = Record<never, never>;

/** (gate, up) of equal shapes to silu(gate)·up. */
export const swiglu: Operation<None> = {
  name: "swiglu",
  infer([gate, up]) {
    assertShape(up, gate.shape, "swiglu");
    return [{ name: "swiglu", shape: gate.shape, dtype: gate.dtype }];
  },
  gradient(context) {
    const [dgate, dup] = context.graph.add(
      swigluBackward,
      [context.input(0), context.input(1), context.outputGradient(0)!],
      {},
    );
    if (context.needs(0)) context.contribute(0, dgate);
    if (context.needs(1)) context.contribute(1, dup);
  },
  lower({ inputs: [gate, up], outputs: [y] }) {
    const N = sizeOf(gate);
    const WIDTH = widthOf(N);
    const bindings = [read(gate), read(up), write(y)];
    const values = { N, WIDTH, KERNEL: "forward" };
    return [linearDispatch("swiglu", source, N / WIDTH, bindings, values)];
  },
};

/** (gate, up, dy) to (dgate, dup). */
export const swigluBackward: Operation<None> = {
  name: "swigluBackward",
  infer([gate, up]) {
    return [
      { name: "dgate", shape: gate.shape, dtype: gate.dtype },
      { name: "dup", shape: up.shape, dtype: up.dtype },
    ];
  },
  lower({ inputs: [gate, up, dy], outputs: [dgate, dup] }) {
    const N = sizeOf(gate);
    const WIDTH = widthOf(N);
    const bindings = [read(gate), read(up), read(dy), write(dgate), write(dup)];
    const values = { N, WIDTH, KERNEL: "backward" };
    return [linearDispatch("swigluBackward", source, N / WIDTH, bindings, values)];
  },
};
