// The memory plan: no tensor loses its memory while it is still to be read, in-place writes are
// checked, bindings cover their matrix, and the report is what a device really allocates.

import assert from "node:assert/strict";
import fc from "fast-check";
import { EftError } from "../../src/errors.ts";
import { Memory } from "../../src/gpu/program.ts";
import {
  bytesOf,
  Graph,
  isTransient,
  type Operation,
  type Tensor,
  tensor,
} from "../../src/graph/graph.ts";
import { leastLimits, rowShards } from "../../src/graph/limits.ts";
import { linear } from "../../src/graph/operations/matmul.ts";
import { rmsNorm } from "../../src/graph/operations/rms_norm.ts";
import { rope } from "../../src/graph/operations/rope.ts";
import { memoryReport, type Plan, plan, poolOrder, sharedSlotBytes } from "../../src/graph/plan.ts";
import { testDevice } from "../device.ts";
import { deviceTest } from "./operations/check.ts";

interface Outputs {
  sizes: number[];
  /** Output 0 takes over the memory of input 0. */
  inPlace: boolean;
}

/** An operation without kernels, for plans that never run. */
const opaque: Operation<Outputs> = {
  name: "opaque",
  infer: (_, { sizes, inPlace }) =>
    sizes.map((size, i) => ({
      name: `of ${size}`,
      shape: [size],
      inPlace: inPlace && i === 0 ? 0 : undefined,
    })),
  lower: () => [],
};

interface Step extends Outputs {
  reads: number[];
  keep: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  reads: fc.array(fc.nat(), { maxLength: 3 }),
  sizes: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 3 }),
  inPlace: fc.boolean(),
  keep: fc.boolean(),
});

/** A graph in which every in-place write is a legal one. */
function build(steps: readonly Step[]): Graph {
  const graph = new Graph();
  const weight = tensor("weight", [4], "f32", "weight");
  const readable: Tensor[] = [];
  for (const { reads, sizes, inPlace, keep } of steps) {
    const inputs = [...new Set(reads.map((read) => readable[read % readable.length] ?? weight))];
    const target = inputs[0];
    const over = inPlace && target !== undefined && isTransient(target) &&
      !graph.results.includes(target);
    const outputs = graph.add(opaque, inputs, {
      sizes: over ? [target.shape[0], ...sizes.slice(1)] : sizes,
      inPlace: over,
    });
    if (over) readable.splice(readable.indexOf(target), 1);
    readable.push(...outputs);
    if (keep) graph.result(outputs[0]);
  }
  return graph;
}

/** Plays a plan: every slot remembers whose values it holds. */
function play(graph: Graph, { slots, slotBytes }: Plan): void {
  const holds = new Map<number, Tensor>();
  const expectHeld = (value: Tensor, when: string) =>
    assert.equal(holds.get(slots.get(value)!), value, `${value.name} is gone ${when}`);
  for (const node of graph.nodes) {
    const inputs = node.inputs.filter(isTransient);
    for (const input of inputs) expectHeld(input, "when it is read");
    const written = new Set<number>();
    node.outputs.forEach((output, i) => {
      const slot = slots.get(output)!;
      assert.ok(bytesOf(output) <= slotBytes[slot], "the slot is too small");
      assert.ok(!written.has(slot), "two outputs in one slot");
      written.add(slot);
      const over = node.inPlace.find(([o]) => o === i);
      const sharing = inputs.filter((input) => slots.get(input) === slot);
      assert.deepEqual(sharing, over ? [node.inputs[over[1]]] : [], "an output over an input");
      holds.set(slot, output);
    });
  }
  for (const result of graph.results) expectHeld(result, "at the end");
}

Deno.test("no slot is reused while its tensor is still needed", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), (steps) => {
      const graph = build(steps);
      const planned = plan("random", graph, leastLimits);
      play(graph, planned);
      // Sharing never costs more than a buffer for every tensor.
      const tensors = graph.nodes.flatMap((node) => node.outputs);
      const apart = tensors.reduce((sum, value) => sum + bytesOf(value), 0);
      assert.ok(planned.slotBytes.reduce((a, b) => a + b, 0) <= apart);
    }),
    { numRuns: 500 },
  );
});

Deno.test("every plan finds a large enough buffer of its own in the shared pool", () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.nat(1000), { maxLength: 8 }), { maxLength: 5 }), (sizes) => {
      const plans = sizes.map((slotBytes) => ({ slotBytes }) as Plan);
      const pool = sharedSlotBytes(plans);
      for (const each of plans) {
        const order = poolOrder(each);
        assert.equal(new Set(order).size, each.slotBytes.length);
        each.slotBytes.forEach((bytes, slot) => assert.ok(pool[order[slot]] >= bytes));
      }
    }),
  );
});

