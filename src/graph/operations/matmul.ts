// Matrix products, the linear layer among them; kernels in shaders/matmul.wgsl.

import { assert } from "../../errors.ts";
import {
  type Binding,
  bytesPerElement,
  type Dispatch,
  type DType,
  type Operation,
  type Tensor,
} from "../graph.ts";
import { type Limits, type RowShard, rowShards } from "../limits.ts";
import { matmulKernel, type MatmulShape } from "../matmul.ts";
import { codeBytesPerRow } from "../../quant/format.ts";
import { columnSum } from "./column_sum.ts";
import { read, write } from "./kernel.ts";

interface Linear {
  /** Factor of the product. */
  scale?: number;
  /** Input 2 is a bias [N]. */
  bias?: boolean;
  /** The last input [M, N] is added to, in its memory. */
  add?: boolean;
}

/** (x [M, K], weight [N, K] [, bias [N]] [, sum [M, N]]) to scale·x·weightᵀ [+ bias] [+ sum]. */
export const linear: Operation<Linear> = {
  name: "linear",
  infer(inputs, { bias, add }) {
    const [x, weight] = inputs;
    assert(
      x.shape[1] === weight.shape[1],
      `linear: ${weight.name} [${weight.shape}] does not fit an input of width ${x.shape[1]}`,
    );
    const inPlace = add ? (bias ? 3 : 2) : undefined;
    const shape = [x.shape[0], weight.shape[0]];
    return [{ name: `${weight.name}·x`, shape, dtype: x.dtype, inPlace }];
  },
  gradient(context) {
    const { scale, bias, add } = context.attributes;
    const dy = context.outputGradient(0)!;
    const weight = context.input(1);
    const into = context.destination(1);
    if (into) context.graph.add(outerProduct, [dy, context.input(0)], { into, scale });
    const biasInto = bias ? context.destination(2) : undefined;
    if (biasInto) context.graph.add(columnSum, [dy], { into: biasInto });
    if (context.needs(0)) {
      const partial = context.ownPartial(0);
      const inputs = [dy, weight, ...(partial ? [partial] : [])];
      const { dtype } = context.input(0);
      const dx = context.graph.call(linearBackward, inputs, { scale, dtype });
      context.contribute(0, dx, partial !== undefined);
    }
    const sum = bias ? 3 : 2;
    if (add && context.needs(sum)) context.contribute(sum, dy);
  },
  lower({ inputs, outputs: [y], attributes: { scale, bias, add } }, limits) {
    const [x, weight] = inputs;
    return linearDispatches(x, weight, y, limits, {
      scale,
      bias: bias ? inputs[2] : undefined,
      accumulate: add,
    });
  },
};

/** (dy [M, N], weight [N, K] [, partial [M, K]]) to scale·dy·weight [+ partial, in its memory]. */
export const linearBackward: Operation<{ scale?: number; dtype?: DType }> = {
  name: "linearBackward",
  infer([dy, weight, partial], { dtype }) {
    const inPlace = partial ? 2 : undefined;
    return [{ name: "dx", shape: [dy.shape[0], weight.shape[1]], dtype, inPlace }];
  },
  lower({ inputs: [dy, weight, partial], outputs: [dx], attributes: { scale } }, limits) {
    return inputGradient(dy, weight, dx, limits, { scale, accumulate: partial !== undefined });
  },
};

/** (dy [M, N], x [M, K]): scale·dyᵀ·x added to the gradient `into` [N, K]. */
export const outerProduct: Operation<{ into: Tensor; scale?: number }> = {
  name: "outerProduct",
  infer(_, { into }) {
    return [{ name: into.name, shape: into.shape, into }];
  },
  lower({ inputs: [dy, x], outputs: [gradient], attributes: { scale } }, limits) {
    return weightGradient(dy, x, gradient, limits, { scale });
  },
};

/** A part of the rows of an activation: `first` and `count`; all of them when absent. */
interface Rows {
  first: number;
  count: number;
}

interface ProductOptions {
  scale?: number;
  accumulate?: boolean;
  bias?: Tensor;
  /** Rows of the left activation to use. */
  rows?: Rows;
  /** Rows of the right activation to use (`weightGradient` only: x beside dy). */
  rightRows?: Rows;
}

