// Root mean square normalisation; see shaders/rms_norm.wgsl.

import source from "../../../shaders/rms_norm.wgsl" with { type: "text" };
import { assertShape, type DType, type Operation } from "../graph.ts";
import { columnSum } from "./column_sum.ts";
import { literal, read, rowDispatch, widthOf, write } from "./kernel.ts";

interface RmsNorm {
  epsilon: number;
  /** How y is stored; f32 when absent. The layers that read it store as it is stored. */
  dtype?: DType;
}

/** (x [M, C], weight [C]) to (y [M, C], rstd [M]). */
export const rmsNorm: Operation<RmsNorm> = {
  name: "rmsNorm",
  infer([x, weight], { dtype }) {
    assertShape(weight, [x.shape[1]], "rmsNorm");
    return [{ name: "norm", shape: x.shape, dtype }, { name: "rstd", shape: [x.shape[0]] }];
  },
  gradient(context) {
    const x = context.input(0);
    const rstd = context.output(1);
    const dy = context.outputGradient(0)!;
    const into = context.destination(1);
    if (into) {
      const products = context.graph.call(rmsNormProducts, [x, rstd, dy], {});
      context.graph.add(columnSum, [products], { into });
    }
    if (context.needs(0)) {
      const partial = context.partial(0);
      const inputs = [x, context.input(1), rstd, dy, ...(partial ? [partial] : [])];
      context.contribute(0, context.graph.call(rmsNormBackward, inputs, {}), true);
    }
  },
  lower({ inputs: [x, weight], outputs: [y, rstd], attributes: { epsilon } }, limits) {
    const [M, C] = x.shape;
    const values = { M, C, WIDTH: widthOf(C), EPS: literal(epsilon), KERNEL: "forward" };
    const bindings = [read(x), read(weight), write(y), write(rstd)];
    return [rowDispatch("rmsNorm", source, M, limits, bindings, values)];
  },
};

/** (x, weight, rstd, dy [, partial]) to dx, with `partial` added in. */
export const rmsNormBackward: Operation<Record<never, never>> = {
  name: "rmsNormBackward",
  infer([x]) {
    return [{ name: "dnorm", shape: x.shape }];
  },
  lower({ inputs: [x, weight, rstd, dy, partial], outputs: [dx] }, limits) {
    const [M, C] = x.shape;
    const values = { M, C, WIDTH: widthOf(C), KERNEL: "backward", ADD: partial !== undefined };
    const bindings = [x, weight, rstd, dy, ...(partial ? [partial] : [])].map((t) => read(t));
    return [rowDispatch("rmsNormBackward", source, M, limits, [...bindings, write(dx)], values)];
  },
};

/** (x, rstd, dy) to dy·x·rstd, whose column sums are the weight's gradient. */
const rmsNormProducts: Operation<Record<never, never>> = {
  name: "rmsNormProducts",
  infer([x]) {
    return [{ name: "normProducts", shape: x.shape }];
  },
  lower({ inputs: [x, rstd, dy], outputs: [products] }, limits) {
    const [M, C] = x.shape;
    const values = { M, C, WIDTH: widthOf(C), KERNEL: "weight" };
    const bindings = [read(x), read(rstd), read(dy), write(products)];
    return [rowDispatch("rmsNormWeight", source, M, limits, bindings, values)];
  },
};
