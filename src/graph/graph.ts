// The step as a graph of coarse operations. A graph is built once from the model's table,
// differentiated once, planned once, and then replayed; nothing here touches a device.

import { assert } from "../errors.ts";
import type { Source } from "../quant/checkpoint.ts";
import type { QuantFormat } from "../quant/format.ts";
import type { Limits } from "./limits.ts";
import type { MatmulShape } from "./matmul.ts";

/** `quantized`: the tensor has no memory of its own, but parts; see `Quantized`. */
export type DType = "f32" | "f16" | "bf16" | "u32" | "i32" | "quantized";

/**
 * What a tensor is for, which decides where its memory comes from:
 * - `input`: written by the host before a run (tokens, targets, the step's scalars)
 * - `weight`: frozen, loaded once
 * - `trained`, `gradient`, `optimizer`: one of each for every trained value
 * - `state`: lives on between runs (statistics, key/value cache)
 * - `activation`: lives from its producer to its last reader within one run
 * - `workspace`: an activation that only its own operation reads
 */
export type Role =
  | "input"
  | "weight"
  | "trained"
  | "gradient"
  | "optimizer"
  | "state"
  | "activation"
  | "workspace";

export interface Tensor {
  readonly id: number;
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly role: Role;
  /** For a trained tensor: where its gradient is summed. */
  gradient?: Tensor;
  /** The parts of a `quantized` matrix. */
  quantized?: Quantized;
  /** A tensor that lies inside another one's memory, at a byte offset. */
  view?: { of: Tensor; offset: number };
}

/** A frozen matrix in a form that kernels decode as they read it; see src/quant/format.ts. */
export interface Quantized {
  format: QuantFormat;
  /** Codes, then what scales them, in the order in which kernels bind them. */
  parts: Tensor[];
  source: Source;
}

const elementBytes: Record<DType, number> = {
  f32: 4,
  f16: 2,
  bf16: 2,
  u32: 4,
  i32: 4,
  quantized: 0, // its parts have the bytes
};

/** Number of elements. */
export function sizeOf(tensor: { shape: readonly number[] }): number {
  return tensor.shape.reduce((product, dimension) => product * dimension, 1);
}

/** Bytes on the device, rounded up to a whole 32-bit word. */
export function bytesOf(tensor: { shape: readonly number[]; dtype: DType }): number {
  return Math.ceil((sizeOf(tensor) * elementBytes[tensor.dtype]) / 4) * 4;
}

export function bytesPerElement(dtype: DType): number {
  return elementBytes[dtype];
}

/** Whether the memory of a tensor belongs to one run of a program only. */
export function isTransient(tensor: Tensor): boolean {
  return tensor.role === "activation" || tensor.role === "workspace";
}

/** A range of a tensor's memory as a kernel sees it; bindings are numbered in their order. */
export interface Binding {
  tensor: Tensor;
  access: "read" | "write";
  /** Byte range; the whole tensor when absent. */
  offset?: number;
  bytes?: number;
}

export interface Dispatch {
  label: string;
  /** WGSL with every shape a literal; bindings are @group(0), numbered as in `bindings`. */
  source: string;
  workgroups: [number, number, number];
  bindings: Binding[];
  /** Floating point operations, for progress and for cutting long submissions. */
  flops?: number;
  /** The shape of a matrix product, whose kernel can be chosen by measuring. */
  matmul?: MatmulShape;
}

// deno-lint-ignore no-explicit-any
export type Attributes = any;

/** What an operation must say about itself. `A` is its attribute type. */
export interface Operation<A = Attributes> {
  readonly name: string;
  /** A loss: it has a gradient although nothing depends on its outputs. */
  readonly startsGradient?: boolean;
  /** Shapes, dtypes and roles of the outputs; throws when the inputs do not fit. */
  infer(inputs: readonly Tensor[], attributes: A): OutputSpec[];
  /** Adds the nodes of the gradient and hands the results to `contribute`. */
  gradient?(context: GradientContext<A>): void;
  /** The kernels, for this device's limits. */
  lower(node: Node<A>, limits: Limits): Dispatch[];
}

export interface OutputSpec {
  name: string;
  shape: readonly number[];
  /** f32 when absent, or that of the input whose memory it takes over. */
  dtype?: DType;
  role?: "activation" | "workspace";
  /** Index of the input whose memory this output takes over. */
  inPlace?: number;
  /** An existing tensor that the node writes or adds to, instead of a new one. */
  into?: Tensor;
}

