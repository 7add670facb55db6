// The output head with its loss: chunks, masked targets, trained and frozen heads, extreme logits.

import { headLoss, lossSum } from "../../../src/graph/operations/head_loss.ts";
import { statisticsTensor } from "../../../src/graph/step_scalars.ts";
import * as twin from "../../reference/head_loss.ts";
import { type Dense, dense } from "../../reference/dense.ts";
import { runGraph, testDevice } from "../../device.ts";
import {
  check,
  compare,
  constant,
  deviceTest,
  gpuLimits,
  type Input,
  signed,
  Source,
  stepInput,
} from "./check.ts";

const lossScale = Math.fround(1 / 7);

interface Options {
  M: number;
  V: number;
  C: number;
  chunk: number;
  targets: number[];
  head?: Input;
  hidden?: Input;
  limits?: Parameters<typeof check>[1]["limits"];
  tolerance?: number;
  gradientTolerance?: number;
}

async function checkHead(options: Options) {
  const { M, V, C, chunk, limits } = options;
  const source = new Source(M * V * C);
  const hidden = options.hidden ?? source.activation([M, C]);
  const head = options.head ?? source.trained([V, C]);
  const { tolerance = 4e-7 * Math.sqrt(C + 8) } = options;
  await check("headLoss", {
    inputs: [hidden, head, signed(options.targets), stepInput({ lossScale })],
    build: (graph, inputs) => graph.add(headLoss, inputs, { chunk, backward: true }),
    twin: (inputs) => twin.headLoss(inputs, {}),
    loss: ([loss]: Dense[]) => lossScale * loss.data.reduce((a, b) => a + b, 0),
    tolerance,
    gradientTolerance: options.gradientTolerance ?? 2 * tolerance,
    limits,
    samples: 120,
  });
}

/** Targets with every third one masked. */
const someMasked = (M: number, V: number) =>
  Array.from({ length: M }, (_, m) => m % 3 === 1 ? -100 : m * 7 % V);

for (const [kind, limits] of [["a CPU", {}], ["a GPU", gpuLimits]] as const) {
  for (
    const [M, V, C, chunk] of [
      [1, 1, 1, 1],
      [1, 5, 3, 1],
      [9, 7, 64, 4],
      [10, 130, 16, 4],
      [8, 12, 64, 8],
      [65, 9, 4, 16],
    ]
  ) {
    const name = `headLoss of ${M} over ${V} words of width ${C} in chunks of ${chunk}`;
    deviceTest(
      `${name}, kernels of ${kind}`,
      () => checkHead({ M, V, C, chunk, targets: someMasked(M, V), limits }),
    );
  }

  deviceTest(`headLoss of masked targets only is exactly zero, kernels of ${kind}`, async () => {
    const source = new Source(1);
    const [M, V, C] = [6, 10, 8];
    const hidden = source.activation([M, C]);
    const inputs = [hidden, source.trained([V, C]), signed(Array(M).fill(-100)), stepInput({})];
    const values = new Map(inputs.map(({ tensor, bits }) => [tensor, bits]));
    const [loss, dhidden, dhead] = await runGraph(values, (graph) => {
      const tensors = inputs.map(({ tensor }) => tensor);
      const outputs = graph.add(headLoss, tensors, { chunk: M, backward: true });
      return [outputs[0], outputs[2], inputs[1].tensor.gradient!];
    }, limits);
    for (const found of [loss, dhidden, dhead]) {
      compare("zero", found, dense([found.length]).data, 0);
    }
  });

  deviceTest(`headLoss with logits of ±80, kernels of ${kind}`, async () => {
    const source = new Source(12);
    const [M, V, C] = [5, 11, 2];
    // One-hot columns make the logits themselves: word v scores ±80 or near 0.
    const head = Float32Array.from(
      { length: V * C },
      (_, i) => [80, -80, 1][Math.floor(i / C) % 3],
    );
    const hidden = Float32Array.from({ length: M * C }, (_, i) => i % 2 === 0 ? 1 : 0.01 * i);
    await checkHead({
      M,
      V,
      C,
      chunk: M,
      targets: [0, 1, 2, 9, 10],
      hidden: source.activation([M, C], hidden),
      head: source.trained([V, C], head),
      limits,
      tolerance: 100 * 2 ** -24, // a logit of 80 is known to 80 roundings
      gradientTolerance: 400 * 2 ** -24,
    });
  });
}

