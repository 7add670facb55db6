// What the weights of a quantized base stand for, on the host and one at a time: what an adapter that
// was trained on them is merged with, and what some adapters start from.

import { assert } from "../errors.ts";
import { bytesToF32, f16ToF32, f32ToF16 } from "../files/dtype.ts";
import type { SafetensorsSet } from "../files/safetensors.ts";
import type { Tensor } from "../graph/graph.ts";
import { findTensor } from "../model/weights.ts";
import { savedParts } from "./checkpoint.ts";
import { dequantize4bit, nestedValues, roundTrip4bit } from "./four_bit.ts";
import { nestedHeader, type QuantFormat } from "./format.ts";
import { dequantizeInt8, quantizeInt8 } from "./int8.ts";

/** The values of a weight that is held in 4 or 8 bits, from the files it is loaded from. */
export async function heldValues(
  files: SafetensorsSet,
  name: string,
  weight: Tensor,
): Promise<Float32Array<ArrayBuffer>> {
  const { format, source } = weight.quantized!;
  assert(format.kind !== "grouped", `${name}: GPTQ and AWQ weights are not merged`);
  const [rows, columns] = weight.shape;
  if (source === "weights") {
    const entry = findTensor(files, name, weight.shape);
    return roundTrip(bytesToF32(await entry.read(), entry.dtype), rows, format);
  }
  const entries = savedParts(files, name, weight.shape, format, source);
  const codes = await entries.codes.read();
  const maxima = await entries.maxima.read();
  if (format.kind === "int8") {
    return dequantizeInt8({
      codes: new Int8Array(codes.buffer, codes.byteOffset, codes.length),
      maxima: bytesToF32(maxima, "F32"),
    });
  }
  const held = format.nested
    ? nestedValues({
      codes: maxima,
      maxima: bytesToF32(await entries.outer.read(), "F32"),
      offset: JSON.parse(new TextDecoder().decode(await entries.state.read())).nested_offset,
    }, bytesToF32(await entries.map.read(), "F32"))
    : bytesToF32(maxima, "F32");
  return dequantize4bit(codes, held, format, rows * columns);
}

/** What the values of a matrix become when it is held in 4 or 8 bits. */
export function roundTrip(
  values: Float32Array,
  rows: number,
  format: QuantFormat,
): Float32Array<ArrayBuffer> {
  assert(format.kind !== "grouped", "nothing is quantized into GPTQ's form while training");
  return format.kind === "int8"
    ? dequantizeInt8(quantizeInt8(f16ToF32(f32ToF16(values)), rows))
    : roundTrip4bit(values, format);
}

/** The values of a weight in 4 or 8 bits from its parts, as the device has them. */
export function valuesOfParts(
  { name, shape: [rows, columns], quantized }: Tensor,
  [codes, scales, nested]: readonly ArrayBuffer[],
): Float32Array<ArrayBuffer> {
  const { format } = quantized!;
  assert(format.kind !== "grouped", `${name}: nothing starts from GPTQ and AWQ weights`);
  const count = rows * columns;
  if (format.kind === "int8") {
    return dequantizeInt8({
      codes: new Int8Array(codes, 0, count),
      maxima: new Float32Array(scales),
    });
  }
  const blocks = Math.ceil(count / format.block);
  const floats = format.nested ? new Float32Array(nested) : undefined;
  const maxima = floats
    ? nestedValues({
      codes: new Uint8Array(scales, 0, blocks),
      maxima: floats.slice(nestedHeader),
      offset: floats[nestedHeader - 1],
    }, floats.slice(0, nestedHeader - 1))
    : new Float32Array(scales);
  return dequantize4bit(new Uint8Array(codes), maxima, format, count);
}
