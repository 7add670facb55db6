// Linear layers: forward, input, weight and bias gradients; dtypes, bindings in parts, scale and sums.

import { linear } from "../../../src/graph/operations/matmul.ts";
import * as twin from "../../reference/matmul.ts";
import { check, deviceTest, gpuLimits, Source } from "./check.ts";
import { testDevice } from "../../device.ts";

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
] as const;

for (const [M, K, N] of shapes) {
  for (const limits of [{}, gpuLimits]) {
    const kind = "software" in limits ? "GPU" : "CPU";
    deviceTest(`linear ${M}x${K} to ${N}, ${kind} kernels`, async () => {
      const source = new Source(M * K * N);
      await check("plain", {
        inputs: [source.activation([M, K]), source.trained([N, K])],
        build: (graph, inputs) => graph.add(linear, inputs, {}),
        twin: (inputs) => twin.linear(inputs, {}),
        tolerance: tolerance(M, K, N),
        limits,
      });
      const everything = { scale: 0.37, bias: true, add: true };
      await check("scaled with bias and sum", {
        inputs: [
          source.activation([M, K]),
          source.trained([N, K]),
          source.trained([N]),
          source.activation([M, N]),
        ],
        build: (graph, inputs) => graph.add(linear, inputs, everything),
        twin: (inputs) => twin.linear(inputs, { ...everything, scale: Math.fround(0.37) }),
        tolerance: tolerance(M, K, N),
        limits,
      });
    });
  }
}

for (const dtype of ["bf16", "f16"] as const) {
  for (const [M, K, N] of [[5, 8, 6], [3, 5, 7], [3, 3, 5], [9, 64, 66]]) {
    deviceTest(`linear ${M}x${K} to ${N} with ${dtype} weights`, async () => {
      if (dtype === "f16" && !(await testDevice()).limits.f16) return;
      for (const limits of [{}, gpuLimits]) {
        const source = new Source(K);
        await check(dtype, {
          inputs: [source.activation([M, K]), source.weight([N, K], dtype), source.activation([M, N])],
          build: (graph, inputs) => graph.add(linear, inputs, { add: true }),
          twin: (inputs) => twin.linear(inputs, { add: true }),
          tolerance: tolerance(M, K, N),
          limits,
        });
      }
    });
  }
}

for (const [K, N] of [[16, 200], [64, 50], [20, 90], [33, 70]]) {
  deviceTest(`linear with a weight [${N}, ${K}] in several bindings`, async () => {
    const M = 5;
    const source = new Source(K + N);
    for (const limits of [{ maxBinding: 8192 }, { ...gpuLimits, maxBinding: 8192 }]) {
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
        limits,
        samples: 150,
      });
    }
  });
}

for (const dtype of ["bf16", "f16"] as const) {
  deviceTest(`linear with ${dtype} weights in several bindings`, async () => {
    if (dtype === "f16" && !(await testDevice()).limits.f16) return;
    for (const [K, N] of [[64, 100], [20, 301], [5, 901]]) {
      const source = new Source(3);
      await check(`${dtype} [${N}, ${K}]`, {
        inputs: [source.activation([2, K]), source.weight([N, K], dtype)],
        build: (graph, inputs) => graph.add(linear, inputs, {}),
        twin: (inputs) => twin.linear(inputs, {}),
        tolerance: tolerance(2, K, N),
        limits: { maxBinding: 7936 },
      });
    }
  });
}
