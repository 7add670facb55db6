// Square matrix products in f32, ours against the peers'.

import type { Device } from "../src/gpu/device.ts";
import { tensor } from "../src/graph/graph.ts";
import { linear } from "../src/graph/operations/matmul.ts";
import { graphContestant, normals, type Readable } from "./ours.ts";
import { jaxMatmul } from "./peers/jax.ts";
import { tfjsMatmul } from "./peers/tfjs.ts";
import type { Report } from "./report.ts";
import { type Entry, race, type RaceOptions } from "./timing.ts";

/** Entries of a product that are checked against f64. */
const checked = 200;

/** x·wᵀ, as a linear layer computes it; a peer may also have x·w, and its better one counts. */
export async function matmulContest(
  device: Device,
  report: Report,
  size: number,
  options: RaceOptions,
): Promise<void> {
  const a = normals(size * size, 1);
  const b = normals(size * size, 2);
  const entry = (
    name: string,
    transposed: boolean,
    enter: () => Promise<Readable>,
  ): Entry => ({
    name,
    async enter() {
      const contestant = await enter();
      await contestant.run(1);
      checkProduct(await contestant.read(), a, b, size, transposed);
      return contestant;
    },
  });
  const ours = () => {
    const x = tensor("x", [size, size], "f32", "input");
    const weight = tensor("weight", [size, size], "f32", "weight");
    const values = new Map([[x, a], [weight, b]]);
    return graphContestant(device, "eft", (graph) => graph.call(linear, [x, weight], {}), values);
  };
  const timings = await race([
    entry("eft", true, ours),
    entry("jax-js x·wᵀ", true, () => jaxMatmul(a, b, size, true)),
    entry("jax-js x·w", false, () => jaxMatmul(a, b, size, false)),
    entry("tfjs x·wᵀ", true, () => tfjsMatmul(a, b, size, true)),
    entry("tfjs x·w", false, () => tfjsMatmul(a, b, size, false)),
  ], options);
  const work = { amount: 2 * size ** 3, unit: "GFLOP/s" } as const;
  report.contest(`f32 matmul ${size} x ${size} x ${size}`, work, timings);
}

/** Throws when the product is wrong. */
function checkProduct(
  found: Float32Array,
  a: Float32Array,
  b: Float32Array,
  size: number,
  transposed: boolean,
): void {
  for (let i = 0; i < checked; i++) {
    const row = (i * 7919) % size;
    const column = (i * 104729 + 13) % size;
    let sum = 0;
    for (let k = 0; k < size; k++) {
      sum += a[row * size + k] * b[transposed ? column * size + k : k * size + column];
    }
    const error = Math.abs(found[row * size + column] - sum);
    if (!(error < 1e-5 * size)) {
      throw new Error(`wrong product: [${row}, ${column}] is off by ${error}`);
    }
  }
}
