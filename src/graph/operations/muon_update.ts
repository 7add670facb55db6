// The kernels of Muon around its matrix products; see shaders/muon.wgsl.

import source from "../../../shaders/muon.wgsl" with { type: "text" };
import { type Graph, type Operation, sizeOf, type Tensor } from "../graph.ts";
import { expandWgsl } from "../wgsl.ts";
import { clipValues, type Updated } from "./elementwise_update.ts";
import { linearDispatch, literal, read, write } from "./kernel.ts";
import { linear, linearBackward } from "./matmul.ts";

/** Partial sums of squares. */
const parts = 64;
/** Coefficients of the iteration, and how often it is done. */
const [A, B, C] = [3.4445, -4.775, 2.0315];
const iterations = 5;

export interface Muon extends Updated {
  shape: readonly [rows: number, columns: number];
  moment: Tensor;
  momentum: number;
  weightDecay: number;
}

/** Adds one update of a matrix, which also clears its gradient. */
export function muonUpdate(graph: Graph, [norm, scalars]: [Tensor, Tensor], muon: Muon): void {
  const update = graph.call(momentum, [norm, scalars], muon);
  let x = graph.call(unit, [update], {});
  for (let i = 0; i < iterations; i++) {
    const gram = graph.call(linear, [x, x], {});
    const weighted = graph.call(scaled, [gram], { factor: B });
    const polynomial = graph.call(linear, [gram, gram, weighted], { scale: C, add: true });
    const rest = graph.call(scaled, [x], { factor: A });
    x = graph.call(linearBackward, [polynomial, x, rest], {});
  }
  graph.add(apply, [norm, scalars, x], muon);
}

const isTall = ([rows, columns]: readonly [number, number]) => rows > columns;

/** (norm, scalars) to the update's direction before it is made orthogonal, the short side first. */
const momentum: Operation<Muon> = {
  name: "muonMomentum",
  infer(_, { shape: [rows, columns], gradient, moment }) {
    const shape = [Math.min(rows, columns), Math.max(rows, columns)];
    const lasting = [gradient, moment];
    return [
      { name: "direction", shape },
      ...lasting.map((into) => ({ name: into.name, shape: into.shape, into })),
    ];
  },
  lower({ inputs: [norm, scalars], outputs: [x], attributes }) {
    const { shape, gradient, moment, momentum } = attributes;
    const bindings = [read(norm), read(scalars), write(x), write(gradient), write(moment)];
    return [linearDispatch("muon momentum", source, sizeOf(x), bindings, {
      ...clipValues(attributes, scalars),
      KERNEL: "momentum",
      R: shape[0],
      C: shape[1],
      TALL: isTall(shape),
      MOMENTUM: literal(momentum),
    })];
  },
};

/** x [R, C] divided by its Frobenius norm. */
const unit: Operation<Record<never, never>> = {
  name: "unit",
  infer([x]) {
    return [{ name: "unit", shape: x.shape }, {
      name: "squares",
      shape: [parts],
      role: "workspace",
    }];
  },
  lower({ inputs: [x], outputs: [y, sums] }) {
    const values = { R: x.shape[0], C: x.shape[1], TALL: false, PARTS: parts };
    return [
      {
        label: "muon squares",
        source: expandWgsl(source, { ...values, KERNEL: "squares" }),
        workgroups: [parts, 1, 1],
        bindings: [read(x), write(sums)],
      },
      linearDispatch("muon unit", source, sizeOf(x), [read(x), write(y), read(sums)], {
        ...values,
        KERNEL: "unit",
      }),
    ];
  },
};

/** x [R, C] times a factor. */
const scaled: Operation<{ factor: number }> = {
  name: "scaled",
  infer([x]) {
    return [{ name: "scaled", shape: x.shape }];
  },
  lower({ inputs: [x], outputs: [y], attributes: { factor } }) {
    return [linearDispatch("scaled", source, sizeOf(x), [read(x), write(y)], {
      KERNEL: "scaled",
      TALL: false,
      R: x.shape[0],
      C: x.shape[1],
      FACTOR: literal(factor),
    })];
  },
};

/** (norm, scalars, x): the step of the values along x. */
const apply: Operation<Muon> = {
  name: "muonApply",
  infer(_, { value }) {
    return [{ name: value.name, shape: value.shape, into: value }];
  },
  lower({ inputs: [norm, scalars, x], attributes }) {
    const { shape, value, weightDecay } = attributes;
    const bindings = [read(norm), read(scalars), read(x), write(value)];
    return [linearDispatch("muon", source, sizeOf(x), bindings, {
      ...clipValues(attributes, scalars),
      KERNEL: "apply",
      R: shape[0],
      C: shape[1],
      TALL: isTall(shape),
      FACTOR: literal(0.2 * Math.sqrt(Math.max(...shape))),
      WEIGHT_DECAY: literal(weightDecay),
    })];
  },
};
