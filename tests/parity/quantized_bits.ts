// The bits of weights that a device quantizes and unpacks, as digests by name, in any host:
// `deno run -A quantized_bits.ts --engine wgpu|dawn` prints them, and a page calls `quantizedBits`.

import { openSafetensors, type SafetensorsSet } from "../../src/files/safetensors.ts";
import { type Device, openDevice } from "../../src/gpu/device.ts";
import { Memory } from "../../src/gpu/program.ts";
import { Graph, type Tensor, tensor } from "../../src/graph/graph.ts";
import { linear } from "../../src/graph/operations/matmul.ts";
import { plan } from "../../src/graph/plan.ts";
import type { EngineName, Host } from "../../src/host/host.ts";
import type { QuantFormat } from "../../src/quant/format.ts";
import { fromGptq } from "../../src/quant/grouped.ts";
import { Quantizer, quantizingScratch } from "../../src/quant/quantize.ts";
import { quantizedTensor } from "../../src/quant/tensor.ts";

const formats: Record<string, QuantFormat> = {
  "nf4, nested": { kind: "nf4", block: 64, nested: true },
  "fp4": { kind: "fp4", block: 64, nested: false },
  "int8": { kind: "int8" },
};
/** Every shape in one type, and the one with a rest in all; SwiftShader compiles for half a second. */
const quantized = /^(even\.bfloat16|crossing\.float16|odd\.(bfloat16|float16|float32))$/;
const packed = /^(gptq\.(?:[2348]\.32\.0\.0\.1|4\.32\.1\.0\.2))\.qweight$/;

export interface QuantizedBits {
  adapter: string;
  digests: Record<string, string>;
}

export async function quantizedBits(host: Host, engine?: EngineName): Promise<QuantizedBits> {
  const device = await openDevice(host, engine);
  const digests: Record<string, string> = {};
  const memory = new Memory(device);
  const made = await openSafetensors(host, "tests/golden/quant/bitsandbytes.safetensors");
  for (const [name, entry] of made.tensors) {
    if (!quantized.test(name)) continue;
    for (const [form, format] of Object.entries(formats)) {
      const weight = quantizedTensor(`${name} as ${form}`, entry.shape, format);
      const quantizer = new Quantizer(memory, quantizingScratch([weight]));
      await quantizer.quantize(weight, entry);
      quantizer.destroy();
      const { parts } = weight.quantized!;
      for (const [i, bytes] of (await memory.read(parts.map((tensor) => ({ tensor })))).entries()) {
        digests[`${weight.name}, part ${i}`] = await digest(bytes);
      }
      if (!name.endsWith(".bfloat16")) continue;
      digests[`${weight.name}, unpacked`] = await digest(await unpacked(device, memory, weight));
    }
  }
  made.close();
  const given = await openSafetensors(host, "tests/golden/quant/unpacking.safetensors");
  for (const name of given.tensors.keys()) {
    const [, label] = packed.exec(name) ?? [];
    if (!label) continue;
    const weight = await gptqWeight(memory, given, label);
    digests[`${label}, unpacked`] = await digest(await unpacked(device, memory, weight));
  }
  given.close();
  memory.destroy();
  device.destroy();
  return { adapter: device.summary.name, digests };
}

/** A weight of [32, 128]; the label says how it is packed, see tests/quant/unpacking_test.ts. */
async function gptqWeight(memory: Memory, files: SafetensorsSet, label: string): Promise<Tensor> {
  const [bits, size, ordered, , version] = label.split(".").slice(1).map(Number);
  const format = {
    kind: "grouped",
    bits: bits as 4,
    group: size === -1 ? 128 : size,
    ordered: ordered === 1,
    scales: "f16",
  } as const;
  const read = async (part: string) =>
    (await files.tensors.get(`${label}.${part}`)!.read()).slice().buffer;
  const words = async (part: string) => new Uint32Array(await read(part));
  const values = fromGptq(
    await words("qweight"),
    await words("qzeros"),
    new Uint16Array(await read("scales")),
    32,
    128,
    format,
    version as 1,
  );
  const weight = quantizedTensor(label, [32, 128], format);
  const [codes, scales, order] = weight.quantized!.parts;
  memory.write(codes, values.codes);
  memory.write(scales, values.scales);
  if (order) memory.write(order, await words("g_idx"));
  return weight;
}

/** A product with the identity matrix gives the weight itself: every other term is 0. */
async function unpacked(device: Device, memory: Memory, weight: Tensor): Promise<ArrayBuffer> {
  const columns = weight.shape[1];
  const identity = new Float32Array(columns * columns);
  for (let i = 0; i < columns; i++) identity[i * columns + i] = 1;
  const x = tensor("identity", [columns, columns], "f32", "input");
  const graph = new Graph();
  const y = graph.call(linear, [x, weight], {});
  graph.result(y);
  const [program] = await memory.compile([plan("unpack", graph, device.limits)]);
  memory.write(x, identity);
  program.run();
  const [bytes] = await memory.read([{ tensor: y, program }]);
  memory.forget([program]);
  // A sum with other terms of +0 and −0 may have either sign where it is zero.
  return Float32Array.from(new Float32Array(bytes), (value) => value + 0).buffer;
}

async function digest(bytes: ArrayBuffer): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...hash.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

if (import.meta.main) {
  const { denoHost } = await import("../../src/host/deno.ts");
  const engine = Deno.args[Deno.args.indexOf("--engine") + 1] as EngineName;
  console.log(JSON.stringify(await quantizedBits(denoHost(), engine)));
}
