// The operations that only adapters need: DoRA's, trained rows, and the head with either.

import { tensor } from "../../../src/graph/graph.ts";
import { columnScale, rowNorm } from "../../../src/graph/operations/dora.ts";
import { headLogits, headLoss } from "../../../src/graph/operations/head_loss.ts";
import { linear } from "../../../src/graph/operations/matmul.ts";
import { replaceRows } from "../../../src/graph/operations/token_rows.ts";
import { sortByToken } from "../../../src/train/trainer.ts";
import * as dora from "../../reference/dora.ts";
import { linear as linearTwin } from "../../reference/matmul.ts";
import { type Dense, dense } from "../../reference/dense.ts";
import * as rowsTwin from "../../reference/token_rows.ts";
import {
  check,
  constant,
  deviceTest,
  gpuLimits,
  signed,
  Source,
  stepInput,
  unsigned,
} from "./check.ts";

for (const [N, K, R] of [[1, 1, 1], [5, 3, 2], [70, 12, 8]]) {
  deviceTest(`rowNorm of [${N}, ${K}] at rank ${R} is the length of W + s·BA`, async () => {
    const source = new Source(11);
    const scale = 0.75;
    const [W, A, B] = [source.normal(N * K), source.normal(R * K), source.normal(N * R)];
    const [w, a, b] = [dense([N, K], W), dense([R, K], A), dense([N, R], B)];
    const squares = Float32Array.from(
      { length: N },
      (_, n) => w.data.subarray(n * K, (n + 1) * K).reduce((sum, x) => sum + x * x, 0),
    );
    const cross = Float32Array.from(linearTwin([a, w], {})[0].data);
    const gram = Float32Array.from(linearTwin([a, a], {})[0].data);
    await check("rowNorm", {
      inputs: [
        constant([N], squares),
        constant([R, N], cross),
        constant([R, R], gram),
        constant([N, R], B),
      ],
      build: (graph, inputs) => graph.add(rowNorm, inputs, { scale }),
      twin: (inputs) => dora.rowNorm(inputs, { scale }),
      tolerance: 1e-5,
      forwardOnly: true,
    });
    // The same by its definition.
    const wide = Array.from({ length: N }, (_, n) => {
      let sum = 0;
      for (let k = 0; k < K; k++) {
        let value = w.data[n * K + k];
        for (let r = 0; r < R; r++) value += scale * b.data[n * R + r] * a.data[r * K + k];
        sum += value * value;
      }
      return Math.sqrt(sum);
    });
    const inputs = [constant([N], squares), constant([R, N], cross), constant([R, R], gram)];
    const parts = [...inputs.map((input) => input.dense), b];
    const found = dora.rowNorm(parts, { scale })[0].data;
    if (wide.some((value, n) => Math.abs(value - found[n]) > 1e-4 * (1 + value))) {
      throw new Error("the twin is not the length of W + s·BA");
    }
  });
}

for (const [M, N] of [[1, 1], [5, 3], [9, 8], [130, 20]]) {
  for (const bias of [false, true]) {
    deviceTest(`columnScale [${M}, ${N}]${bias ? " with bias" : ""}`, async () => {
      const source = new Source(12);
      const norm = source.normal(N).map((value) => 0.5 + Math.abs(value)) as Float32Array<
        ArrayBuffer
      >;
      await check("columnScale", {
        inputs: [
          source.activation([M, N]),
          source.trained([N]),
          constant([N], norm),
          ...(bias ? [source.trained([N])] : []),
        ],
        build: (graph, inputs) => graph.add(columnScale, inputs, { bias }),
        twin: (inputs) => dora.columnScale(inputs, {}),
        tolerance: 2e-6,
      });
    });
  }
}

