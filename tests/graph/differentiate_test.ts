// Differentiation: gradients that meet, weights used twice, frozen parts, and gradient checkpointing,
// which must not change a bit.

import assert from "node:assert/strict";
import { attachLora } from "../../src/adapter/lora.ts";
import { Memory } from "../../src/gpu/program.ts";
import { differentiate } from "../../src/graph/differentiate.ts";
import { Graph, isTransient, sizeOf, type Tensor, tensor } from "../../src/graph/graph.ts";
import { leastLimits } from "../../src/graph/limits.ts";
import { add } from "../../src/graph/operations/add.ts";
import { linear } from "../../src/graph/operations/matmul.ts";
import { rmsNorm } from "../../src/graph/operations/rms_norm.ts";
import { swiglu } from "../../src/graph/operations/swiglu.ts";
import { memoryReport, plan } from "../../src/graph/plan.ts";
import { packStep, statisticsTensor, stepTensor } from "../../src/graph/step_scalars.ts";
import { batchInputs } from "../../src/model/forward.ts";
import { declareModel } from "../../src/model/model.ts";
import { type ModelShape, ropeTable } from "../../src/model/architecture.ts";
import { microStepGraph } from "../../src/train/graphs.ts";
import { sortByToken } from "../../src/train/trainer.ts";
import * as addTwin from "../reference/add.ts";
import * as linearTwin from "../reference/matmul.ts";
import * as normTwin from "../reference/rms_norm.ts";
import * as swigluTwin from "../reference/swiglu.ts";
import { testDevice, trainedTensor } from "../device.ts";
import { check, deviceTest, Source } from "./operations/check.ts";
import { seedGradient, variable } from "./operations/seed_gradient.ts";

const epsilon = Math.fround(1e-5);

deviceTest("a gradient that two values share is overwritten by neither", async () => {
  const source = new Source(22);
  // (x + norm(z)) + linear(x): the sum hands one gradient to x and to the norm, and the linear layer
  // would like to add to it in place.
  await check("shared", {
    inputs: [
      source.activation([5, 8]),
      source.activation([5, 8]),
      source.trained([8]),
      source.trained([8, 8]),
    ],
    build(graph, [x, z, weight, square]) {
      const normed = graph.call(rmsNorm, [z, weight], { epsilon });
      const sum = graph.call(add, [x, normed], {});
      const twice = graph.call(linear, [graph.call(linear, [x, square], {}), square], {});
      return graph.add(add, [sum, twice], {});
    },
    twin([x, z, weight, square]) {
      const [normed] = normTwin.rmsNorm([z, weight], { epsilon });
      const [sum] = addTwin.add([x, normed], {});
      const [once] = linearTwin.linear([x, square], {});
      const [twice] = linearTwin.linear([once, square], {});
      return addTwin.add([sum, twice], {});
    },
    tolerance: 4e-6,
  });
});

deviceTest("a value read by two linears and a norm gets all three gradients", async () => {
  const source = new Source(21);
  await check("fan out", {
    inputs: [
      source.activation([5, 8]),
      source.trained([6, 8]),
      source.trained([6, 8]),
      source.trained([8]),
      source.trained([6, 8]),
    ],
    build(graph, [x, gate, up, weight, down]) {
      const unit = graph.call(
        swiglu,
        [graph.call(linear, [x, gate], {}), graph.call(linear, [x, up], {})],
        {},
      );
      const normed = graph.call(rmsNorm, [x, weight], { epsilon });
      return graph.add(add, [unit, graph.call(linear, [normed, down], {})], {});
    },
    twin([x, gate, up, weight, down]) {
      const [g] = linearTwin.linear([x, gate], {});
      const [u] = linearTwin.linear([x, up], {});
      const [normed] = normTwin.rmsNorm([x, weight], { epsilon });
      const [lower] = linearTwin.linear([normed, down], {});
      return addTwin.add([swigluTwin.swiglu([g, u], {})[0], lower], {});
    },
    tolerance: 2e-6,
  });
});

