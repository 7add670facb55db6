// The element types of tensor files, their sizes, and exact conversions between f32 and the two
// 16-bit floats.
import { EftError } from "../errors.ts";

/**
 * Bytes per element, in the order of the reference implementation's `Dtype` (by alignment), which
 * decides the order of tensors in a file.
 */
export const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  F8_E8M0: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
} as const;

export type Dtype = keyof typeof DTYPE_BYTES;

export const DTYPES = Object.keys(DTYPE_BYTES) as Dtype[];

/** f32 to the bits of bf16, rounded to nearest, ties to even; not-a-number stays so. */
export function f32ToBf16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const result = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i]!;
    // Rounding could carry a not-a-number into infinity: keep its top bits and make it quiet.
    const isNaN = (word & 0x7fffffff) > 0x7f800000;
    result[i] = isNaN ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return result;
}

/** The bits of bf16 to f32, exactly. */
export function bf16ToF32(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const words = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16;
  return new Float32Array(words.buffer);
}

/** f32 to the bits of f16, rounded to nearest, ties to even, with subnormals. */
export function f32ToF16(values: Float32Array): Uint16Array<ArrayBuffer> {
  return new Uint16Array(new Float16Array(values).buffer);
}

/** The bits of f16 to f32, exactly. */
export function f16ToF32(bits: Uint16Array): Float32Array<ArrayBuffer> {
  return new Float32Array(new Float16Array(bits.buffer, bits.byteOffset, bits.length));
}

/** The bytes of a tensor of F32, F16 or BF16 as f32. */
export function bytesToF32(bytes: Uint8Array, dtype: Dtype): Float32Array<ArrayBuffer> {
  const aligned = bytes.slice().buffer; // a view of 2- or 4-byte elements needs its own alignment
  if (dtype === "F32") return new Float32Array(aligned);
  if (dtype === "F16") return f16ToF32(new Uint16Array(aligned));
  if (dtype === "BF16") return bf16ToF32(new Uint16Array(aligned));
  throw new EftError("model", `a tensor of dtype ${dtype} cannot be read as floating point`);
}

/** f32 values as the bytes of F32, F16 or BF16. */
export function f32ToBytes(values: Float32Array, dtype: Dtype): Uint8Array<ArrayBuffer> {
  if (dtype === "F32") return new Uint8Array(values.slice().buffer);
  if (dtype === "F16") return new Uint8Array(f32ToF16(values).buffer);
  if (dtype === "BF16") return new Uint8Array(f32ToBf16(values).buffer);
  throw new EftError("model", `floating point cannot be written as dtype ${dtype}`);
}
