// Compares a graph on the device with its f64 twin: outputs directly, and the gradients that
// `differentiate` adds to every trained input with central finite differences of the twin.

import { differentiate } from "../../../src/graph/differentiate.ts";
import { type DType, type Graph, sizeOf, type Tensor, tensor } from "../../../src/graph/graph.ts";
import type { KernelChoices, Limits } from "../../../src/graph/limits.ts";
import { packStep, type StepScalars } from "../../../src/graph/step_scalars.ts";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "../../../src/files/dtype.ts";
import { RandomStream } from "../../../src/random.ts";
import { runGraph, testDevice, trainedTensor, type Values } from "../../device.ts";
import { type Dense, dense } from "../../reference/dense.ts";
import { seedGradient, variable } from "./seed_gradient.ts";

/** The limits of a real GPU: rows shared by 64 lanes, attention through workgroup memory. */
export const gpuLimits: Partial<Limits> = { software: false, maxWorkgroupStorage: 16384 };

/** A small kernel for every matrix product: tests/graph/matmul_test.ts checks all the others. */
const smallKernels: KernelChoices = new Proxy({}, {
  get: () => ({ orientation: "rows", lanesM: 4, lanesN: 1, rows: 4, columns: 4, depth: 4 }),
});

/** An input of the graph under test. */
export interface Input {
  tensor: Tensor;
  bits: Values;
  dense: Dense;
  /** Enters as an activation with a gradient of its own. */
  asActivation: boolean;
  /** How that activation is stored. */
  dtype?: DType;
}

/** Random numbers of tests; the same every time. */
export class Source {
  readonly #random: RandomStream;
  constructor(seed: number) {
    this.#random = new RandomStream(seed, 0x7e57);
  }