/** y = scale·x·weightᵀ + bias, over as many dispatches as the weight has bindings. */
export function linearDispatches(
  x: Tensor,
  weight: Tensor,
  y: Tensor,
  limits: Limits,
  options: ProductOptions = {},
): Dispatch[] {
  const [N, K] = weight.shape;
  const m = options.rows?.count ?? x.shape[0];
  return shardsOf(weight, limits, options.bias && 4).map((shard) =>
    product(
      "linear",
      {
        m,
        n: shard.rows,
        k: K,
        transposeB: true,
        ...storedAs(weight, shard.row),
        accumulate: options.accumulate,
        bias: options.bias !== undefined,
        alpha: options.scale,
        ldc: N,
        cOffset: shard.row,
      },
      limits,
      [
        part(x, options.rows),
        ...weightBindings(weight, shard),
        ...(options.bias ? [read(options.bias, shard.row * 4, shard.rows * 4)] : []),
        write(y),
      ],
    )
  );
}

/** dx = scale·dy·weight, summed over the weight's bindings. */
export function inputGradient(
  dy: Tensor,
  weight: Tensor,
  dx: Tensor,
  limits: Limits,
  options: ProductOptions = {},
): Dispatch[] {
  const [N, K] = weight.shape;
  const m = options.rows?.count ?? dx.shape[0];
  const target = part(dx, options.rows);
  return shardsOf(weight, limits).map((shard, index) =>
    product(
      "linearBackward",
      {
        m,
        n: K,
        k: shard.rows,
        ...storedAs(weight, shard.row),
        accumulate: options.accumulate || index > 0,
        alpha: options.scale,
        lda: N,
        aOffset: shard.row,
      },
      limits,
      [
        read(dy),
        ...weightBindings(weight, shard),
        { ...target, access: "write" },
      ],
    )
  );
}

/** gradient += scale·dyᵀ·x, over as many dispatches as the gradient has bindings. */
export function weightGradient(
  dy: Tensor,
  x: Tensor,
  gradient: Tensor,
  limits: Limits,
  options: ProductOptions = {},
): Dispatch[] {
  const [N, K] = gradient.shape;
  const rows = options.rightRows?.count ?? x.shape[0];
  return shardsOf(gradient, limits).map((shard) =>
    product(
      "weightGradient",
      {
        m: shard.rows,
        n: K,
        k: rows,
        transposeA: true,
        ...storedAs(x, 0),
        accumulate: true,
        alpha: options.scale,
        lda: N,
        aOffset: shard.row,
      },
      limits,
      [
        part(dy, options.rows),
        part(x, options.rightRows),
        write(gradient, shard.offset, shard.bytes),
      ],
    )
  );
}

function product(
  label: string,
  layout: MatmulShape,
  limits: Limits,
  bindings: Dispatch["bindings"],
): Dispatch {
  const half = ({ tensor: { dtype } }: Binding) => dtype === "f16" ? dtype : undefined;
  const shape = { ...layout, aType: half(bindings[0]), cType: half(bindings.at(-1)!) };
  const { source, workgroups } = matmulKernel(shape, limits);
  const { m, n, k } = shape;
  return {
    label: `${label} ${m}x${n}x${k}`,
    source,
    workgroups,
    bindings,
    flops: 2 * m * n * k,
    matmul: shape,
  };
}

function shardsOf(matrix: Tensor, limits: Limits, beside?: number) {
  const { shape: [rows, columns], quantized, dtype } = matrix;
  const bytesPerRow = quantized
    ? codeBytesPerRow(quantized.format, columns)
    : columns * bytesPerElement(dtype);
  return rowShards(rows, bytesPerRow, limits, beside);
}

/** The bindings of a weight: a range of its rows, or the codes of these rows and its other parts. */
function weightBindings(weight: Tensor, { offset, bytes }: RowShard): Dispatch["bindings"] {
  const [codes, ...others] = weight.quantized?.parts ?? [weight];
  return [read(codes, offset, bytes), ...others.map((part) => read(part))];
}

/** How B of a product is stored, from this row of it on. */
function storedAs(weight: Tensor, row: number): Pick<MatmulShape, "bType" | "bFormat" | "bRow"> {
  if (weight.quantized) return { bFormat: weight.quantized.format, bRow: row };
  const { dtype } = weight;
  assert(dtype === "f32" || dtype === "f16" || dtype === "bf16", `matmul: no ${dtype} matrices`);
  return { bType: dtype };
}

function part(activation: Tensor, rows?: Rows) {
  if (!rows) return read(activation);
  const stride = activation.shape[1] * bytesPerElement(activation.dtype);
  return read(activation, rows.first * stride, rows.count * stride);
}
