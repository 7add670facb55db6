import { deepEqual, equal, ok, throws } from "node:assert/strict";
import {
  bf16ToF32,
  bytesToF32,
  f16ToF32,
  f32ToBf16,
  f32ToBytes,
  f32ToF16,
} from "../../src/files/dtype.ts";

const ALL = Uint16Array.from({ length: 65536 }, (_, i) => i);

/** The value that a 16-bit float means, written out from its definition. */
function meaning(bits: number, exponentBits: number): number {
  const fractionBits = 15 - exponentBits;
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits & 0x7fff) >>> fractionBits;
  const fraction = (bits & ((1 << fractionBits) - 1)) / 2 ** fractionBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === 2 ** exponentBits - 1) return fraction ? NaN : sign * Infinity;
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias);
  return sign * (1 + fraction) * 2 ** (exponent - bias);
}

Deno.test("every f16 and bf16 reads as what it means and survives the way back", () => {
  const f16 = f16ToF32(ALL), bf16 = bf16ToF32(ALL);
  const backF16 = f32ToF16(f16), backBf16 = f32ToBf16(bf16);
  for (let bits = 0; bits < 65536; bits++) {
    ok(Object.is(f16[bits], meaning(bits, 5)), `f16 ${bits}`);
    ok(Object.is(bf16[bits], meaning(bits, 8)), `bf16 ${bits}`);
    if (!Number.isNaN(f16[bits])) equal(backF16[bits], bits);
    else ok(Number.isNaN(f16ToF32(backF16.slice(bits, bits + 1))[0]));
    if (!Number.isNaN(bf16[bits])) equal(backBf16[bits], bits);
    else ok(Number.isNaN(bf16ToF32(backBf16.slice(bits, bits + 1))[0]));
  }
});

Deno.test("rounding is to nearest, ties to even, with overflow to infinity", () => {
  for (
    const [narrow, widen, top] of [
      [f32ToF16, f16ToF32, 0x7bff],
      [f32ToBf16, bf16ToF32, 0x7f7f],
    ] as const
  ) {
    const values = widen(ALL);
    for (let bits = 0; bits < top; bits += 7) {
      const low = values[bits]!, high = values[bits + 1]!;
      const middle = Math.fround((low + high) / 2);
      const even = bits % 2 === 0 ? bits : bits + 1;
      equal(narrow(new Float32Array([middle]))[0], even, `tie above ${low}`);
      if (middle > low && middle < high) {
        const step = new Uint32Array(new Float32Array([middle]).buffer);
        const below = new Float32Array(new Uint32Array([step[0]! - 1]).buffer);
        const above = new Float32Array(new Uint32Array([step[0]! + 1]).buffer);
        equal(narrow(below)[0], bits);
        equal(narrow(above)[0], bits + 1);
      }
    }
    equal(widen(narrow(new Float32Array([3.4e38, -3.4e38])))[0], Infinity);
  }
});

Deno.test("bytes of any alignment convert, other dtypes are refused", () => {
  const values = new Float32Array([0, 1, -2.5, 0.333251953125]);
  for (const dtype of ["F32", "F16"] as const) {
    const bytes = f32ToBytes(values, dtype);
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    deepEqual(bytesToF32(shifted.subarray(1), dtype), values);
  }
  deepEqual(bytesToF32(f32ToBytes(values, "BF16"), "BF16").slice(0, 3), values.slice(0, 3));
  throws(() => bytesToF32(new Uint8Array(8), "I64"), /I64 cannot be read/);
});
