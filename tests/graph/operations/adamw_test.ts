// The optimizer: global gradient norm, clipping and AdamW over flat groups, in several bindings too.

import { type Tensor, tensor } from "../../../src/graph/graph.ts";
import { rowShards } from "../../../src/graph/limits.ts";
import {
  elementwiseUpdate,
  SCALARS_PER_ROW,
} from "../../../src/graph/operations/elementwise_update.ts";
import { gradientNorm } from "../../../src/graph/operations/gradient_norm.ts";
import { statisticsTensor } from "../../../src/graph/step_scalars.ts";
import * as twin from "../../reference/adamw.ts";
import { type Dense, dense } from "../../reference/dense.ts";
import { runGraph, testDevice, type Values } from "../../device.ts";
import { compare, constant, deviceTest, Source, stepInput } from "./check.ts";

const members = ["value", "gradient", "first", "second"] as const;
const roles = {
  value: "trained",
  gradient: "gradient",
  first: "optimizer",
  second: "optimizer",
} as const;

for (
  const { sizes, maxNorm, maxBinding, scale } of [
    { sizes: [1], maxNorm: 0, maxBinding: 8192, scale: 1 },
    { sizes: [7, 64], maxNorm: 1, maxBinding: 8192, scale: 1 },
    { sizes: [7, 64], maxNorm: 1000, maxBinding: 8192, scale: 1 },
    { sizes: [4097, 5000, 12], maxNorm: 0.5, maxBinding: 4096, scale: 100 },
    { sizes: [65], maxNorm: 1, maxBinding: 8192, scale: 0 },
  ]
) {
  const name =
    `adamw over ${sizes} clipped to ${maxNorm}, bindings of ${maxBinding}, gradients ${scale}`;
  deviceTest(name, async () => {
    const source = new Source(sizes[0]);
    const limits = { ...(await testDevice()).limits, maxBinding };
    const settings = {
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
      weightDecay: 0.01,
      maxNorm,
    };
    const step = stepInput({ slot: 5 });
    const row = Float32Array.of(3e-3, 1 - 0.9 ** 3, Math.sqrt(1 - 0.999 ** 3), 0, 0, 0, 0, 0);
    const scalars = constant([2, SCALARS_PER_ROW], Float32Array.of(...new Float32Array(8), ...row));
    const values = new Map<Tensor, Values>([
      [step.tensor, step.bits],
      [scalars.tensor, scalars.bits],
    ]);
    const { beta1, beta2, epsilon, weightDecay } = settings;
    const groups = sizes.map((size) => {
      const tensors = {} as Record<typeof members[number], Tensor>;
      const before = {} as Record<typeof members[number], Dense>;
      for (const member of members) {
        tensors[member] = tensor(member, [size], "f32", roles[member]);
        const data = source.normal(size, member === "gradient" ? scale : 1);
        if (member === "second") data.forEach((v, i) => data[i] = Math.fround(v * v));
        values.set(tensors[member], data);
        before[member] = dense([size], data);
      }
      return { tensors, before };
    });
    const statistics = statisticsTensor();
    const gradients = groups.map(({ tensors }) => tensors.gradient);
    const pieces = sizes.flatMap((size) => rowShards(size, 4, limits)).length;
    const [norm, rows, ...found] = await runGraph(
      values,
      (graph) => {
        const norm = graph.call(gradientNorm, [step.tensor, ...gradients], { statistics, pieces });
        for (const { tensors: group } of groups) {
          graph.add(elementwiseUpdate, [norm, scalars.tensor], {
            rule: "adamw",
            row: 1,
            maxNorm,
            value: group.value,
            gradient: group.gradient,
            states: [group.first, group.second],
            constants: {
              BETA1: beta1,
              ONE_MINUS_BETA1: 1 - beta1,
              BETA2: beta2,
              ONE_MINUS_BETA2: 1 - beta2,
              EPSILON: epsilon,
              WEIGHT_DECAY: weightDecay,
            },
          });
        }
        return [
          norm,
          statistics,
          ...groups.flatMap(({ tensors }) => members.map((m) => tensors[m])),
        ];
      },
      { maxBinding },
    );
    const inputs = [step.dense, ...groups.map(({ before }) => before.gradient)];
    const [wantedNorm] = twin.gradientNorm(inputs, {});
    compare("not halted", [norm[1]], [0], 0);
    compare("norm", [norm[0]], wantedNorm.data, 8 * 2 ** -24);
    compare("norm in the statistics", [rows[4 * 5 + 1]], [norm[0]], 0);
    groups.forEach(({ before: group }, g) => {
      const wanted = twin.adamw([wantedNorm, dense([8], row)], { ...settings, group });
      wanted.forEach(({ data }, i) => {
        const label = `${members[i]} of group ${g}`;
        compare(label, found[4 * g + i], data, members[i] === "gradient" ? 0 : 8 * 2 ** -24);
      });
    });
  });
}
