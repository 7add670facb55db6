// Operations on activations that are stored in f16, against their f64 twins: the arithmetic is that
// of f32, so what is lost is the rounding of what is stored, 2⁻¹¹ of a value. And the rewriting of
// kernels itself.

import assert from "node:assert/strict";
import { tensor } from "../../src/graph/graph.ts";
import { withHalves } from "../../src/graph/half.ts";
import { add } from "../../src/graph/operations/add.ts";
import { attention } from "../../src/graph/operations/attention.ts";
import { columnScale } from "../../src/graph/operations/dora.ts";
import { dropout } from "../../src/graph/operations/dropout.ts";
import { linear } from "../../src/graph/operations/matmul.ts";
import { rmsNorm } from "../../src/graph/operations/rms_norm.ts";
import { rope } from "../../src/graph/operations/rope.ts";
import { writeCache } from "../../src/graph/operations/rows.ts";
import { swiglu } from "../../src/graph/operations/swiglu.ts";
import * as addTwin from "../reference/add.ts";
import * as attentionTwin from "../reference/attention.ts";
import * as doraTwin from "../reference/dora.ts";
import * as dropoutTwin from "../reference/dropout.ts";
import * as matmulTwin from "../reference/matmul.ts";
import * as normTwin from "../reference/rms_norm.ts";
import * as ropeTwin from "../reference/rope.ts";
import * as rowsTwin from "../reference/rows.ts";
import * as swigluTwin from "../reference/swiglu.ts";
import { dense } from "../reference/dense.ts";
import { testDevice } from "../device.ts";
import {
  type Check,
  check,
  constant,
  deviceTest,
  gpuLimits,
  Source,
  stepInput,
  unsigned,
} from "./operations/check.ts";

/** Half a unit in the last place of f16, with a little for the arithmetic in f32. */
const rounding = 1.01 * 2 ** -11;

/** A test on a device that has f16, with the kernels of a CPU adapter and of a GPU. */
function halfTest(name: string, test: (source: Source) => Check): void {
  for (const [kind, limits] of [["a CPU", {}], ["a GPU", gpuLimits]] as const) {
    deviceTest(`f16: ${name}, kernels of ${kind}`, async () => {
      if (!(await testDevice()).limits.f16) return;
      await check(name, { ...test(new Source(name.length)), limits });
    });
  }
}

for (const [M, K, N] of [[1, 1, 1], [7, 5, 9], [8, 16, 4], [33, 34, 18]]) {
  for (const add of [false, true]) {
    halfTest(`linear [${M}, ${K}] by [${N}, ${K}]${add ? " with a sum" : ""}`, (source) => ({
      inputs: [
        source.half([M, K]),
        source.trained([N, K]),
        source.trained([N]),
        ...(add ? [source.half([M, N])] : []),
      ],
      build: (graph, inputs) => graph.add(linear, inputs, { scale: 0.5, bias: true, add }),
      twin: (inputs) => matmulTwin.linear(inputs, { scale: 0.5, bias: true, add }),
      tolerance: rounding,
    }));
  }
}

deviceTest("f16: linear through workgroup memory", async () => {
  if (!(await testDevice()).limits.f16) return;
  const source = new Source(5);
  await check("linear", {
    inputs: [source.half([33, 20]), source.trained([12, 20])],
    build: (graph, inputs) => graph.add(linear, inputs, {}),
    twin: (inputs) => matmulTwin.linear(inputs, {}),
    tolerance: rounding,
    limits: { ...gpuLimits, kernels: undefined },
  });
});

for (const dtype of ["f32", "f16", "bf16"] as const) {
  halfTest(`two linear layers of one input, weights in ${dtype}`, (source) => ({
    // Their gradients meet in one tensor, and the second output joins a stream in f32.
    inputs: [
      source.half([9, 12]),
      source.weight([8, 12], dtype),
      source.weight([8, 12], dtype),
      source.activation([9, 8]),
    ],
    build: (graph, [x, a, b, stream]) => {
      const sum = graph.call(add, [stream, graph.call(linear, [x, a], {})], {});
      return graph.add(add, [sum, graph.call(linear, [x, b], {})], {});
    },
    twin: ([x, a, b, stream]) => {
      const [first] = matmulTwin.linear([x, a], {});
      const [second] = matmulTwin.linear([x, b], {});
      const [sum] = addTwin.add([stream, first], {});
      return addTwin.add([sum, second], {});
    },
    tolerance: 2 * rounding,
  }));
}

for (const [T, D] of [[1, 4], [9, 8], [40, 12]]) {
  halfTest(`attention over ${T} tokens, heads of ${D}`, (source) => {
    const attributes = { batch: 2, heads: 4, keyHeads: 2 };
    const starts = Array.from({ length: T }, (_, t) => (t < 5 ? 0 : 5));
    return {
      inputs: [
        source.half([2 * T, 4 * D]),
        source.half([2 * T, 2 * D]),
        source.half([2 * T, 2 * D]),
        unsigned([...starts, ...starts]),
      ],
      build: (graph, inputs) => graph.add(attention, inputs, attributes),
      twin: (inputs) => attentionTwin.attention(inputs, attributes),
      tolerance: rounding,
      gradientTolerance: 2 * rounding, // delta is made of the stored output
      samples: 40,
    };
  });
}

