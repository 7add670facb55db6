// Noise on embeddings while training; see shaders/neftune.wgsl.

import philox from "../../../shaders/philox.wgsl" with { type: "text" };
import source from "../../../shaders/neftune.wgsl" with { type: "text" };
import { type Operation, sizeOf } from "../graph.ts";
import { stepValues } from "../step_scalars.ts";
import { linearDispatch, literal, read, write } from "./kernel.ts";

/** (x [M, C], step) to x with uniform noise of at most `size`. */
export const neftune: Operation<{ size: number }> = {
  name: "neftune",
  infer([x]) {
    return [{ name: "noised", shape: x.shape }];
  },
  gradient(context) {
    context.contribute(0, context.outputGradient(0)!);
  },
  lower({ inputs: [x, step], outputs: [y], attributes: { size } }) {
    const N = sizeOf(x);
    const values = { ...stepValues, N, SIZE: literal(size), TWO_STEP: literal(2 ** -23) };
    const bindings = [read(x), read(step), write(y)];
    return [linearDispatch("neftune", philox + source, Math.ceil(N / 4), bindings, values)];
  },
};