  /** Normal numbers of the given deviation, exact in f32. */
  normal(size: number, deviation = 1): Float32Array<ArrayBuffer> {
    return Float32Array.from({ length: size }, () => deviation * this.#random.normal());
  }

  /** Integers below `n`. */
  below(n: number, size: number): Uint32Array<ArrayBuffer> {
    return Uint32Array.from({ length: size }, () => this.#random.below(n));
  }

  activation(shape: number[], values: number | Float32Array<ArrayBuffer> = 1): Input {
    return { ...this.trained(shape, values), asActivation: true };
  }

  /** An activation that is stored in f16, of values that are exact there. */
  half(shape: number[], deviation = 1): Input {
    const bits = f16ToF32(f32ToF16(this.normal(product(shape), deviation)));
    return { ...this.activation(shape, bits), dtype: "f16" };
  }

  /** A trained weight in f32. `values` may be a deviation. */
  trained(shape: number[], values: number | Float32Array<ArrayBuffer> = 1): Input {
    const bits = typeof values === "number" ? this.normal(product(shape), values) : values;
    return {
      tensor: trainedTensor("trained", shape),
      bits,
      dense: dense(shape, bits),
      asActivation: false,
    };
  }

  /** A frozen weight, rounded to its dtype. */
  weight(shape: number[], dtype: DType, deviation = 1): Input {
    const exact = this.normal(product(shape), deviation);
    const half = dtype === "bf16" ? f32ToBf16(exact) : f32ToF16(exact);
    const values = dtype === "f32" ? exact : dtype === "bf16" ? bf16ToF32(half) : f16ToF32(half);
    const padded = new Uint16Array(Math.ceil(half.length / 2) * 2);
    padded.set(half);
    return {
      tensor: tensor(`${dtype} weight`, shape, dtype, "weight"),
      bits: dtype === "f32" ? exact : new Uint32Array(padded.buffer),
      dense: dense(shape, values),
      asActivation: false,
    };
  }
}

const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

export function unsigned(values: ArrayLike<number>): Input {
  const bits = Uint32Array.from(values);
  return {
    tensor: tensor("indices", [bits.length], "u32", "input"),
    bits,
    dense: dense([bits.length], bits),
    asActivation: false,
  };
}

export function signed(values: ArrayLike<number>): Input {
  const bits = Int32Array.from(values);
  return {
    tensor: tensor("targets", [bits.length], "i32", "input"),
    bits,
    dense: dense([bits.length], bits),
    asActivation: false,
  };
}

export function constant(shape: number[], values: Float32Array<ArrayBuffer>): Input {
  return {
    tensor: tensor("constant", shape, "f32", "input"),
    bits: values,
    dense: dense(shape, values),
    asActivation: false,
  };
}

export function stepInput(scalars: Partial<StepScalars>): Input {
  return unsigned(packStep({ lossScale: 1, slot: 0, microStep: 0, seed: 0, ...scalars }));
}

export interface Check {
  inputs: Input[];
  /** Adds the operations under test; the first output gets a random gradient. */
  build(graph: Graph, inputs: Tensor[]): Tensor[];
  /** As many outputs as are to be compared. */
  twin(inputs: Dense[]): Dense[];
  limits?: Partial<Limits>;
  /** Allowed error relative to |wanted| + rms of all that is wanted; see `compare`. */
  tolerance: number;
  gradientTolerance?: number;
  /** The loss for a graph that starts its gradients by itself. */
  loss?: (outputs: Dense[]) => number;
  /** Finite step, for values of magnitude 1. */
  step?: number;
  /** Elements of each gradient that are checked one by one; the rest in random directions. */
  samples?: number;
  /** Size of the terms of the gradients, where they cancel in every element. */
  terms?: number;
  /** No gradient is defined. */
  forwardOnly?: boolean;
}

/** The largest part of the tolerance that any comparison used, by name; for choosing tolerances. */
export const used = new Map<string, number>();

export async function check(name: string, test: Check): Promise<void> {
  const { inputs, build, twin, tolerance, gradientTolerance = tolerance } = test;
  const random = new Source(inputs.length);
  const values = new Map<Tensor, Values>();
  for (const { tensor, bits } of inputs) values.set(tensor, bits);
  const expected = twin(inputs.map((input) => input.dense));
  const normal = random.normal(product(expected[0].shape));
  const half = inputs.some(({ dtype }) => dtype === "f16");
  const seed = half ? f16ToF32(f32ToF16(normal)) : normal;
  const trained = test.forwardOnly ? [] : inputs.filter(({ tensor }) => tensor.role === "trained");
  // Gradients are added to what is there: start them at something else than zero.
  const before = trained.map(({ tensor }) => random.normal(sizeOf(tensor)));
  trained.forEach(({ tensor }, i) => values.set(tensor.gradient!, before[i]));

  const found = await runGraph(
    values,
    (graph) => {
      const leaves = inputs.map(({ tensor, asActivation, dtype }) =>
        asActivation ? graph.call(variable, [tensor], { dtype }) : tensor
      );
      const outputs = build(graph, leaves).slice(0, expected.length);
      if (!test.forwardOnly) {
        if (!test.loss) {
          const gradient = tensor("output gradient", outputs[0].shape, "f32", "input");
          values.set(gradient, seed);
          graph.add(seedGradient, [outputs[0], gradient], {});
        }
        differentiate(graph);
      }
      return [...outputs, ...trained.map(({ tensor }) => tensor.gradient!)];
    },
    { kernels: smallKernels, ...test.limits },
  );

  expected.forEach(({ data }, i) => compare(`${name} output ${i}`, found[i], data, tolerance));
  const weighted = ([y]: Dense[]) => y.data.reduce((sum, value, i) => sum + value * seed[i], 0);
  const loss = test.loss ?? weighted;
  const at = (which: Input, data: Float64Array) =>
    loss(twin(inputs.map((input) => input === which ? { ...input.dense, data } : input.dense)));
  trained.forEach((input, i) => {
    const gradient = Float64Array.from(found[expected.length + i], (g, j) => g - before[i][j]);
    const label = `${name} gradient of input ${inputs.indexOf(input)}`;
    checkGradient(label, gradient, input.dense.data, (data) => at(input, data), {
      terms: test.terms ?? 0,
      // The gradient was added to `before`, perhaps in several parts, each rounded to f32.
      rounding: (j) => 2 ** -22 * Math.abs(before[i][j]),
      tolerance: gradientTolerance,
      step: test.step ?? 1e-4,
      samples: test.samples ?? 300,
      random,
    });
  });
}

/** Central differences along coordinates, and along random directions where not all are tried. */
function checkGradient(
  name: string,
  gradient: Float64Array,
  x: Float64Array,
  loss: (x: Float64Array) => number,
  { tolerance, rounding, terms, step, samples, random }: {
    tolerance: number;
    rounding: (i: number) => number;
    terms: number;
    step: number;
    samples: number;
    random: Source;
  },
): void {
  const slope = (direction: (i: number) => number, h: number) =>
    (loss(x.map((value, i) => value + h * direction(i))) -
      loss(x.map((value, i) => value - h * direction(i)))) / (2 * h);
  const all = x.length <= samples;
  const chosen = all ? [...x.keys()] : [0, x.length - 1, ...random.below(x.length, samples - 2)];
  const wanted = chosen.map((i) => slope((j) => (i === j ? 1 : 0), step));
  const rms = Math.max(rootMeanSquare(wanted), terms);
  const found = chosen.map((i) => gradient[i]);
  compare(name, found, wanted, tolerance, { rms, slack: (i) => rounding(chosen[i]) });
  if (all) return;
  const length = Math.sqrt(x.length);
  const slack = () => 2 ** -22; // the roundings are independent and `direction / length` is of length 1
  for (let trial = 0; trial < 3; trial++) {
    const direction = random.normal(x.length);
    const along = slope((i) => direction[i] / length, step);
    const claimed = gradient.reduce((sum, g, i) => sum + g * direction[i] / length, 0);
    compare(`${name}, direction ${trial}`, [claimed], [along], tolerance, { rms, slack });
  }
}

/**
 * Fails unless |found − wanted| <= tolerance · (|wanted| + rms of wanted) everywhere: rounding is
 * relative to the terms of a sum, whose size the root mean square stands for where they cancel.
 */
export function compare(
  name: string,
  found: ArrayLike<number>,
  wanted: ArrayLike<number>,
  tolerance: number,
  { rms = rootMeanSquare(wanted), slack = () => 0 }: {
    rms?: number;
    /** Absolute error allowed in addition. */
    slack?: (i: number) => number;
  } = {},
): void {
  if (found.length !== wanted.length) throw new Error(`${name}: ${found.length} values`);
  let worst = 0;
  for (let i = 0; i < found.length; i++) {
    const error = Math.abs(found[i] - wanted[i]);
    const part = error === 0 ? 0 : error / (tolerance * (Math.abs(wanted[i]) + rms) + slack(i));
    if (!(part <= 1)) {
      throw new Error(
        `${name}: element ${i} is ${found[i]}, expected ${wanted[i]} (${part.toFixed(1)} times ` +
          `the tolerance ${tolerance})`,
      );
    }
    worst = Math.max(worst, part);
  }
  used.set(name, Math.max(used.get(name) ?? 0, worst));
}

export function rootMeanSquare(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] ** 2;
  return Math.sqrt(sum / values.length);
}

/** A test that may leave the shared device open. */
export function deviceTest(name: string, run: () => Promise<void>): void {
  Deno.test(name, { sanitizeOps: false, sanitizeResources: false }, async () => {
    used.clear();
    (await testDevice()).failure = undefined; // of a test before this one
    await run();
    if (Deno.env.get("EFT_TOLERANCES")) {
      const rows = [...used].sort((a, b) => b[1] - a[1]).slice(0, 4);
      for (const [label, part] of rows) console.log(`  ${part.toFixed(3)} ${label}`);
    }
  });
}
