// Tuning may change speed only: whatever it picks, a product has the same bits.

import assert from "node:assert/strict";
import { f32ToF16 } from "../../src/files/dtype.ts";
import { Graph, type Tensor, tensor } from "../../src/graph/graph.ts";
import { linear } from "../../src/graph/operations/matmul.ts";
import { matmulCandidates, shapeKey } from "../../src/graph/matmul.ts";
import { plan } from "../../src/graph/plan.ts";
import { tune } from "../../src/gpu/tuner.ts";
import { RandomStream } from "../../src/random.ts";
import { runGraph, testDevice, type Values } from "../device.ts";

const sanitize = { sanitizeOps: false, sanitizeResources: false };

for (const dtype of ["f32", "f16"] as const) {
  Deno.test(
    `tuning measures every shape and keeps the bits: ${dtype}`,
    sanitize,
    () => keeps(dtype),
  );
}

async function keeps(dtype: "f32" | "f16") {
  const device = await testDevice();
  if (dtype === "f16" && !device.limits.f16) return;
  const x = tensor("x", [96, 48], dtype, "input");
  const w = tensor("w", [80, 48], "f32", "weight");
  const random = new RandomStream(7, 0);
  const numbers = Float32Array.from({ length: 96 * 48 }, () => random.normal());
  const values = new Map<Tensor, Values>([
    [x, dtype === "f32" ? numbers : new Uint32Array(f32ToF16(numbers).buffer)],
    [w, Float32Array.from({ length: 80 * 48 }, () => random.normal())],
  ]);
  const build = (graph: Graph) => [graph.call(linear, [x, w], {})];
  const graph = new Graph();
  graph.result(build(graph)[0]);
  const { dispatches } = plan("tuned", graph, device.limits);
  const shape = dispatches[0].matmul!;

  const before = device.allocatedBytes;
  const choices = await tune(device, dispatches, 60000);
  assert.equal(device.allocatedBytes, before, "its buffers are given back");
  const candidates = matmulCandidates(shape, device.limits);
  for (const [key, choice] of Object.entries(choices)) {
    assert.equal(key, shapeKey(shape));
    assert.ok(candidates.some((candidate) => candidate === choice));
  }

  const [untuned] = await runGraph(values, build);
  for (const candidate of candidates) {
    const [found] = await runGraph(values, build, { kernels: { [shapeKey(shape)]: candidate } });
    assert.deepEqual(found, untuned);
  }
}

Deno.test("tuning stops when its time is spent", sanitize, async () => {
  const device = await testDevice();
  const x = tensor("x", [64, 64], "f32", "input");
  const w = tensor("w", [64, 64], "f32", "weight");
  const graph = new Graph();
  graph.result(graph.call(linear, [x, w], {}));
  assert.deepEqual(await tune(device, plan("p", graph, device.limits).dispatches, 0), {});
});
