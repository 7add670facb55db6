// Codes and scales equal those of bitsandbytes bit for bit, on the host and on the device; see
// tests/golden/quant.

import assert from "node:assert/strict";
import { bytesToF32, f16ToF32, f32ToF16 } from "../../src/files/dtype.ts";
import { openSafetensors, type SafetensorsSet } from "../../src/files/safetensors.ts";
import { Memory } from "../../src/gpu/program.ts";
import { denoHost } from "../../src/host/deno.ts";
import type { QuantFormat } from "../../src/quant/format.ts";
import {
  codeBooks,
  dequantize4bit,
  dynamicMap,
  nestMaxima,
  quantize4bit,
} from "../../src/quant/four_bit.ts";
import { quantizeInt8 } from "../../src/quant/int8.ts";
import { Quantizer, quantizingScratch } from "../../src/quant/quantize.ts";
import { quantizedTensor } from "../../src/quant/tensor.ts";
import { testDevice } from "../device.ts";

const open = () => openSafetensors(denoHost(), "tests/golden/quant/bitsandbytes.safetensors");
const sanitize = { sanitizeOps: false, sanitizeResources: false };

async function values(files: SafetensorsSet, name: string) {
  const entry = files.tensors.get(name)!;
  const bytes = await entry.read();
  if (entry.dtype === "U8") return bytes;
  return entry.dtype === "I8" ? new Int8Array(bytes.buffer) : bytesToF32(bytes, entry.dtype);
}

/** Equal numbers; the sign of a zero does not count. */
const same = (found: ArrayLike<number>, wanted: ArrayLike<number>, name: string) =>
  assert.deepEqual(Array.from(found, (v) => v + 0), Array.from(wanted, (v) => v + 0), name);

const weights = ["even", "crossing", "odd"].flatMap((shape) =>
  ["bfloat16", "float16", "float32"].map((dtype) => `${shape}.${dtype}`)
);

Deno.test("code books are those of bitsandbytes", async () => {
  const files = await open();
  same(dynamicMap(), await values(files, "dynamic_map"), "8-bit map");
  for (const kind of ["nf4", "fp4"] as const) {
    same(codeBooks[kind], await values(files, kind), kind);
  }
  files.close();
});

/** PyTorch rounds the mean of f32 maxima along the way: the last bit of the offset is its own. */
const near = (found: number, wanted: number) =>
  assert.ok(Math.abs(found - wanted) <= 2 ** -22 * Math.abs(wanted), `${found} for ${wanted}`);

Deno.test("the host quantizes as bitsandbytes", async () => {
  const files = await open();
  for (const name of weights) {
    const weight = Float32Array.from(await values(files, name));
    for (const kind of ["nf4", "fp4"] as const) {
      const format = { kind, block: 64, nested: true };
      const { codes, maxima } = quantize4bit(weight, format);
      same(codes, await values(files, `${name}.${kind}.codes`), `${name} ${kind}`);
      same(maxima, await values(files, `${name}.${kind}.maxima`), `${name} ${kind} maxima`);
      const nested = nestMaxima(maxima);
      const wanted = async (part: string) => await values(files, `${name}.${kind}.nested.${part}`);
      same(nested.codes, await wanted("codes"), `${name} ${kind} nested`);
      near(nested.offset, (await wanted("offset"))[0]);
      const outer = await wanted("maxima");
      nested.maxima.forEach((value, i) => near(value, outer[i]));
      if (!name.endsWith("float32")) {
        assert.equal(nested.offset, (await wanted("offset"))[0]);
        same(nested.maxima, outer, `${name} ${kind} nested maxima`);
      } else {
        const dense = dequantize4bit(codes, maxima, format, weight.length);
        same(dense, await values(files, `${name}.${kind}.values`), `${name} ${kind} values`);
      }
    }
    const rows = files.tensors.get(name)!.shape[0];
    const int8 = quantizeInt8(f16ToF32(f32ToF16(weight)), rows);
    same(int8.codes, await values(files, `${name}.int8.codes`), `${name} int8`);
    same(int8.maxima, await values(files, `${name}.int8.maxima`), `${name} int8 maxima`);
  }
  files.close();
});

Deno.test("the device quantizes as bitsandbytes", sanitize, async () => {
  const files = await open();
  const device = await testDevice();
  const memory = new Memory(device);
  const quantized = async (name: string, format: QuantFormat) => {
    const entry = files.tensors.get(name)!;
    const weight = quantizedTensor(name, entry.shape, format);
    await new Quantizer(memory, quantizingScratch([weight])).quantize(weight, entry);
    return await memory.read(weight.quantized!.parts.map((tensor) => ({ tensor })));
  };
  for (const name of weights) {
    for (const kind of ["nf4", "fp4"] as const) {
      const wanted = async (part: string) => await values(files, `${name}.${kind}.${part}`);
      const label = `${name} ${kind}`;
      const [codes, maxima] = await quantized(name, { kind, block: 64, nested: false });
      const bytes = await wanted("codes");
      same(new Uint8Array(codes, 0, bytes.length), bytes, label);
      same(new Float32Array(maxima), await wanted("maxima"), `${label} maxima`);
      const [, small, nested] = await quantized(name, { kind, block: 64, nested: true });
      const floats = new Float32Array(nested);
      near(floats[256], (await wanted("nested.offset"))[0]);
      if (name.endsWith("float32")) continue;
      const smallBytes = await wanted("nested.codes");
      same(new Uint8Array(small, 0, smallBytes.length), smallBytes, `${label} nested`);
      same(floats.subarray(257), await wanted("nested.maxima"), `${label} nested maxima`);
    }
    const [codes, maxima] = await quantized(name, { kind: "int8" });
    const wanted = await values(files, `${name}.int8.codes`);
    same(new Int8Array(codes, 0, wanted.length), wanted, `${name} int8`);
    same(new Float32Array(maxima), await values(files, `${name}.int8.maxima`), `${name} maxima`);
  }
  memory.destroy();
  files.close();
});
