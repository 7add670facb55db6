// Operations that work element by element or row by row: add, swiglu, dropout, rope, rmsNorm,
// embedding, and the movers of rows.

import type { Tensor } from "../../../src/graph/graph.ts";
import { tensor } from "../../../src/graph/graph.ts";
import { add } from "../../../src/graph/operations/add.ts";
import { columnSum } from "../../../src/graph/operations/column_sum.ts";
import { dropout } from "../../../src/graph/operations/dropout.ts";
import { embedding } from "../../../src/graph/operations/embedding.ts";
import { rmsNorm } from "../../../src/graph/operations/rms_norm.ts";
import { rope } from "../../../src/graph/operations/rope.ts";
import { gatherRows, writeCache } from "../../../src/graph/operations/rows.ts";
import { swiglu } from "../../../src/graph/operations/swiglu.ts";
import { sortByToken } from "../../../src/train/trainer.ts";
import * as addTwin from "../../reference/add.ts";
import * as columnSumTwin from "../../reference/column_sum.ts";
import * as dropoutTwin from "../../reference/dropout.ts";
import * as embeddingTwin from "../../reference/embedding.ts";
import * as normTwin from "../../reference/rms_norm.ts";
import * as ropeTwin from "../../reference/rope.ts";
import * as rowsTwin from "../../reference/rows.ts";
import * as swigluTwin from "../../reference/swiglu.ts";
import { runGraph, testDevice } from "../../device.ts";
import {
  check,
  compare,
  constant,
  deviceTest,
  gpuLimits,
  Source,
  stepInput,
  unsigned,
} from "./check.ts";

const roundings = (count: number) => count * 2 ** -24;

for (const shape of [[1, 1], [3, 5], [2, 4], [17, 12]]) {
  deviceTest(`add [${shape}]`, async () => {
    const source = new Source(1);
    await check("add", {
      inputs: [source.activation(shape), source.activation(shape)],
      build: (graph, inputs) => graph.add(add, inputs, {}),
      twin: (inputs) => addTwin.add(inputs, {}),
      tolerance: roundings(2),
    });
  });

  deviceTest(`swiglu [${shape}]`, async () => {
    const source = new Source(2);
    const inputs = [source.activation(shape, 3), source.activation(shape)];
    await check("swiglu", {
      inputs,
      build: (graph, inputs) => graph.add(swiglu, inputs, {}),
      twin: (inputs) => swigluTwin.swiglu(inputs, {}),
      tolerance: roundings(16), // exp, division and six products
    });
  });
}

deviceTest("swiglu far from zero neither overflows nor loses its tail", async () => {
  const source = new Source(2);
  const gate = Float32Array.of(-87, -80, -30, -1e-6, 0, 1e-6, 30, 80, 200, -20);
  await check("swiglu", {
    inputs: [source.activation([2, 5], gate), source.activation([2, 5])],
    build: (graph, inputs) => graph.add(swiglu, inputs, {}),
    twin: (inputs) => swigluTwin.swiglu(inputs, {}),
    tolerance: roundings(16),
  });
});

for (const [size, probability] of [[1, 0.5], [7, 0.3], [64, 0], [1030, 0.9]]) {
  deviceTest(`dropout of ${size} with probability ${probability}`, async () => {
    const source = new Source(3);
    const step = stepInput({ seed: 2 ** 40 + 12345, microStep: 77 });
    const attributes = { probability, salt: 5 };
    await check("dropout", {
      inputs: [source.activation([size]), step],
      build: (graph, inputs) => graph.add(dropout, inputs, attributes),
      twin: (inputs) => dropoutTwin.dropout(inputs, attributes),
      tolerance: roundings(4),
    });
  });
}

for (const [M, heads, D] of [[1, 1, 2], [5, 3, 4], [9, 8, 8], [7, 2, 12], [3, 2, 64]]) {
  for (const inverse of [false, true]) {
    deviceTest(`rope [${M}, ${heads}·${D}]${inverse ? " backwards" : ""}`, async () => {
      const source = new Source(4);
      const table = source.normal(11 * D);
      await check("rope", {
        inputs: [
          source.activation([M, heads * D]),
          unsigned([...source.below(11, M - 1), 10]),
          constant([11, D], table),
        ],
        build: (graph, inputs) => graph.add(rope, inputs, { heads, inverse }),
        twin: (inputs) => ropeTwin.rope(inputs, { heads, inverse }),
        tolerance: roundings(6),
      });
    });
  }
}

