// GPTQ and AWQ weights, packed by NumPy from the documented formulas (tests/golden/quant), are
// unpacked exactly, on the host and by the kernels.

import assert from "node:assert/strict";
import { openSafetensors, type SafetensorsSet } from "../../src/files/safetensors.ts";
import { type Tensor, tensor } from "../../src/graph/graph.ts";
import { linear } from "../../src/graph/operations/matmul.ts";
import { denoHost } from "../../src/host/deno.ts";
import type { Grouped } from "../../src/quant/format.ts";
import { dequantizeGrouped, fromAwq, fromGptq } from "../../src/quant/grouped.ts";
import { quantizedTensor } from "../../src/quant/tensor.ts";
import { runGraph, type Values } from "../device.ts";
import { deviceTest } from "../graph/operations/check.ts";

const rows = 32;
const columns = 128;

async function part<T>(
  files: SafetensorsSet,
  name: string,
  as: new (buffer: ArrayBuffer) => T,
): Promise<T> {
  return new as((await files.tensors.get(name)!.read()).slice().buffer);
}

/** A product with the identity matrix gives the weight itself: every other term is 0. */
async function asKernelsRead(format: Grouped, parts: Uint32Array<ArrayBuffer>[]) {
  const weight = quantizedTensor("w", [rows, columns], format);
  const x = tensor("x", [columns, columns], "f32", "input");
  const identity = new Float32Array(columns * columns);
  for (let i = 0; i < columns; i++) identity[i * columns + i] = 1;
  const given = new Map<Tensor, Values>([[x, identity]]);
  weight.quantized!.parts.forEach((tensor, i) => given.set(tensor, parts[i]));
  const [y] = await runGraph(given, (graph) => [graph.call(linear, [x, weight], {})]);
  const values = new Float32Array(rows * columns);
  for (let k = 0; k < columns; k++) {
    for (let n = 0; n < rows; n++) values[n * columns + k] = y[k * rows + n];
  }
  return values;
}

deviceTest("GPTQ and AWQ weights are unpacked exactly", async () => {
  const files = await openSafetensors(denoHost(), "tests/golden/quant/unpacking.safetensors");
  const labels = [...files.tensors.keys()].filter((name) => name.endsWith(".values"));
  for (const label of labels.map((name) => name.replace(/\.values$/, ""))) {
    const [kind, ...settings] = label.split(".");
    const [bits, size, ordered, , version] = kind === "awq"
      ? [4, Number(settings[0]), 0, 0, 1]
      : settings.map(Number);
    const format: Grouped = {
      kind: "grouped",
      bits: bits as 4,
      group: size === -1 ? columns : size,
      ordered: ordered === 1,
      scales: "f16",
    };
    const qweight = await part(files, `${label}.qweight`, Uint32Array);
    const zeros = await part(files, `${label}.qzeros`, Uint32Array);
    const scales = await part(files, `${label}.scales`, Uint16Array);
    const order = format.ordered ? await part(files, `${label}.g_idx`, Uint32Array) : undefined;
    const values = kind === "awq"
      ? fromAwq(qweight, zeros, scales, rows, columns, format)
      : fromGptq(qweight, zeros, scales, rows, columns, format, version as 1);
    const wanted = await part(files, `${label}.values`, Float32Array);
    const onHost = dequantizeGrouped(values, rows, columns, format, order);
    assert.ok(onHost.every((value, i) => value === wanted[i]), `${label} on the host`);
    const onDevice = await asKernelsRead(format, [
      values.codes as Uint32Array<ArrayBuffer>,
      values.scales as Uint32Array<ArrayBuffer>,
      ...(order ? [order as Uint32Array<ArrayBuffer>] : []),
    ]);
    assert.ok(onDevice.every((value, i) => value === wanted[i]), `${label} on the device`);
  }
  console.log(`${labels.length} weights`);
  files.close();
});
