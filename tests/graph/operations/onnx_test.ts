// Forward passes against onnxruntime-web, an implementation that shares nothing with ours.

import { attention } from "../../../src/graph/operations/attention.ts";
import { embedding } from "../../../src/graph/operations/embedding.ts";
import { headLoss } from "../../../src/graph/operations/head_loss.ts";
import { linear } from "../../../src/graph/operations/matmul.ts";
import { rmsNorm } from "../../../src/graph/operations/rms_norm.ts";
import { rope } from "../../../src/graph/operations/rope.ts";
import { swiglu } from "../../../src/graph/operations/swiglu.ts";
import type { Graph, Tensor } from "../../../src/graph/graph.ts";
import { runGraph } from "../../device.ts";
import { type Dense, dense } from "../../reference/dense.ts";
import { runOnnx } from "../../reference/onnx.ts";
import {
  compare,
  constant,
  deviceTest,
  type Input,
  signed,
  Source,
  stepInput,
  unsigned,
} from "./check.ts";
import { variable } from "./seed_gradient.ts";

const tolerance = 2e-6; // both sides round to f32, in different orders

async function ours(
  inputs: Input[],
  build: (graph: Graph, inputs: Tensor[]) => Tensor,
): Promise<Float32Array> {
  const values = new Map(inputs.map(({ tensor, bits }) => [tensor, bits]));
  const tensors = inputs.map(({ tensor }) => tensor);
  const [found] = await runGraph(values, (graph) => [build(graph, tensors)]);
  return found;
}

const random = (source: Source, ...shape: number[]) =>
  constant(shape, source.normal(shape.reduce((a, b) => a * b, 1)));

/** [B·T, H·D] to [B, H, T, D]. */
function byHead({ data }: Dense, B: number, T: number, H: number, D: number): Dense {
  const result = dense([B, H, T, D]);
  for (let b = 0; b < B; b++) {
    for (let h = 0; h < H; h++) {
      for (let t = 0; t < T; t++) {
        for (let d = 0; d < D; d++) {
          result.data[((b * H + h) * T + t) * D + d] = data[((b * T + t) * H + h) * D + d];
        }
      }
    }
  }
  return result;
}

function transposed({ shape: [rows, columns], data }: Dense): Dense {
  return dense(
    [columns, rows],
    data.map((_, i) => data[i % rows * columns + Math.floor(i / rows)]),
  );
}

for (const [M, K, N] of [[1, 3, 5], [9, 64, 33]]) {
  deviceTest(`linear is ONNX MatMul: ${M}x${K}x${N}`, async () => {
    const source = new Source(41);
    const inputs = [random(source, M, K), random(source, N, K)];
    const [x, weight] = inputs.map((input) => input.dense);
    const wanted = await runOnnx("MatMul", [{ value: x }, { value: transposed(weight) }], [M, N]);
    const found = await ours(inputs, (graph, inputs) => graph.call(linear, inputs, {}));
    compare("linear", found, wanted.data, tolerance);
  });
}

deviceTest("embedding is ONNX Gather", async () => {
  const source = new Source(42);
  const inputs = [random(source, 11, 6), unsigned([0, 10, 3, 3, 7])];
  const [table, tokens] = inputs.map((input) => input.dense);
  const wanted = await runOnnx("Gather", [{ value: table }, { value: tokens, type: "int64" }], [
    5,
    6,
  ]);
  const found = await ours(inputs, (graph, inputs) => graph.call(embedding, inputs, {}));
  compare("embedding", found, wanted.data, 0);
});

for (const [M, C] of [[1, 5], [7, 64]]) {
  deviceTest(`rmsNorm is ONNX RMSNormalization: [${M}, ${C}]`, async () => {
    const source = new Source(43);
    const inputs = [random(source, M, C), random(source, C)];
    const values = inputs.map((input) => ({ value: input.dense }));
    const epsilon = Math.fround(1e-5);
    const wanted = await runOnnx("RMSNormalization", values, [M, C], {
      axis: { int: -1 },
      epsilon: { float: epsilon },
    });
    const found = await ours(inputs, (graph, inputs) => graph.call(rmsNorm, inputs, { epsilon }));
    compare("rmsNorm", found, wanted.data, tolerance);
  });
}