export interface Node<A = Attributes> {
  readonly operation: Operation<A>;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly attributes: A;
  /** The transformer block this node belongs to; undefined outside the blocks. */
  readonly block: number | undefined;
  /** Pairs of (output index, input index) that share memory. */
  readonly inPlace: readonly (readonly [number, number])[];
}

/** What `Operation.gradient` sees: forward values (recomputed where that was asked for). */
export interface GradientContext<A = Attributes> {
  readonly graph: Graph;
  readonly attributes: A;
  /** Value of input `i`. */
  input(i: number): Tensor;
  /** Value of output `i`. */
  output(i: number): Tensor;
  /** Gradient of output `i`, undefined when nothing depends on it. */
  outputGradient(i: number): Tensor | undefined;
  /** Whether the gradient of input `i` is wanted. */
  needs(i: number): boolean;
  /** For a trained input: the tensor its gradient is ADDED to. */
  destination(i: number): Tensor | undefined;
  /** Sum of the contributions that input `i` has had so far, for kernels that can add to it. */
  partial(i: number): Tensor | undefined;
  /** The same, if a kernel may write over it: no other value's gradient is the same tensor. */
  ownPartial(i: number): Tensor | undefined;
  /** Adds to the gradient of input `i`; `replaces` when `partial(i)` is already inside it. */
  contribute(i: number, gradient: Tensor, replaces?: boolean): void;
}

let nextId = 0;

/** Makes a tensor that lives outside any one graph. */
export function tensor(
  name: string,
  shape: readonly number[],
  dtype: DType,
  role: Role,
): Tensor {
  return { id: nextId++, name, shape: [...shape], dtype, role };
}

export class Graph {
  readonly nodes: Node[] = [];
  /** Activations that the host reads after a run; they keep their memory to the end. */
  readonly results: Tensor[] = [];
  /** Tag for nodes added from now on; see `Node.block`. */
  block: number | undefined = undefined;
  /** Producer of each transient tensor. */
  readonly producers = new Map<Tensor, Node>();

  add<A>(operation: Operation<A>, inputs: readonly Tensor[], attributes: A): Tensor[] {
    const specs = operation.infer(inputs, attributes);
    const inPlace: [number, number][] = [];
    const outputs = specs.map((spec, index) => {
      if (spec.into) return spec.into;
      const taken = spec.inPlace === undefined ? undefined : inputs[spec.inPlace];
      if (taken) inPlace.push([index, spec.inPlace!]);
      const dtype = taken?.dtype ?? spec.dtype ?? "f32";
      return tensor(spec.name, spec.shape, dtype, spec.role ?? "activation");
    });
    const node: Node<A> = { operation, inputs, outputs, attributes, block: this.block, inPlace };
    this.nodes.push(node);
    for (const output of outputs) if (isTransient(output)) this.producers.set(output, node);
    return outputs;
  }

  /** Like `add` for an operation whose first output is all that the caller wants. */
  call<A>(operation: Operation<A>, inputs: readonly Tensor[], attributes: A): Tensor {
    return this.add(operation, inputs, attributes)[0];
  }

  /** Declares an activation that the host will read. */
  result(value: Tensor): Tensor {
    this.results.push(value);
    return value;
  }

  /** Drops nodes whose outputs nobody reads; a node that writes a lasting tensor stays. */
  prune(): void {
    const wanted = new Set<Tensor>(this.results);
    const kept: Node[] = [];
    for (let i = this.nodes.length - 1; i >= 0; i--) {
      const node = this.nodes[i];
      const lasting = node.outputs.some((output) => !isTransient(output));
      if (!lasting && !node.outputs.some((output) => wanted.has(output))) continue;
      for (const input of node.inputs) wanted.add(input);
      kept.push(node);
    }
    this.nodes.length = 0;
    this.nodes.push(...kept.reverse());
  }
}

export function assertShape(value: Tensor, shape: readonly number[], operation: string): void {
  const same = value.shape.length === shape.length && value.shape.every((d, i) => d === shape[i]);
  assert(
    same,
    `${operation}: ${value.name} has shape [${value.shape}], expected [${shape}]`,
  );
}