deviceTest("replaceRows: tokens with a row of their own, and their gradient", async () => {
  const [M, C, V] = [13, 6, 9];
  const source = new Source(13);
  const tokens = Uint32Array.from([3, 1, 3, 8, 0, 3, 1, 5, 5, 8, 8, 2, 3]);
  const slots = new Uint32Array(V).fill(2);
  slots[3] = 0;
  slots[8] = 1;
  const { order, runs } = sortByToken(tokens);
  const sorted = {
    order: tensor("order", [M], "u32", "input"),
    runs: tensor("runs", [M + 1], "u32", "input"),
  };
  const [orderInput, runsInput] = [unsigned(order), unsigned(runs)];
  await check("replaceRows", {
    inputs: [
      source.activation([M, C]),
      source.trained([2, C]),
      unsigned(tokens),
      unsigned(slots),
      { ...orderInput, tensor: sorted.order },
      { ...runsInput, tensor: sorted.runs },
    ],
    build: (graph, inputs) => graph.add(replaceRows, inputs.slice(0, 4), { sorted }),
    twin: (inputs) => rowsTwin.replaceRows(inputs, {}),
    tolerance: 1e-6,
  });
});

const lossScale = Math.fround(1 / 7);
const targetsOf = (M: number, V: number) =>
  signed(Array.from({ length: M }, (_, m) => m % 3 === 1 ? -100 : m * 7 % V));
const lossOf = ([loss]: Dense[]) => lossScale * loss.data.reduce((a, b) => a + b, 0);

for (const [kind, limits] of [["a CPU", {}], ["a GPU", gpuLimits]] as const) {
  for (const [M, V, C, R, chunk] of [[1, 3, 2, 1, 1], [9, 7, 64, 64, 4], [8, 12, 64, 4, 8]]) {
    const name = `headLoss of ${M} over ${V} words in chunks of ${chunk}`;
    deviceTest(`${name}, low rank ${R}, kernels of ${kind}`, async () => {
      const source = new Source(M * V * R);
      await check("headLoss", {
        inputs: [
          source.activation([M, C]),
          source.weight([V, C], "f32"),
          targetsOf(M, V),
          stepInput({ lossScale }),
          source.activation([M, R]),
          source.trained([V, R]),
        ],
        build: (graph, inputs) =>
          graph.add(headLoss, inputs, { chunk, backward: true, lowRank: true }),
        twin: (inputs) => rowsTwin.headLossLowRank(inputs, {}),
        loss: lossOf,
        tolerance: 4e-7 * Math.sqrt(C + R + 8),
        gradientTolerance: 1e-5,
        limits,
        samples: 80,
      });
    });

    deviceTest(`${name}, trained rows, kernels of ${kind}`, async () => {
      const source = new Source(M * V + R);
      await check("headLoss", {
        inputs: [
          source.activation([M, C]),
          source.weight([V, C], "bf16"),
          targetsOf(M, V),
          stepInput({ lossScale }),
          source.trained([2, C]),
          unsigned([V - 1, 1]),
        ],
        build: (graph, inputs) =>
          graph.add(headLoss, inputs, { chunk, backward: true, rows: true }),
        twin: (inputs) => rowsTwin.headLossRows(inputs, {}),
        loss: lossOf,
        tolerance: 4e-7 * Math.sqrt(C + 8),
        gradientTolerance: 1e-5,
        limits,
        samples: 80,
      });
    });
  }
}

deviceTest("headLogits: some logits from rows of their own", async () => {
  const source = new Source(15);
  const [M, V, C] = [5, 9, 8];
  await check("headLogits", {
    inputs: [
      source.activation([M, C]),
      source.weight([V, C], "f32"),
      source.weight([2, C], "f32"),
      unsigned([0, 7]),
    ],
    build: (graph, [hidden, head, rows, index]) => {
      const logits = graph.call(linear, [hidden, head], {});
      return graph.add(headLogits, [logits, hidden, rows, index], {});
    },
    twin: ([hidden, head, rows, index]) => {
      const whole = dense([V, C], head.data);
      index.data.forEach((token, i) =>
        whole.data.set(rows.data.subarray(i * C, (i + 1) * C), token * C)
      );
      return linearTwin([hidden, whole], {});
    },
    tolerance: 2e-6,
    forwardOnly: true,
  });
});