deviceTest("swiglu is gate times ONNX Sigmoid of gate times up", async () => {
  const source = new Source(44);
  const inputs = [random(source, 5, 9), random(source, 5, 9)];
  const [gate, up] = inputs.map((input) => input.dense);
  const sigmoid = await runOnnx("Sigmoid", [{ value: gate }], [5, 9]);
  const wanted = await runOnnx("Mul", [
    { value: dense([5, 9], sigmoid.data.map((value, i) => value * gate.data[i])) },
    { value: up },
  ], [5, 9]);
  const found = await ours(inputs, (graph, inputs) => graph.call(swiglu, inputs, {}));
  compare("swiglu", found, wanted.data, tolerance);
});

for (const [B, T, H, D] of [[1, 3, 2, 4], [2, 5, 3, 12]]) {
  deviceTest(`rope is ONNX RotaryEmbedding: ${B}x${T}, ${H} heads of ${D}`, async () => {
    const source = new Source(45);
    const P = 16;
    const x = random(source, B * T, H * D);
    const positions = unsigned(source.below(P, B * T));
    const half = D / 2;
    const angles = source.normal(P * half, 3);
    const cosines = angles.map(Math.cos);
    const sines = angles.map(Math.sin);
    const table = new Float32Array(P * D);
    for (let p = 0; p < P; p++) {
      table.set(cosines.subarray(p * half, (p + 1) * half), p * D);
      table.set(sines.subarray(p * half, (p + 1) * half), p * D + half);
    }
    const wanted = await runOnnx(
      "RotaryEmbedding",
      [
        { value: byHead(x.dense, B, T, H, D) },
        { value: dense([P, half], cosines) },
        { value: dense([P, half], sines) },
        { value: dense([B, T], positions.dense.data), type: "int64" },
      ],
      [B, H, T, D],
    );
    // rope works in the memory of its input, so that must be an activation.
    const found = await ours(
      [x, positions, constant([P, D], table)],
      (graph, [x, ...rest]) =>
        graph.call(rope, [graph.call(variable, [x], {}), ...rest], { heads: H }),
    );
    const mine = byHead(dense([B * T, H * D], found), B, T, H, D);
    compare("rope", mine.data, wanted.data, tolerance);
  });
}

for (
  const [B, T, H, K, D] of [[1, 1, 1, 1, 4], [2, 9, 8, 2, 16], [1, 33, 4, 1, 8], [1, 70, 3, 3, 12]]
) {
  deviceTest(`attention is ONNX Attention: ${B}x${T}, ${H} heads on ${K} of ${D}`, async () => {
    const source = new Source(46);
    const [q, k, v] = [
      random(source, B * T, H * D),
      ...[1, 2].map(() => random(source, B * T, K * D)),
    ];
    const wanted = await runOnnx(
      "Attention",
      [
        { value: byHead(q.dense, B, T, H, D) },
        { value: byHead(k.dense, B, T, K, D) },
        { value: byHead(v.dense, B, T, K, D) },
      ],
      [B, H, T, D],
      { is_causal: { int: 1 } },
    );
    const starts = unsigned(new Uint32Array(B * T));
    const found = await ours(
      [q, k, v, starts],
      (graph, inputs) => graph.call(attention, inputs, { batch: B, heads: H, keyHeads: K }),
    );
    const mine = byHead(dense([B * T, H * D], found), B, T, H, D);
    compare("attention", mine.data, wanted.data, 2 * tolerance);
  });
}

deviceTest("headLoss is ONNX MatMul and LogSoftmax at the targets", async () => {
  const source = new Source(47);
  const [M, V, C] = [7, 23, 10];
  const targets = [0, 22, -100, 5, 6, -100, 1];
  const hidden = random(source, M, C);
  const head = random(source, V, C);
  const logits = await runOnnx(
    "MatMul",
    [{ value: hidden.dense }, { value: transposed(head.dense) }],
    [M, V],
  );
  const wanted = await runOnnx(
    "LogSoftmax",
    [{ value: logits }],
    [M, V],
    { axis: { int: -1 } },
    { opset: 13 },
  );
  const losses = targets.map((target, m) => target < 0 ? 0 : -wanted.data[m * V + target]);
  const found = await ours(
    [hidden, head, signed(targets), stepInput({})],
    (graph, inputs) => graph.call(headLoss, inputs, { chunk: M, backward: false }),
  );
  compare("headLoss", found, losses, tolerance);
});
