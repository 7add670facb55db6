// Rotary position embedding in place; see shaders/rope.wgsl.

import source from "../../../shaders/rope.wgsl" with { type: "text" };
import { assertShape, type Operation, sizeOf } from "../graph.ts";
import { linearDispatch, literal, read, widthOf, write } from "./kernel.ts";

interface Rope {
  /** Heads in a row of x. */
  heads: number;
  /** Turn by the negative angle. */
  inverse?: boolean;
}

/** (x [M, H·D], positions [M], table [P, D]) to x rotated, in x's memory. */
export const rope: Operation<Rope> = {
  name: "rope",
  infer([x, positions, table], { heads }) {
    assertShape(positions, [x.shape[0]], "rope");
    assertShape(table, [table.shape[0], x.shape[1] / heads], "rope");
    return [{ name: "rotated", shape: x.shape, inPlace: 0 }];
  },
  gradient(context) {
    // The gradient of the rotated tensor belongs to this operation alone: it comes from attention.
    const inputs = [context.outputGradient(0)!, context.input(1), context.input(2)];
    const attributes = { ...context.attributes, inverse: !context.attributes.inverse };
    context.contribute(0, context.graph.call(rope, inputs, attributes));
  },
  lower({ inputs: [x, positions, table], outputs: [y], attributes: { heads, inverse } }) {
    const [M, width] = x.shape;
    const WIDTH = widthOf(width / heads / 2);
    const values = {
      M,
      H: heads,
      D: width / heads,
      WIDTH,
      P: table.shape[0],
      SIGN: literal(inverse ? -1 : 1),
    };
    const bindings = [read(positions), read(table), write(y)];
    return [linearDispatch("rope", source, sizeOf(x) / 2 / WIDTH, bindings, values)];
  },
};
