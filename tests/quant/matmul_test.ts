// Linear layers over quantized weights, forward and backward, against f64 products of the dequantized
// weights: every form, every kind of kernel, sizes that are multiples of nothing, and weights that
// take several bindings.

import assert from "node:assert/strict";
import { Graph, sizeOf, type Tensor, tensor } from "../../src/graph/graph.ts";
import type { Limits } from "../../src/graph/limits.ts";
import type { KernelChoice } from "../../src/graph/matmul.ts";
import { linear, linearBackward } from "../../src/graph/operations/matmul.ts";
import {
  type Grouped,
  groupsOf,
  partSpecs,
  type QuantFormat,
  wordsPerRow,
} from "../../src/quant/format.ts";
import {
  dequantize4bit,
  dynamicMap,
  nestedValues,
  nestMaxima,
  quantize4bit,
} from "../../src/quant/four_bit.ts";
import { dequantizeGrouped, putCode } from "../../src/quant/grouped.ts";
import { dequantizeInt8, quantizeInt8 } from "../../src/quant/int8.ts";
import { quantizedTensor } from "../../src/quant/tensor.ts";
import { f32ToF16 } from "../../src/files/dtype.ts";
import { tune } from "../../src/gpu/tuner.ts";
import { plan } from "../../src/graph/plan.ts";
import { runGraph, testDevice, type Values } from "../device.ts";
import { compare, deviceTest, gpuLimits, Source } from "../graph/operations/check.ts";

type Words = Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>;

/** A random weight in `format`: the words of its parts and its values. */
export function randomWeight(
  format: QuantFormat,
  rows: number,
  columns: number,
  random: Source,
): { parts: Words[]; values: Float32Array } {
  const specs = partSpecs(format, rows, columns);
  const filled = (bytes: Uint8Array, words: number) => {
    const out = new Uint8Array(words * 4);
    out.set(bytes);
    return new Uint32Array(out.buffer);
  };
  if (format.kind === "grouped") return randomGrouped(format, rows, columns, random);
  const weight = random.normal(rows * columns, 0.3);
  if (format.kind === "int8") {
    const { codes, maxima } = quantizeInt8(weight, rows);
    const bytes = new Uint8Array(codes.buffer);
    return {
      parts: [filled(bytes, specs[0].words), maxima],
      values: dequantizeInt8({ codes, maxima }),
    };
  }
  const { codes, maxima } = quantize4bit(weight, format);
  const first = filled(codes, specs[0].words);
  if (!format.nested) {
    return {
      parts: [first, maxima],
      values: dequantize4bit(codes, maxima, format, weight.length),
    };
  }
  const nested = nestMaxima(maxima);
  const header = new Float32Array(specs[2].words);
  header.set(dynamicMap());
  header[256] = nested.offset;
  header.set(nested.maxima, 257);
  return {
    parts: [first, filled(nested.codes, specs[1].words), header],
    values: dequantize4bit(codes, nestedValues(nested), format, weight.length),
  };
}

function randomGrouped(format: Grouped, rows: number, columns: number, random: Source) {
  const { bits } = format;
  const groups = groupsOf(format, columns);
  const words = wordsPerRow(format, columns);
  const codes = new Uint32Array(rows * words);
  const drawn = random.below(2 ** bits, rows * columns);
  for (let n = 0; n < rows; n++) {
    for (let k = 0; k < columns; k++) putCode(codes, n * words, k, bits, drawn[n * columns + k]);
  }
  const zeros = random.below(2 ** bits + 1, rows * groups);
  const half = f32ToF16(random.normal(rows * groups, 0.1));
  const scales = Uint32Array.from(half, (bits, i) => bits | (zeros[i] << 16));
  const order = format.ordered ? random.below(groups, columns) : undefined;
  const values = dequantizeGrouped({ codes, scales }, rows, columns, format, order);
  return { parts: order ? [codes, scales, order] : [codes, scales], values };
}

/** y = x·wᵀ + bias and dx = y·w, in f64 over the f32 numbers. */
function twin(x: Float32Array, w: Float32Array, bias: Float32Array, m: number, n: number) {
  const k = w.length / n;
  const y = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = bias[j];
      for (let l = 0; l < k; l++) sum += x[i * k + l] * w[j * k + l];
      y[i * n + j] = sum;
    }
  }
  return y;
}