halfTest("attention over a cache in f32", (source) => {
  const attributes = { batch: 1, heads: 2, keyHeads: 1, cached: true };
  return {
    inputs: [
      source.half([2, 16]),
      source.activation([9, 8]),
      source.activation([9, 8]),
      unsigned([3, 8]),
    ],
    build: (graph, inputs) => graph.add(attention, inputs, attributes),
    twin: (inputs) => attentionTwin.attention(inputs, attributes),
    tolerance: rounding,
    forwardOnly: true,
  };
});

for (const shape of [[3, 5], [17, 12]]) {
  halfTest(`swiglu [${shape}]`, (source) => ({
    inputs: [source.half(shape, 3), source.half(shape)],
    build: (graph, inputs) => graph.add(swiglu, inputs, {}),
    twin: (inputs) => swigluTwin.swiglu(inputs, {}),
    tolerance: rounding,
  }));

  halfTest(`dropout of [${shape}]`, (source) => {
    const attributes = { probability: 0.3, salt: 5 };
    return {
      inputs: [source.half(shape), stepInput({ seed: 12345, microStep: 77 })],
      build: (graph, inputs) => graph.add(dropout, inputs, attributes),
      twin: (inputs) => dropoutTwin.dropout(inputs, attributes),
      tolerance: rounding,
    };
  });

  halfTest(`columnScale [${shape}]`, (source) => {
    const norm = source.normal(shape[1]).map((value) => 1 + Math.abs(value));
    return {
      inputs: [source.half(shape), source.trained([shape[1]]), constant([shape[1]], norm)],
      build: (graph, inputs) => graph.add(columnScale, inputs, { bias: false }),
      twin: (inputs) => doraTwin.columnScale(inputs, {}),
      tolerance: rounding,
    };
  });

  halfTest(`rmsNorm [${shape}] from f32`, (source) => {
    const epsilon = Math.fround(1e-5);
    return {
      inputs: [source.activation(shape), source.trained([shape[1]])],
      build: (graph, inputs) => graph.add(rmsNorm, inputs, { epsilon, dtype: "f16" }),
      twin: (inputs) => normTwin.rmsNorm(inputs, { epsilon }),
      tolerance: rounding,
    };
  });
}

for (const [M, heads, D] of [[5, 3, 4], [7, 2, 16]]) {
  halfTest(`rope [${M}, ${heads}·${D}]`, (source) => ({
    inputs: [
      source.half([M, heads * D]),
      unsigned(source.below(11, M)),
      constant([11, D], source.normal(11 * D)),
    ],
    build: (graph, inputs) => graph.add(rope, inputs, { heads }),
    twin: (inputs) => ropeTwin.rope(inputs, { heads }),
    tolerance: rounding,
  }));
}

halfTest("rows into a cache in f32", (source) => ({
  inputs: [source.half([4, 6]), unsigned([1, 2, 0, 5])],
  build: (graph, [x, positions]) => {
    const cache = tensor("cache", [10, 6], "f32", "state");
    return graph.add(writeCache, [x, positions], { into: cache, batch: 2 });
  },
  twin: ([x, positions]) => rowsTwin.writeCache([x, positions], { into: dense([10, 6]), batch: 2 }),
  tolerance: 0,
  forwardOnly: true,
}));

Deno.test("only what is stored in f16 is rewritten", () => {
  const kernel = [
    "// y[i] = x[i]",
    "alias Value = vec4f;",
    "@group(0) @binding(0) var<storage, read> x: array<Value, 8>;",
    "@group(0) @binding(1) var<storage, read_write> y: array<f32, 32>;",
    "fn main() { y[a[1] + 2] += x[i][j] * max(y[0], 1.0); let x0 = xx[1]; if (y[1] == 2.0) {} }",
  ].join("\n");
  const bindings = (x: "f32" | "f16", y: "f32" | "f16") =>
    ([["x", x, "read"], ["y", y, "write"]] as const).map(([name, dtype, access]) => ({
      tensor: tensor(name, [32], dtype, "activation"),
      access,
    }));
  assert.equal(withHalves(kernel, bindings("f32", "f32")), kernel);
  assert.equal(
    withHalves(kernel, bindings("f16", "f16")),
    [
      "enable f16;",
      "// y[i] = x[i]",
      "alias Value = vec4f;",
      "@group(0) @binding(0) var<storage, read> x: array<vec4<f16>, 8>;",
      "@group(0) @binding(1) var<storage, read_write> y: array<f16, 32>;",
      "fn main() { y[a[1] + 2] = f16(f32(y[a[1] + 2]) + (vec4f(x[i])[j] * max(f32(y[0]), 1.0))); " +
      "let x0 = xx[1]; if (f32(y[1]) == 2.0) {} }",
    ].join("\n"),
  );
  const pairs = kernel.replace("array<Value", "array<vec2f");
  assert.throws(() => withHalves(pairs, bindings("f16", "f32")), /cannot hold x in f16/);
});
