// Products with quantized weights against onnxruntime-web's MatMulBnb4 and MatMulNBits, which share
// nothing with ours.

import { type Tensor, tensor } from "../../src/graph/graph.ts";
import { linear } from "../../src/graph/operations/matmul.ts";
import { f16ToF32, f32ToF16 } from "../../src/files/dtype.ts";
import type { FourBit, Grouped, QuantFormat } from "../../src/quant/format.ts";
import { quantize4bit } from "../../src/quant/four_bit.ts";
import { putCode } from "../../src/quant/grouped.ts";
import { quantizedTensor } from "../../src/quant/tensor.ts";
import { runGraph, type Values } from "../device.ts";
import { dense } from "../reference/dense.ts";
import { runOnnx } from "../reference/onnx.ts";
import { compare, deviceTest, Source } from "../graph/operations/check.ts";

const [M, N, K] = [5, 48, 128];
const tolerance = 2e-6; // both sides round to f32, in different orders

async function ours(format: QuantFormat, x: Float32Array<ArrayBuffer>, parts: Values[]) {
  const weight = quantizedTensor("w", [N, K], format);
  const input = tensor("x", [M, K], "f32", "input");
  const given = new Map<Tensor, Values>([[input, x]]);
  weight.quantized!.parts.forEach((part, i) => given.set(part, parts[i]));
  const [y] = await runGraph(given, (graph) => [graph.call(linear, [input, weight], {})]);
  return y;
}

for (const [kind, type] of [["nf4", 1], ["fp4", 0]] as const) {
  deviceTest(`MatMulBnb4 gives the same with ${kind}`, async () => {
    const random = new Source(type);
    const x = random.normal(M * K);
    const format: FourBit = { kind, block: 64, nested: false };
    const { codes, maxima } = quantize4bit(random.normal(N * K), format);
    const wanted = await runOnnx(
      "MatMulBnb4",
      [
        { value: dense([M, K], x) },
        { value: dense([codes.length], codes), type: "uint8" },
        { value: dense([maxima.length], maxima) },
      ],
      [M, N],
      { K: { int: K }, N: { int: N }, block_size: { int: 64 }, quant_type: { int: type } },
      { domain: "com.microsoft" },
    );
    const y = await ours(format, x, [new Uint32Array(codes.buffer), maxima]);
    compare(kind, y, wanted.data, tolerance);
  });
}

for (const bits of [2, 4, 8] as const) {
  for (const group of [32, 128]) {
    deviceTest(`MatMulNBits gives the same with ${bits} bits in groups of ${group}`, async () => {
      const random = new Source(bits + group);
      const x = random.normal(M * K);
      const groups = K / group;
      const words = K * bits / 32;
      const codes = new Uint32Array(N * words);
      const drawn = random.below(2 ** bits, N * K);
      drawn.forEach((code, i) => putCode(codes, Math.floor(i / K) * words, i % K, bits, code));
      const zeros = random.below(2 ** bits, N * groups);
      const zeroBytes = Math.ceil(groups * bits / 8);
      const packed = new Uint8Array(N * zeroBytes);
      zeros.forEach((zero, i) => {
        const bit = (i % groups) * bits;
        packed[Math.floor(i / groups) * zeroBytes + (bit >> 3)] |= zero << (bit % 8);
      });
      const half = f32ToF16(random.normal(N * groups, 0.1));
      const format: Grouped = { kind: "grouped", bits, group, ordered: false, scales: "f16" };
      const wanted = await runOnnx(
        "MatMulNBits",
        [
          { value: dense([M, K], x) },
          {
            value: dense([N, groups, group * bits / 8], new Uint8Array(codes.buffer)),
            type: "uint8",
          },
          { value: dense([N, groups], f16ToF32(half)) },
          { value: dense([N, zeroBytes], packed), type: "uint8" },
        ],
        [M, N],
        { K: { int: K }, N: { int: N }, bits: { int: bits }, block_size: { int: group } },
        { domain: "com.microsoft" },
      );
      const scales = Uint32Array.from(half, (bits, i) => bits | (zeros[i] << 16));
      const y = await ours(format, x, [codes, scales]);
      compare(`${bits} bits`, y, wanted.data, tolerance);
    });
  }
}