deviceTest("headLoss with a head in several bindings", () =>
  checkHead({
    M: 6,
    V: 150,
    C: 16,
    chunk: 4,
    targets: someMasked(6, 150),
    limits: { maxBinding: 4096 },
  }));

for (const [dtype, V, C] of [["bf16", 9, 5], ["f16", 150, 32], ["bf16", 150, 32]] as const) {
  deviceTest(`headLoss with a frozen head [${V}, ${C}] in ${dtype}`, async () => {
    if (dtype === "f16" && !(await testDevice()).limits.f16) return;
    await checkHead({
      M: 4,
      V,
      C,
      chunk: 4,
      targets: someMasked(4, V),
      head: new Source(4).weight([V, C], dtype),
      limits: { maxBinding: 4096 },
    });
  });
}

deviceTest("headLoss without a backward pass gives the same losses", async () => {
  const source = new Source(9);
  const [M, V, C] = [9, 14, 64];
  await check("evaluation", {
    inputs: [
      constant([M, C], source.normal(M * C)),
      source.weight([V, C], "f32"),
      signed(someMasked(M, V)),
      stepInput({}),
    ],
    build: (graph, inputs) => graph.add(headLoss, inputs, { chunk: 4, backward: false }),
    twin: (inputs) => twin.headLoss(inputs, {}),
    tolerance: 4e-7 * Math.sqrt(C),
    forwardOnly: true,
  });
});

for (const limits of [{}, gpuLimits]) {
  const kind = "software" in limits ? "a GPU" : "a CPU";
  deviceTest(`headLoss of more rows than one dimension of a grid, kernels of ${kind}`, async () => {
    const source = new Source(13);
    const [M, V, C] = [65540 * ("software" in limits ? 1 : 8) + 1, 3, 1];
    await check("rows", {
      inputs: [
        constant([M, C], source.normal(M * C)),
        source.weight([V, C], "f32"),
        signed(source.below(V, M)),
        stepInput({}),
      ],
      build: (graph, inputs) => graph.add(headLoss, inputs, { chunk: M, backward: false }),
      twin: (inputs) => twin.headLoss(inputs, {}),
      tolerance: 2e-6,
      limits,
      forwardOnly: true,
    });
  });
}

for (const M of [1, 64, 130]) {
  deviceTest(`lossSum of ${M} adds to the row of its step`, async () => {
    const source = new Source(M);
    const loss = constant([M], source.normal(M).map(Math.abs));
    const step = stepInput({ lossScale, slot: 3 });
    const statistics = statisticsTensor();
    const before = source.normal(statistics.shape[0] * 4);
    const values = new Map([
      [loss.tensor, loss.bits],
      [step.tensor, step.bits],
      [statistics, before],
    ]);
    const [found] = await runGraph(values, (graph) => {
      graph.add(lossSum, [loss.tensor, step.tensor], { into: statistics });
      return [statistics];
    });
    const into = dense(statistics.shape, before);
    const [wanted] = twin.lossSum([loss.dense, step.dense], { into });
    compare("statistics", found, wanted.data, (4 + Math.sqrt(M)) * 2 ** -24);
  });
}

deviceTest("headLoss of a vocabulary that is too long for the loops of one thread", async () => {
  const [M, V, C] = [3, 120000, 4];
  await checkHead({ M, V, C, chunk: 3, targets: [119999, -100, 70001], tolerance: 2e-6 });
});