deviceTest("a weight used twice gets the sum of both gradients", async () => {
  const source = new Source(22);
  await check("shared weight", {
    inputs: [source.activation([7, 6]), source.trained([6, 6], 0.5), source.trained([6])],
    build: (graph, [x, weight, scale]) => {
      const once = graph.call(linear, [x, weight], { scale: 0.5 });
      const normed = graph.call(rmsNorm, [once, scale], { epsilon });
      const twice = graph.call(linear, [normed, weight], {});
      return graph.add(rmsNorm, [twice, scale], { epsilon });
    },
    twin: ([x, weight, scale]) => {
      const [once] = linearTwin.linear([x, weight], { scale: 0.5 });
      const [normed] = normTwin.rmsNorm([once, scale], { epsilon });
      const [twice] = linearTwin.linear([normed, weight], {});
      return [normTwin.rmsNorm([twice, scale], { epsilon })[0]];
    },
    tolerance: 1e-5, // the second norm divides rows that may be short
  });
});

deviceTest("a residual stream around a norm and a linear", async () => {
  const source = new Source(23);
  await check("residual", {
    inputs: [source.activation([4, 8]), source.trained([8]), source.trained([8, 8], 0.3)],
    build(graph, [x, scale, weight]) {
      let stream = x;
      for (let i = 0; i < 2; i++) {
        const normed = graph.call(rmsNorm, [stream, scale], { epsilon });
        stream = graph.call(add, [stream, graph.call(linear, [normed, weight], {})], {});
      }
      return [stream];
    },
    twin([x, scale, weight]) {
      let stream = x;
      for (let i = 0; i < 2; i++) {
        const [normed] = normTwin.rmsNorm([stream, scale], { epsilon });
        [stream] = addTwin.add([stream, linearTwin.linear([normed, weight], {})[0]], {});
      }
      return [stream];
    },
    tolerance: 2e-6,
  });
});

deviceTest("both sides of a sum may be the same value", async () => {
  const source = new Source(24);
  await check("doubled", {
    inputs: [source.activation([3, 5]), source.trained([5])],
    build(graph, [x, weight]) {
      const normed = graph.call(rmsNorm, [x, weight], { epsilon });
      return graph.add(add, [normed, normed], {});
    },
    twin([x, weight]) {
      const [normed] = normTwin.rmsNorm([x, weight], { epsilon });
      return addTwin.add([normed, normed], {});
    },
    tolerance: 2e-6,
  });
});

deviceTest("a linear beside its own input: the sum's gradient is read and added to", async () => {
  const source = new Source(25);
  await check("bare residual", {
    inputs: [source.activation([4, 6]), source.trained([6, 6], 0.4)],
    build: (graph, [x, weight]) => graph.add(add, [x, graph.call(linear, [x, weight], {})], {}),
    twin: ([x, weight]) => addTwin.add([x, linearTwin.linear([x, weight], {})[0]], {}),
    tolerance: 2e-6,
  });
});

deviceTest("the low-rank path adds into the frozen path's result", async () => {
  const source = new Source(26);
  await check("lora", {
    inputs: [
      source.activation([9, 12]),
      source.weight([10, 12], "bf16"),
      source.trained([2, 12]),
      source.trained([10, 2]),
    ],
    build(graph, [x, weight, down, up]) {
      const y = graph.call(linear, [x, weight], {});
      const narrow = graph.call(linear, [x, down], { scale: 0.25 });
      return graph.add(linear, [narrow, up, y], { add: true });
    },
    twin([x, weight, down, up]) {
      const [y] = linearTwin.linear([x, weight], {});
      const [narrow] = linearTwin.linear([x, down], { scale: 0.25 });
      return linearTwin.linear([narrow, up, y], { add: true });
    },
    tolerance: 2e-6,
  });
});

Deno.test("frozen weights get no gradient work", () => {
  const graph = new Graph();
  const x = trainedTensor("x", [4, 8]);
  const frozen = tensor("frozen", [8, 8], "f32", "weight");
  const before = graph.call(linear, [tensor("data", [4, 8], "f32", "input"), frozen], {});
  const after = graph.call(linear, [graph.call(variable, [x], {}), frozen], {});
  const y = graph.call(add, [before, after], {});
  graph.add(seedGradient, [y, tensor("gradient", [4, 8], "f32", "input")], {});
  const forward = graph.nodes.length;
  differentiate(graph);
  const names = graph.nodes.slice(forward).map((node) => node.operation.name);
  assert.deepEqual(names, ["linearBackward", "addInto"]);
});

const shape: ModelShape = {
  architecture: "LlamaForCausalLM",
  vocabulary: 30,
  width: 16,
  layers: 2,
  heads: 4,
  keyHeads: 2,
  headWidth: 4,
  feedForward: 20,
  normEpsilon: 1e-5,
  rope: { theta: 10000, scaling: { kind: "none" } },
  tied: false,
  biases: { qkv: true, output: false, feedForward: false },
  positions: 16,
  initializerRange: 0.02,
  endTokens: [],
};

