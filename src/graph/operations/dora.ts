// DoRA's two operations beside the linear ones; see shaders/dora.wgsl.

import source from "../../../shaders/dora.wgsl" with { type: "text" };
import { assertShape, type Operation, sizeOf } from "../graph.ts";
import { columnSum } from "./column_sum.ts";
import { linearDispatch, literal, read, widthOf, write } from "./kernel.ts";

/** (squares [N], cross [R, N], gram [R, R], up [N, R]) to the lengths of the rows, [N]; constant. */
export const rowNorm: Operation<{ scale: number }> = {
  name: "rowNorm",
  infer([squares, cross, gram, up]) {
    const [N, R] = up.shape;
    assertShape(squares, [N], "rowNorm");
    assertShape(cross, [R, N], "rowNorm");
    assertShape(gram, [R, R], "rowNorm");
    return [{ name: "rowNorm", shape: [N] }];
  },
  lower({ inputs: [squares, cross, gram, up], outputs: [norm], attributes: { scale } }) {
    const [N, R] = up.shape;
    const bindings = [read(squares), read(cross), read(gram), read(up), write(norm)];
    const values = { KERNEL: "norm", N, R, SCALE: literal(scale) };
    return [linearDispatch("rowNorm", source, N, bindings, values)];
  },
};

/** (x [M, N], magnitude [N], norm [N] [, bias [N]]) to x·magnitude / norm [+ bias]. */
export const columnScale: Operation<{ bias: boolean }> = {
  name: "columnScale",
  infer([x, magnitude, norm]) {
    assertShape(magnitude, [x.shape[1]], "columnScale");
    assertShape(norm, [x.shape[1]], "columnScale");
    return [{ name: "scaled", shape: x.shape, dtype: x.dtype }];
  },
  gradient(context) {
    const inputs = [context.input(0), context.input(1), context.input(2)];
    const [dx, products] = context.graph.add(
      columnScaleBackward,
      [...inputs, context.outputGradient(0)!],
      {},
    );
    const into = context.destination(1);
    if (into) context.graph.add(columnSum, [products], { into });
    const biasInto = context.attributes.bias ? context.destination(3) : undefined;
    if (biasInto) context.graph.add(columnSum, [context.outputGradient(0)!], { into: biasInto });
    if (context.needs(0)) context.contribute(0, dx);
  },
  lower({ inputs: [x, magnitude, norm, bias], outputs: [y] }) {
    const [M, N] = x.shape;
    const WIDTH = widthOf(N);
    const bindings = [x, magnitude, norm, ...(bias ? [bias] : [])].map((t) => read(t));
    const values = { KERNEL: "forward", M, N, WIDTH, BIAS: bias !== undefined };
    return [
      linearDispatch("columnScale", source, sizeOf(x) / WIDTH, [...bindings, write(y)], values),
    ];
  },
};

/** (x, magnitude, norm, dy) to (dx, dy·x / norm, whose column sums are the magnitude's gradient). */
export const columnScaleBackward: Operation<Record<never, never>> = {
  name: "columnScaleBackward",
  infer([x]) {
    return [
      { name: "dscaled", shape: x.shape, dtype: x.dtype },
      { name: "scaleProducts", shape: x.shape },
    ];
  },
  lower({ inputs: [x, magnitude, norm, dy], outputs: [dx, products] }) {
    const [M, N] = x.shape;
    const WIDTH = widthOf(N);
    const bindings = [read(x), read(magnitude), read(norm), read(dy), write(dx), write(products)];
    const values = { KERNEL: "backward", M, N, WIDTH };
    return [linearDispatch("columnScaleBackward", source, sizeOf(x) / WIDTH, bindings, values)];
  },
};
