// Inverted dropout with masks drawn from a counter; see shaders/dropout.wgsl.

import philox from "../../../shaders/philox.wgsl" with { type: "text" };
import source from "../../../shaders/dropout.wgsl" with { type: "text" };
import { type Operation, sizeOf } from "../graph.ts";
import { stepValues } from "../step_scalars.ts";
import { linearDispatch, literal, read, write } from "./kernel.ts";

interface Dropout {
  /** Probability of dropping an element, 0 <= p < 1. */
  probability: number;
  /** Distinguishes the dropouts of one graph. */
  salt: number;
}

/** (x, step) to x with elements dropped and the rest scaled by 1 / (1 − p). */
export const dropout: Operation<Dropout> = {
  name: "dropout",
  infer([x]) {
    return [{ name: "dropped", shape: x.shape, dtype: x.dtype }];
  },
  gradient(context) {
    const inputs = [context.outputGradient(0)!, context.input(1)];
    context.contribute(0, context.graph.call(dropout, inputs, context.attributes));
  },
  lower({ inputs: [x, step], outputs: [y], attributes: { probability, salt } }) {
    const N = sizeOf(x);
    const values = {
      ...stepValues,
      N,
      SALT: salt,
      SCALE: literal(1 / (1 - probability)),
      THRESHOLD: Math.round(probability * 2 ** 32),
    };
    const bindings = [read(x), read(step), write(y)];
    return [linearDispatch("dropout", philox + source, Math.ceil(N / 4), bindings, values)];
  },
};
