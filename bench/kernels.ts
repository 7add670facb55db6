// The kernels that a training step spends its time in, at the sizes of the step contest: a linear
// layer forward and backward with f32 and bf16 weights, its low-rank pair, and attention.

import { f32ToBf16 } from "../src/files/dtype.ts";
import type { Device } from "../src/gpu/device.ts";
import type { Graph, Operation, Tensor } from "../src/graph/graph.ts";
import { tensor } from "../src/graph/graph.ts";
import { attention } from "../src/graph/operations/attention.ts";
import { linear, linearBackward, outerProduct } from "../src/graph/operations/matmul.ts";
import { graphContestant, normals, type Readable } from "./ours.ts";
import { jaxAttention, jaxProduct, type Product } from "./peers/jax.ts";
import type { Report } from "./report.ts";
import { batch, length, shape } from "./step_settings.ts";
import { type Entry, race, type RaceOptions } from "./timing.ts";

/** Largest difference of a peer's value from ours, as a part of our largest value. */
const tolerance = 1e-4;

/** y = x·wᵀ, dx = dy·w and dw = dyᵀ·x of a layer with w [N, K] over M rows. */
export async function linearContests(
  device: Device,
  report: Report,
  [M, N, K]: [number, number, number],
  options: RaceOptions,
): Promise<void> {
  const x = tensor("x", [M, K], "f32", "input");
  const dy = tensor("dy", [M, N], "f32", "input");
  const weight = tensor("w", [N, K], "f32", "weight");
  const packed = tensor("w", [N, K], "bf16", "weight");
  const gradient = tensor("dw", [N, K], "f32", "gradient");
  const weights = normals(N * K, 3);
  const values = new Map<Tensor, Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>>([
    [x, normals(M * K, 1)],
    [dy, normals(M * N, 2)],
    [weight, weights],
    [packed, f32ToBf16(weights)],
  ]);
  const ours = (name: string, used: Tensor[], build: (graph: Graph) => Tensor): Entry => ({
    name,
    enter: () => {
      const bound = new Map(used.map((each) => [each, values.get(each)!]));
      return graphContestant(device, name, build, bound);
    },
  });
  const into = { into: gradient };
  const work = { amount: 2 * M * N * K, unit: "GFLOP/s" } as const;
  const jax = (product: Product, ...pair: [Tensor, Tensor]): Entry => ({
    name: "jax-js",
    enter: () =>
      jaxProduct(
        product,
        pair.map((each) => [values.get(each)! as Float32Array<ArrayBuffer>, [...each.shape]]),
      ),
  });
  const size = `${M} rows, ${K} to ${N}`;
  report.contest(
    `linear forward, ${size}`,
    work,
    await race([
      ours("eft", [x, weight], (graph) => graph.call(linear, [x, weight], {})),
      ours("eft bf16", [x, packed], (graph) => graph.call(linear, [x, packed], {})),
      jax("x·wᵀ", x, weight),
    ], options),
  );
  report.contest(
    `linear input gradient, ${size}`,
    work,
    await race([
      ours("eft", [dy, weight], (graph) => graph.call(linearBackward, [dy, weight], {})),
      ours("eft bf16", [dy, packed], (graph) => graph.call(linearBackward, [dy, packed], {})),
      jax("dy·w", dy, weight),
    ], options),
  );
  report.contest(
    `linear weight gradient, ${size}`,
    work,
    await race([
      ours("eft", [dy, x], (graph) => graph.call(outerProduct, [dy, x], into)),
      jax("dyᵀ·x", dy, x),
    ], options),
  );
}

/** Causal attention and its gradients at the size of a step. */
export async function attentionContests(
  device: Device,
  report: Report,
  options: RaceOptions,
): Promise<void> {
  const { heads, headWidth } = shape;
  const rows = batch * length;
  const data = [1, 2, 3, 4].map((stream) => normals(rows * heads * headWidth, stream));
  const [q, k, v, dout] = ["q", "k", "v", "dout"].map((name) =>
    tensor(name, [rows, heads * headWidth], "f32", "input")
  );
  const starts = tensor("starts", [rows], "u32", "input");
  const values = new Map<Tensor, ArrayBufferView<ArrayBuffer>>([
    ...[q, k, v, dout].map((each, i) => [each, data[i]] as const),
    [starts, new Uint32Array(rows)],
  ]);
  const attributes = { batch, heads, keyHeads: heads };
  const inputs = [q, k, v, starts];
  const contest = async (
    name: string,
    build: (graph: Graph) => Tensor,
    used: Tensor[],
    backward: boolean,
    flopsPerPair: number,
  ) => {
    const bound = new Map(used.map((each) => [each, values.get(each)!]));
    let wanted: Float32Array | undefined;
    const timings = await race([
      {
        name: "eft",
        async enter() {
          const contestant = await graphContestant(device, name, build, bound);
          wanted = await ran(contestant);
          return contestant;
        },
      },
      {
        name: "jax-js",
        async enter() {
          const contestant = await jaxAttention(
            data,
            [batch, length, heads, headWidth],
            backward,
          );
          const error = difference(await contestant.read(), wanted!);
          if (error > tolerance) throw new Error(`result differs from ours by ${error}`);
          return contestant;
        },
      },
    ], options);
    const pairs = batch * heads * length * (length + 1) / 2;
    const amount = flopsPerPair * headWidth * pairs;
    report.contest(`${name}, ${batch} x ${length} tokens, ${heads} heads`, {
      amount,
      unit: "GFLOP/s",
    }, timings);
  };
  const forward = (graph: Graph) => graph.call(attention, inputs, attributes);
  await contest("attention forward", forward, inputs, false, 4);
  // Both sides compute the forward pass as well: jax-js has no gradient without it.
  const both = (graph: Graph) => gradientsOf(graph, attention, inputs, attributes, dout);
  await contest("attention forward and backward", both, [...inputs, dout], true, 14);
}

/** Adds an operation and its gradients for that of its output; returns the gradient of input 0. */
function gradientsOf<A>(
  graph: Graph,
  operation: Operation<A>,
  inputs: Tensor[],
  attributes: A,
  outputGradient: Tensor,
): Tensor {
  const outputs = graph.add(operation, inputs, attributes);
  const gradients: Tensor[] = [];
  operation.gradient!({
    graph,
    attributes,
    input: (i) => inputs[i],
    output: (i) => outputs[i],
    outputGradient: (i) => i === 0 ? outputGradient : undefined,
    needs: () => true,
    destination: () => undefined,
    partial: () => undefined,
    ownPartial: () => undefined,
    contribute: (i, gradient) => gradients[i] = gradient,
  });
  return gradients[0];
}

async function ran(contestant: Readable): Promise<Float32Array> {
  await contestant.run(1);
  return await contestant.read();
}

function difference(found: Float32Array, wanted: Float32Array): number {
  let worst = 0;
  let top = 0;
  wanted.forEach((value, i) => {
    worst = Math.max(worst, Math.abs(value - found[i]));
    top = Math.max(top, Math.abs(value));
  });
  return worst / top;
}
