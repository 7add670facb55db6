// Weights of the base as plain numbers on the host, for what starts from them. Those held in 4 or 8 bits
// are dequantized, and quantized again by the kernels that quantize them at loading.

import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "../files/dtype.ts";
import type { Memory } from "../gpu/program.ts";
import { bytesOf, sizeOf, type Tensor } from "../graph/graph.ts";
import { valuesOfParts } from "../quant/dense.ts";
import { Quantizer, quantizingScratch, storedValues } from "../quant/quantize.ts";

/** Bytes that are copied back at once. */
const pieceBytes = 8 * 2 ** 20;

/** The values of a weight on the device. */
export async function readWeight(
  memory: Memory,
  weight: Tensor,
): Promise<Float32Array<ArrayBuffer>> {
  if (weight.quantized) {
    const parts: ArrayBuffer[] = [];
    for (const part of weight.quantized.parts) parts.push(await readBytes(memory, part));
    return valuesOfParts(weight, parts);
  }
  const size = sizeOf(weight);
  const bytes = await readBytes(memory, weight);
  if (weight.dtype === "f32") return new Float32Array(bytes, 0, size);
  const halves = new Uint16Array(bytes, 0, size);
  return weight.dtype === "bf16" ? bf16ToF32(halves) : f16ToF32(halves);
}

async function readBytes(memory: Memory, tensor: Tensor): Promise<ArrayBuffer> {
  const all = new Uint8Array(bytesOf(tensor));
  for (let offset = 0; offset < all.length; offset += pieceBytes) {
    const bytes = Math.min(pieceBytes, all.length - offset);
    const [piece] = await memory.read([{ tensor, offset, bytes }]);
    all.set(new Uint8Array(piece), offset);
  }
  return all.buffer;
}

/** Writes values into a weight on the device, rounded to its dtype or quantized. */
export async function writeWeight(
  memory: Memory,
  weight: Tensor,
  values: Float32Array<ArrayBuffer>,
): Promise<void> {
  if (weight.quantized) {
    const quantizer = new Quantizer(memory, quantizingScratch([weight]));
    await quantizer.quantize(weight, storedValues(weight.name, values));
    return quantizer.destroy();
  }
  if (weight.dtype === "f32") return memory.write(weight, values);
  const halves = weight.dtype === "bf16" ? f32ToBf16(values) : f32ToF16(values);
  const padded = new Uint16Array(Math.ceil(halves.length / 2) * 2);
  padded.set(halves);
  memory.write(weight, padded);
}

/** W + scale·B·A for W [N, K], A [R, K] and B [N, R], summed in f64. */
export function plusProduct(
  weight: Float32Array,
  down: Float32Array,
  up: Float32Array,
  scale: number,
): Float32Array<ArrayBuffer> {
  const rank = Math.sqrt(down.length * up.length / weight.length);
  const K = down.length / rank;
  const whole = new Float32Array(weight.length);
  const sums = new Float64Array(K);
  for (let n = 0; n * K < whole.length; n++) {
    sums.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = up[n * rank + r];
      for (let k = 0; k < K; k++) sums[k] += factor * down[r * K + k];
    }
    for (let k = 0; k < K; k++) whole[n * K + k] = weight[n * K + k] + scale * sums[k];
  }
  return whole;
}
