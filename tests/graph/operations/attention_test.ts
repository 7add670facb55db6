// Attention: causal, packed segments, grouped heads, batches, a cache; forward and all three gradients.

import { attention } from "../../../src/graph/operations/attention.ts";
import * as twin from "../../reference/attention.ts";
import { check, deviceTest, gpuLimits, Source, unsigned } from "./check.ts";

/** Segment starts of a row of T tokens: pieces of the given lengths, the last one to the end. */
function starts(T: number, lengths: number[]): number[] {
  const row: number[] = [];
  for (const length of lengths) row.push(...Array(length).fill(row.length));
  return [...row, ...Array(T).fill(row.length)].slice(0, T);
}

interface Shape {
  name: string;
  T: number;
  heads: number;
  keyHeads: number;
  D: number;
  /** Lengths of the segments of each batch row. */
  segments: number[][];
}

const shapes: Shape[] = [
  { name: "one token", T: 1, heads: 1, keyHeads: 1, D: 4, segments: [[]] },
  {
    name: "one token in each of three rows",
    T: 1,
    heads: 4,
    keyHeads: 2,
    D: 8,
    segments: [[], [], []],
  },
  { name: "seven tokens, equal heads", T: 7, heads: 3, keyHeads: 3, D: 12, segments: [[]] },
  { name: "eight tokens, grouped heads", T: 8, heads: 8, keyHeads: 2, D: 4, segments: [[], [3]] },
  { name: "nine tokens, one key head", T: 9, heads: 4, keyHeads: 1, D: 8, segments: [[2, 3], [8]] },
  {
    name: "segments of one token",
    T: 9,
    heads: 2,
    keyHeads: 1,
    D: 4,
    segments: [[1, 1, 1, 1, 1, 1, 1, 1, 1]],
  },
  {
    name: "a single query at the end of a long row",
    T: 65,
    heads: 2,
    keyHeads: 1,
    D: 8,
    segments: [[64], [1]],
  },
  {
    name: "wide heads, segments across tiles",
    T: 65,
    heads: 2,
    keyHeads: 2,
    D: 64,
    segments: [[31, 2]],
  },
  {
    name: "many segments in a long row",
    T: 130,
    heads: 2,
    keyHeads: 1,
    D: 4,
    segments: [[5, 60, 1, 63]],
  },
];

for (const [kind, limits] of [["a CPU", {}], ["a GPU", gpuLimits]] as const) {
  for (const { name, T, heads, keyHeads, D, segments } of shapes) {
    deviceTest(`attention: ${name}, kernels of ${kind}`, async () => {
      const source = new Source(T * D);
      const batch = segments.length;
      const attributes = { batch, heads, keyHeads };
      await check("attention", {
        inputs: [
          source.activation([batch * T, heads * D]),
          source.activation([batch * T, keyHeads * D]),
          source.activation([batch * T, keyHeads * D]),
          unsigned(segments.flatMap((lengths) => starts(T, lengths))),
        ],
        build: (graph, inputs) => graph.add(attention, inputs, attributes),
        twin: (inputs) => twin.attention(inputs, attributes),
        tolerance: 2e-7 * Math.sqrt(D + Math.min(T, 64)),
        gradientTolerance: 4e-7 * Math.sqrt(D + Math.min(T, 64)),
        limits,
        samples: T * D > 4000 ? 6 : T * D > 500 ? 20 : 150, // a difference costs the twin twice
      });
    });
  }

  deviceTest(`attention: scores of ±80, kernels of ${kind}`, async () => {
    const source = new Source(11);
    const attributes = { batch: 1, heads: 2, keyHeads: 1 };
    const [T, D] = [13, 4];
    await check("attention", {
      inputs: [
        source.activation([T, 2 * D], 9),
        source.activation([T, D], 9),
        source.activation([T, D]),
        unsigned(starts(T, [5])),
      ],
      build: (graph, inputs) => graph.add(attention, inputs, attributes),
      twin: (inputs) => twin.attention(inputs, attributes),
      // A score of 80 is known to 80 roundings, and so is its exponential relative to the others'.
      tolerance: 200 * 2 ** -24,
      step: 1e-5,
      limits,
    });
  });

  for (const [T, S, D] of [[1, 9, 8], [7, 33, 4], [5, 70, 12]]) {
    deviceTest(`attention over a cache: ${T} of ${S}, kernels of ${kind}`, async () => {
      const source = new Source(S);
      const attributes = { batch: 2, heads: 4, keyHeads: 2, cached: true };
      const positions = [S - T, 1].flatMap((first) =>
        Array.from({ length: T }, (_, t) => first + t)
      );
      await check("attention", {
        inputs: [
          source.activation([2 * T, 4 * D]),
          source.activation([2 * S, 2 * D]),
          source.activation([2 * S, 2 * D]),
          unsigned(positions),
        ],
        build: (graph, inputs) => graph.add(attention, inputs, attributes),
        twin: (inputs) => twin.attention(inputs, attributes),
        tolerance: 2e-7 * Math.sqrt(D + Math.min(S, 64)),
        limits,
        forwardOnly: true,
      });
    });
  }
}