for (const method of ["full", "lora"] as const) {
  deviceTest(`recomputed gradients have the same bits, and less is kept: ${method}`, async () => {
    const device = await testDevice();
    const [batch, T] = [2, 9];
    const runs: { values: Float32Array[]; activations: number }[] = [];
    for (const recompute of [false, true]) {
      const memory = new Memory(device);
      try {
        const source = new Source(31);
        const full = method === "full";
        const model = declareModel(shape, T, () => ({ dtype: "f32", trained: full }));
        const trained = full
          ? model.tensors
          : attachLora(model, { rank: 2, alpha: 4, dropout: 0.1, targets: [], allLinear: true })
            .tensors;
        for (const value of trained.values()) {
          value.gradient = tensor(`${value.name} gradient`, value.shape, "f32", "gradient");
        }
        const inputs = batchInputs(batch, T);
        const state = { step: stepTensor(), statistics: statisticsTensor() };
        const built = microStepGraph(model, inputs, state, device.limits, { recompute });
        const planned = plan("micro", built.graph, device.limits);
        const [program] = await memory.compile([planned]);
        for (const value of new Set([...model.tensors.values(), ...trained.values()])) {
          memory.write(value, source.normal(sizeOf(value), 0.3));
        }
        memory.write(model.rope, ropeTable(shape, T));
        const tokens = source.below(shape.vocabulary, batch * T);
        const { order, runs: starts } = sortByToken(tokens);
        memory.write(inputs.tokens, tokens);
        memory.write(inputs.positions, tokens.map((_, i) => i % T));
        memory.write(inputs.starts, tokens.map((_, i) => i % T < 4 ? 0 : 4));
        memory.write(inputs.targets, Int32Array.from(tokens, (token, i) => i % 5 ? token : -100));
        if (full) {
          memory.write(inputs.order, order);
          memory.write(inputs.runs, starts);
        }
        memory.write(state.step, packStep({ lossScale: 0.1, slot: 0, microStep: 3, seed: 4 }));
        program.run();
        const wanted = [...trained.values()].map((value) => ({ tensor: value.gradient! }));
        const bytes = await memory.read([{ tensor: built.losses, program }, ...wanted]);
        runs.push({
          values: bytes.map((piece) => new Float32Array(piece)),
          activations: memoryReport([planned]).activations,
        });
      } finally {
        memory.destroy();
      }
    }
    const [kept, recomputed] = runs;
    kept.values.forEach((value, i) => {
      assert.deepEqual(recomputed.values[i], value);
      assert.ok(value.some((x) => x !== 0), `values ${i} are all zero`);
    });
    assert.ok(
      recomputed.activations < kept.activations,
      `${recomputed.activations} bytes are not less than ${kept.activations}`,
    );
  });
}

Deno.test("recomputation keeps less with every block", () => {
  const bytes = (layers: number, recompute: boolean): number => {
    const model = declareModel({ ...shape, layers }, 16, () => ({ dtype: "f32", trained: true }));
    for (const value of model.tensors.values()) {
      value.gradient = tensor("gradient", value.shape, "f32", "gradient");
    }
    const state = { step: stepTensor(), statistics: statisticsTensor() };
    const { graph } = microStepGraph(model, batchInputs(1, 64), state, leastLimits, { recompute });
    return memoryReport([plan("micro", graph, leastLimits)]).activations;
  };
  const perBlock = (recompute: boolean) => (bytes(12, recompute) - bytes(4, recompute)) / 8;
  // Only the residual stream of each block stays: T·C·4 bytes.
  assert.equal(perBlock(true), 64 * 16 * 4);
  assert.ok(perBlock(false) > 8 * perBlock(true));
});

Deno.test("every value that the backward pass reads is made before it is read", () => {
  for (const recompute of [false, true]) {
    const model = declareModel(shape, 16, () => ({ dtype: "f32", trained: true }));
    for (const value of model.tensors.values()) {
      value.gradient = tensor("gradient", value.shape, "f32", "gradient");
    }
    const state = { step: stepTensor(), statistics: statisticsTensor() };
    const { graph } = microStepGraph(model, batchInputs(1, 16), state, leastLimits, { recompute });
    const made = new Set<Tensor>();
    for (const node of graph.nodes) {
      for (const input of node.inputs) {
        if (isTransient(input)) assert.ok(made.has(input), input.name);
      }
      for (const output of node.outputs) made.add(output);
    }
  }
});