Deno.test("a tensor that is read again, kept or lasting cannot be overwritten", () => {
  const start = (graph: Graph) => graph.call(opaque, [], { sizes: [8], inPlace: false });
  const over = { sizes: [8], inPlace: true };
  const misuses: Record<string, (graph: Graph) => void> = {
    "read again": (graph) => {
      const value = start(graph);
      const changed = graph.call(opaque, [value], over);
      graph.result(graph.call(opaque, [value, changed], { sizes: [1], inPlace: false }));
    },
    "a result": (graph) => {
      const value = graph.result(start(graph));
      graph.result(graph.call(opaque, [value], over));
    },
    "a weight": (graph) => {
      graph.result(graph.call(opaque, [tensor("weight", [8], "f32", "weight")], over));
    },
    "read by the same node": (graph) => {
      const value = start(graph);
      graph.result(graph.call(opaque, [value, value], over));
    },
  };
  for (const [name, misuse] of Object.entries(misuses)) {
    const graph = new Graph();
    misuse(graph);
    assert.throws(() => plan(name, graph, leastLimits), /overwrites .* read again/, name);
  }
});

Deno.test("a graph keeps what its results need and drops the rest", () => {
  const graph = new Graph();
  const value = graph.call(opaque, [], { sizes: [8], inPlace: false });
  graph.call(opaque, [value], { sizes: [8], inPlace: false });
  graph.result(graph.call(opaque, [value], { sizes: [4], inPlace: false }));
  plan("pruned", graph, leastLimits);
  assert.equal(graph.nodes.length, 2);
});

Deno.test("a tensor larger than a buffer or a binding is refused with a remedy", () => {
  const graph = new Graph();
  const x = tensor("x", [64, 64], "f32", "input");
  const weight = tensor("weight", [64], "f32", "weight");
  graph.result(graph.call(rmsNorm, [x, weight], { epsilon: 1 }));
  const tight = { ...leastLimits, maxBinding: 8192 };
  assert.throws(
    () => plan("tight", graph, tight),
    /more than the .* that a kernel .* a device with larger/,
  );
  const small = { ...leastLimits, maxBuffer: 8192 };
  assert.throws(() => plan("small", graph, small), /Lower micro_batch_size/);
});

Deno.test("rowShards covers a matrix exactly, in aligned pieces that fit", () => {
  const alignments = fc.constantFrom(16, 32, 256);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5000 }),
      fc.integer({ min: 1, max: 600 }),
      fc.integer({ min: 256, max: 100_000 }),
      alignments,
      fc.constantFrom(0, 4),
      (rows, bytesPerRow, maxBinding, offsetAlignment, beside) => {
        const limits = { ...leastLimits, maxBinding, offsetAlignment };
        let shards;
        try {
          shards = rowShards(rows, bytesPerRow, limits, beside);
        } catch (error) {
          // Refused only where one aligned step of rows is more than a binding.
          assert.ok(error instanceof EftError && error.code === "device");
          assert.ok(rows * bytesPerRow > maxBinding);
          assert.ok(bytesPerRow * offsetAlignment > maxBinding);
          return;
        }
        let row = 0;
        for (const shard of shards) {
          assert.equal(shard.row, row);
          assert.equal(shard.offset, row * bytesPerRow);
          assert.equal(shard.offset % offsetAlignment, 0);
          assert.equal(shard.row * beside % offsetAlignment, 0);
          assert.equal(shard.bytes, shard.rows * bytesPerRow);
          assert.ok(shard.rows > 0 && shard.bytes <= maxBinding);
          row += shard.rows;
        }
        assert.equal(row, rows);
      },
    ),
    { numRuns: 1000 },
  );
});

deviceTest("the memory report is what the device allocates, byte for byte", async () => {
  const device = await testDevice();
  const memory = new Memory(device);
  const before = device.allocatedBytes;
  try {
    const weight = tensor("weight", [7, 12], "bf16", "weight");
    const odd = tensor("odd", [3, 7], "bf16", "weight"); // 42 bytes take 44
    const group = tensor("group", [128], "f32", "trained");
    const scale = tensor("scale", [12], "f32", "trained");
    scale.view = { of: group, offset: 256 };
    const table = tensor("table", [4, 4], "f32", "weight");
    const make = (rows: number) => {
      const graph = new Graph();
      const x = tensor("x", [rows, 12], "f32", "input");
      const positions = tensor("positions", [rows], "u32", "input");
      const normed = graph.call(rmsNorm, [x, scale], { epsilon: 1e-5 });
      const turned = graph.call(rope, [normed, positions, table], { heads: 3 });
      const y = graph.call(linear, [turned, weight], {});
      graph.result(graph.call(linear, [y, odd], {}));
      return plan(`of ${rows}`, graph, device.limits);
    };
    const plans = [make(5), make(9)];
    await memory.compile([plans[0]]);
    assert.equal(device.allocatedBytes - before, memoryReport([plans[0]]).total);
    await memory.compile([plans[1]]);
    const report = memoryReport(plans);
    assert.equal(device.allocatedBytes - before, report.total);
    assert.equal(report.weights, 7 * 12 * 2 + 44 + 64);
    assert.equal(report.trained, 512);
    assert.equal(report.inputs, (5 + 9) * 13 * 4);
    assert.deepEqual([report.gradients, report.optimizer, report.state], [0, 0, 0]);
  } finally {
    memory.destroy();
  }
  assert.equal(device.allocatedBytes, before);
});
