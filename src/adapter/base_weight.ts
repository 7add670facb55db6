// Weights of the base as plain numbers on the host: for initializations that start from them. Formats
// other than floats would be dequantized and quantized again here.

import { EftError } from "../errors.ts";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "../files/dtype.ts";
import type { Memory } from "../gpu/program.ts";
import { bytesPerElement, sizeOf, type Tensor } from "../graph/graph.ts";

const formats = ["f32", "bf16", "f16"];

function assertFloats(tensor: Tensor): void {
  if (!formats.includes(tensor.dtype)) {
    throw new EftError(
      "config",
      `${tensor.name} is quantized (${tensor.dtype}), which this kind of adapter cannot start ` +
        "from yet. Use the unquantized model.",
    );
  }
}

/** The values of a weight on the device. */
export async function readWeight(memory: Memory, tensor: Tensor): Promise<Float32Array> {
  assertFloats(tensor);
  const size = sizeOf(tensor);
  const [bytes] = await memory.read([{ tensor }]);
  if (tensor.dtype === "f32") return new Float32Array(bytes, 0, size);
  const halves = new Uint16Array(bytes, 0, size);
  return tensor.dtype === "bf16" ? bf16ToF32(halves) : f16ToF32(halves);
}

/** Writes values into a weight on the device, rounded to its dtype. */
export function writeWeight(
  memory: Memory,
  tensor: Tensor,
  values: Float32Array<ArrayBuffer>,
): void {
  assertFloats(tensor);
  if (tensor.dtype === "f32") return memory.write(tensor, values);
  const halves = tensor.dtype === "bf16" ? f32ToBf16(values) : f32ToF16(values);
  const padded = new Uint16Array(Math.ceil(halves.length * bytesPerElement(tensor.dtype) / 4) * 2);
  padded.set(halves);
  memory.write(tensor, padded);
}
