// Elementwise sum; see shaders/add.wgsl.

import source from "../../../shaders/add.wgsl" with { type: "text" };
import { assertShape, type Operation, sizeOf } from "../graph.ts";
import { common } from "../half.ts";
import { linearDispatch, read, widthOf, write } from "./kernel.ts";

/** (a, b) of equal shapes to a + b. */
export const add: Operation<Record<never, never>> = {
  name: "add",
  infer([a, b]) {
    assertShape(b, a.shape, "add");
    return [{ name: `${a.name}+`, shape: a.shape, dtype: common(a.dtype, b.dtype) }];
  },
  gradient(context) {
    const gradient = context.outputGradient(0)!;
    if (context.needs(0)) context.contribute(0, gradient);
    if (context.needs(1)) context.contribute(1, gradient);
  },
  lower({ inputs: [a, b], outputs: [c] }) {
    const N = sizeOf(a);
    const WIDTH = widthOf(N);
    return [linearDispatch("add", source, N / WIDTH, [read(a), read(b), write(c)], { N, WIDTH })];
  },
};