for (const [name, limits] of [["a CPU", {}], ["a GPU", gpuLimits]] as const) {
  for (const [M, C] of [[1, 1], [1, 7], [9, 5], [8, 64], [3, 260], [65, 12], [2, 1030]]) {
    deviceTest(`rmsNorm [${M}, ${C}] with the kernels of ${name}`, async () => {
      const source = new Source(M + C);
      const epsilon = Math.fround(1e-5);
      await check("rmsNorm", {
        inputs: [source.activation([M, C]), source.trained([C])],
        build: (graph, inputs) => graph.add(rmsNorm, inputs, { epsilon }),
        twin: (inputs) => normTwin.rmsNorm(inputs, { epsilon }),
        tolerance: roundings(8 + Math.sqrt(C)),
        gradientTolerance: roundings(16 + 2 * Math.sqrt(Math.max(M, C))),
        limits,
        samples: 150,
        terms: C === 1 ? 1 : 0, // y = ±w but for epsilon: its gradient by x is a difference near 0
      });
    });
  }

  deviceTest(`rmsNorm of zeros and of large rows with the kernels of ${name}`, async () => {
    const source = new Source(6);
    const x = source.normal(6 * 20);
    x.fill(0, 20, 40); // a row of zeros: rstd = 1 / sqrt(epsilon)
    const epsilon = Math.fround(1e-5);
    const common = {
      build: (graph: Parameters<Parameters<typeof runGraph>[1]>[0], inputs: Tensor[]) =>
        graph.add(rmsNorm, inputs, { epsilon }),
      twin: (inputs: Parameters<typeof normTwin.rmsNorm>[0]) =>
        normTwin.rmsNorm(inputs, { epsilon }),
      tolerance: roundings(16),
      limits,
    };
    const weight = source.trained([20]);
    await check("zeros", {
      inputs: [source.activation([6, 20], x), weight],
      ...common,
      step: 1e-7,
    });
    const large = x.map((value) => value * 1e8);
    await check("large", {
      inputs: [source.activation([6, 20], large), weight],
      ...common,
      forwardOnly: true,
    });
  });
}

for (
  const [V, C, M, maxBinding] of [
    [1, 1, 1, 8192],
    [5, 3, 9, 8192],
    [7, 4, 65, 8192],
    [300, 8, 40, 4096],
    [130, 20, 17, 5120],
  ]
) {
  deviceTest(`embedding of ${M} from [${V}, ${C}]`, async () => {
    const source = new Source(V);
    const tokens = unsigned([...source.below(V, M - 1), V - 1]);
    const { order, runs } = sortByToken(Uint32Array.from(tokens.bits));
    const sorted = [unsigned(order), unsigned(runs)];
    await check("embedding", {
      inputs: [source.trained([V, C]), tokens, ...sorted],
      build: (graph, [table, tokens, order, runs]) =>
        graph.add(embedding, [table, tokens], { sorted: { order, runs } }),
      twin: ([table, tokens]) => embeddingTwin.embedding([table, tokens], {}),
      tolerance: roundings(4 + Math.sqrt(M)),
      limits: { maxBinding },
      samples: 100,
    });
  });
}

for (const dtype of ["bf16", "f16"] as const) {
  for (const [V, C, M] of [[5, 3, 8], [9, 8, 5], [301, 20, 33], [901, 5, 12]]) {
    deviceTest(`embedding of ${M} from [${V}, ${C}] in ${dtype}`, async () => {
      if (dtype === "f16" && !(await testDevice()).limits.f16) return;
      const source = new Source(V);
      await check("embedding", {
        inputs: [source.weight([V, C], dtype), unsigned([...source.below(V, M - 1), V - 1])],
        build: (graph, inputs) => graph.add(embedding, inputs, {}),
        twin: (inputs) => embeddingTwin.embedding(inputs, {}),
        tolerance: 0, // nothing is computed
        limits: { maxBinding: 7936 },
        forwardOnly: true,
      });
    });
  }
}

for (const [M, C] of [[1, 1], [63, 3], [65, 130], [200, 8]]) {
  deviceTest(`columnSum of [${M}, ${C}] adds to what is there`, async () => {
    const source = new Source(M);
    const x = constant([M, C], source.normal(M * C));
    const into = constant([C], source.normal(C));
    const target = tensor("sum", [C], "f32", "gradient");
    const [sum] = await runGraph(new Map([[x.tensor, x.bits], [target, into.bits]]), (graph) => {
      graph.add(columnSum, [x.tensor], { into: target });
      return [target];
    });
    const [wanted] = columnSumTwin.columnSum([x.dense], { into: into.dense });
    compare("columnSum", sum, wanted.data, roundings(4 + Math.sqrt(M)));
  });
}

for (const [M, C, R] of [[1, 1, 1], [9, 7, 3], [5, 64, 12]]) {
  deviceTest(`gatherRows ${R} of [${M}, ${C}]`, async () => {
    const source = new Source(M);
    await check("gatherRows", {
      inputs: [constant([M, C], source.normal(M * C)), unsigned(source.below(M, R))],
      build: (graph, inputs) => graph.add(gatherRows, inputs, {}),
      twin: (inputs) => rowsTwin.gatherRows(inputs, {}),
      tolerance: 0,
      forwardOnly: true,
    });
  });
}

deviceTest("writeCache leaves other rows and positions past the end alone", async () => {
  const source = new Source(8);
  const [batch, T, S, C] = [2, 3, 5, 6];
  const x = constant([batch * T, C], source.normal(batch * T * C));
  const positions = unsigned([2, 3, 5, 0, 4, 4294967295]);
  const cache = tensor("cache", [batch * S, C], "f32", "state");
  const before = constant([batch * S, C], source.normal(batch * S * C));
  const values = new Map([[x.tensor, x.bits], [positions.tensor, positions.bits], [
    cache,
    before.bits,
  ]]);
  const [found] = await runGraph(values, (graph) => {
    graph.add(writeCache, [x.tensor, positions.tensor], { into: cache, batch });
    return [cache];
  });
  const attributes = { into: before.dense, batch };
  const [wanted] = rowsTwin.writeCache([x.dense, positions.dense], attributes);
  compare("writeCache", found, wanted.data, 0);
});
