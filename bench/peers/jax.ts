// jax-js: matrix products and attention.

import {
  blockUntilReady,
  defaultDevice,
  type Device,
  getWebGPUDevice,
  grad,
  init,
  jit,
  nn,
  numpy as np,
} from "@jax-js/jax";
import type { Readable } from "../ours.ts";

/** Makes one of its backends the current one. Throws when it does not start here. */
export async function useJax(device: Device): Promise<void> {
  const started = await init(device);
  if (!started.includes(device)) throw new Error(`jax-js has no ${device} backend here`);
  defaultDevice(device);
}

export function array(values: Float32Array<ArrayBuffer>, shape: number[]): np.Array {
  return np.array(values).reshape(shape);
}

/** A compiled function of fixed arguments; it may return one array or several. */
export function jaxContestant(
  compute: (...inputs: np.Array[]) => np.Array | np.Array[],
  inputs: np.Array[],
): Readable {
  const compiled = jit((...traced: np.Array[]) => [compute(...traced)].flat());
  const call = () => compiled(...inputs.map((input) => input.ref)) as np.Array[];
  return {
    name: "jax-js",
    async run(count) {
      // Outputs are kept to the end: a result that is disposed of too early is never computed.
      const outputs = Array.from({ length: count }, call).flat();
      await blockUntilReady(outputs);
      await getWebGPUDevice().queue.onSubmittedWorkDone();
      for (const output of outputs) output.dispose();
    },
    async read() {
      const [first, ...others] = call();
      for (const output of others) output.dispose();
      return await first.data() as Float32Array;
    },
    release() {
      for (const input of inputs) input.dispose();
      compiled.dispose();
    },
  };
}

/** a·b, or a·bᵀ. */
export async function jaxMatmul(
  a: Float32Array<ArrayBuffer>,
  b: Float32Array<ArrayBuffer>,
  size: number,
  transposed: boolean,
): Promise<Readable> {
  await useJax("webgpu");
  const multiply = (x: np.Array, y: np.Array) => np.matmul(x, transposed ? np.transpose(y) : y);
  return jaxContestant(multiply, [array(a, [size, size]), array(b, [size, size])]);
}

/** The three products of a linear layer. */
export type Product = "x·wᵀ" | "dy·w" | "dyᵀ·x";

export async function jaxProduct(
  product: Product,
  operands: [Float32Array<ArrayBuffer>, number[]][],
): Promise<Readable> {
  await useJax("webgpu");
  const inputs = operands.map(([values, shape]) => array(values, shape));
  return jaxContestant((a, b) => {
    if (product === "dyᵀ·x") a = np.transpose(a);
    if (product === "x·wᵀ") b = np.transpose(b);
    return np.matmul(a, b);
  }, inputs);
}

/** Causal attention of [batch, length, heads, width], or the gradients of q, k, v for one of o. */
export async function jaxAttention(
  values: Float32Array<ArrayBuffer>[],
  shape: number[],
  backward: boolean,
): Promise<Readable> {
  await useJax("webgpu");
  const attend = (q: np.Array, k: np.Array, v: np.Array) =>
    nn.dotProductAttention(q, k, v, { isCausal: true });
  const along = (q: np.Array, k: np.Array, v: np.Array, gradient: np.Array) =>
    attend(q, k, v).mul(gradient).sum();
  const inputs = values.map((each) => array(each, shape));
  if (!backward) return jaxContestant(attend as never, inputs.slice(0, 3));
  const gradients = grad(along, { argnums: [0, 1, 2] });
  return jaxContestant(gradients as never, inputs);
}