function backwardTwin(dy: Float32Array, w: Float32Array, m: number, n: number) {
  const k = w.length / n;
  const dx = new Float64Array(m * k);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      for (let l = 0; l < k; l++) dx[i * k + l] += dy[i * n + j] * w[j * k + l];
    }
  }
  return dx;
}

async function checkLinear(
  name: string,
  format: QuantFormat,
  [m, n, k]: number[],
  limits: Partial<Limits> = {},
) {
  const random = new Source(m + n + k);
  const weight = quantizedTensor("w", [n, k], format);
  const { parts, values: w } = randomWeight(format, n, k, random);
  const given = new Map<Tensor, Values>();
  const input = (label: string, shape: number[]) => {
    const made = tensor(label, shape, "f32", "input");
    const values = random.normal(sizeOf(made));
    given.set(made, values);
    return { made, values };
  };
  const x = input("x", [m, k]);
  const dy = input("dy", [m, n]);
  const bias = input("bias", [n]);
  parts.forEach((part, i) => given.set(weight.quantized!.parts[i], part));
  const [y, dx] = await runGraph(given, (graph: Graph) => [
    graph.call(linear, [x.made, weight, bias.made], { bias: true }),
    graph.call(linearBackward, [dy.made, weight], {}),
  ], limits);
  compare(`${name} y`, y, twin(x.values, w, bias.values, m, n), 1e-5);
  compare(`${name} dx`, dx, backwardTwin(dy.values, w, m, n), 1e-5);
}

const four = (kind: "nf4" | "fp4", nested = false): QuantFormat => ({ kind, block: 64, nested });
const grouped = (bits: 2 | 3 | 4 | 8, group: number, ordered = false): QuantFormat => ({
  kind: "grouped",
  bits,
  group,
  ordered,
  scales: "f16",
});

const forms: Record<string, QuantFormat> = {
  "nf4": four("nf4"),
  "nf4 nested": four("nf4", true),
  "fp4 nested": four("fp4", true),
  "int8": { kind: "int8" },
  "2 bits": grouped(2, 32),
  "3 bits": grouped(3, 64),
  "4 bits": grouped(4, 128),
  "8 bits": grouped(8, 96),
  "3 bits ordered": grouped(3, 32, true),
  "4 bits ordered": grouped(4, 32, true),
};

const choice = (orientation: "rows" | "tile", lanesN: number, rows: number, columns: number) =>
  new Proxy({} as Record<string, KernelChoice>, {
    get: () => ({ orientation, lanesM: 8, lanesN, rows, columns, depth: 8 }),
  });

deviceTest("tuning measures quantized products", async () => {
  const device = await testDevice();
  const x = tensor("x", [40, 96], "f32", "input");
  for (const format of [forms["nf4 nested"], forms["3 bits ordered"]]) {
    const graph = new Graph();
    const weight = quantizedTensor("w", [48, 96], format);
    graph.result(graph.call(linear, [x, weight], {}));
    const { dispatches } = plan("tuned", graph, device.limits);
    const before = device.allocatedBytes;
    await tune(device, dispatches, 60000);
    assert.equal(device.allocatedBytes, before);
    device.check();
  }
});

for (const [name, format] of Object.entries(forms)) {
  deviceTest(`linear over ${name}`, async () => {
    const rows = { kernels: choice("rows", 1, 4, 8) };
    const tile = { ...gpuLimits, kernels: choice("tile", 8, 4, 4) };
    await checkLinear(name, format, [9, 40, 96], rows);
    await checkLinear(`${name} tiles`, format, [33, 40, 96], tile);
    // What large products take on a CPU adapter.
    await checkLinear(`${name} large`, format, [130, 144, 192], {
      kernels: choice("rows", 1, 16, 16),
    });
    // Multiples of nothing: the form for one element.
    await checkLinear(`${name} odd`, format, [3, 5, 33], rows);
    await checkLinear(`${name} odd tiles`, format, [3, 37, 35], tile);
    // A weight of several bindings.
    await checkLinear(`${name} shards`, format, [5, 512, 128], { ...rows, maxBinding: 20480 });
  });
}
