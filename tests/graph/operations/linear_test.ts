// Linear layers: forward, input, weight and bias gradients; dtypes, bindings in parts, scale and sums.
// The tiles of the matrix product have a test of their own, tests/graph/matmul_test.ts.

import { linear } from "../../../src/graph/operations/matmul.ts";
import * as twin from "../../reference/matmul.ts";
import { testDevice } from "../../device.ts";
import { check, deviceTest, gpuLimits, Source } from "./check.ts";

// Errors of a sum of K products grow with sqrt(K); gradients sum over M or N.
const tolerance = (M: number, K: number, N: number) => 4e-7 * Math.sqrt(Math.max(M, K, N, 4));

const shapes = [
  [1, 1, 1],
  [1, 5, 1],
  [3, 1, 2],
  [7, 8, 9],
  [8, 16, 4],
  [65, 33, 17],
  [2, 130, 67],
];

for (const [M, K, N] of shapes) {
  deviceTest(`linear [${M}, ${K}] by [${N}, ${K}]: scale, bias, sum`, async () => {
    const source = new Source(M * K * N);
    const attributes = { scale: 0.37, bias: true, add: true };
    await check("linear", {
      inputs: [
        source.activation([M, K]),
        source.trained([N, K]),
        source.trained([N]),
        source.activation([M, N]),
      ],
      build: (graph, inputs) => graph.add(linear, inputs, attributes),
      twin: (inputs) => twin.linear(inputs, { ...attributes, scale: Math.fround(0.37) }),
      tolerance: tolerance(M, K, N),
    });
  });
}

for (const [name, limits] of [["a CPU", {}], ["a GPU", gpuLimits]] as const) {
  deviceTest(`linear with the kernels of ${name}`, async () => {
    const source = new Source(5);
    await check("linear", {
      inputs: [source.activation([33, 18]), source.trained([7, 18])],
      build: (graph, inputs) => graph.add(linear, inputs, {}),
      twin: (inputs) => twin.linear(inputs, {}),
      tolerance: tolerance(33, 18, 7),
      limits: { ...limits, kernels: undefined },
    });
  });
}

for (const dtype of ["bf16", "f16"] as const) {
  for (const [M, K, N] of [[5, 8, 6], [3, 3, 5], [9, 33, 66]]) {
    deviceTest(`linear [${M}, ${K}] by [${N}, ${K}] in ${dtype}`, async () => {
      if (dtype === "f16" && !(await testDevice()).limits.f16) return;
      const source = new Source(K);
      const inputs = [
        source.activation([M, K]),
        source.weight([N, K], dtype),
        source.activation([M, N]),
      ];
      await check(dtype, {
        inputs,
        build: (graph, inputs) => graph.add(linear, inputs, { add: true }),
        twin: (inputs) => twin.linear(inputs, { add: true }),
        tolerance: tolerance(M, K, N),
      });
    });
  }
}

for (const [K, N, maxBinding] of [[16, 200, 8192], [64, 150, 17000], [33, 70, 9216]]) {
  deviceTest(`linear with a weight [${N}, ${K}] in several bindings`, async () => {
    const M = 5;
    const source = new Source(K + N);
    await check("sharded", {
      inputs: [
        source.activation([M, K]),
        source.trained([N, K]),
        source.trained([N]),
        source.activation([M, N]),
      ],
      build: (graph, inputs) => graph.add(linear, inputs, { bias: true, add: true }),
      twin: (inputs) => twin.linear(inputs, { bias: true, add: true }),
      tolerance: tolerance(M, K, N),
      limits: { maxBinding },
      samples: 150,
    });
  });
}

for (const [dtype, K, N] of [["bf16", 64, 100], ["bf16", 5, 901], ["f16", 20, 301]] as const) {
  deviceTest(`linear with a ${dtype} weight [${N}, ${K}] in several bindings`, async () => {
    if (dtype === "f16" && !(await testDevice()).limits.f16) return;
    const source = new Source(3);
    await check("sharded", {
      inputs: [source.activation([2, K]), source.weight([N, K], dtype)],
      build: (graph, inputs) => graph.add(linear, inputs, {}),
      twin: (inputs) => twin.linear(inputs, {}),
      tolerance: tolerance(2, K, N),
      limits: { maxBinding: 7936 },
    });
  });
}
