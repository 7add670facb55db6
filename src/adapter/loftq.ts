// LoftQ (Li et al. 2023, arXiv:2310.08659): A and B start from what quantizing takes from a weight,
// which is rounded to 4 or 8 bits for it but stays a matrix of floats, as PEFT has it.

import { roundTrip } from "../quant/dense.ts";
import type { QuantFormat } from "../quant/format.ts";
import { RandomStream } from "../random.ts";
import { leadingSingular, randomizedSingular } from "./decompose.ts";

/** A [R, K] and B [N, R] of a module, and the weight [N, K] that they stand beside. */
export interface Start {
  down: Float32Array<ArrayBuffer>;
  up: Float32Array<ArrayBuffer>;
  rest: Float32Array<ArrayBuffer>;
}

const formats: Record<4 | 8, QuantFormat> = {
  4: { kind: "nf4", block: 64, nested: false },
  8: { kind: "int8" },
};

/** Matrices with a shorter side than this are decomposed exactly, which takes min² · max. */
const exactBelow = 512;
const subspaceIterations = 16;

/**
 * Rounds the weight less B·A and decomposes what is missing, in turn: rest = Q(W − B·A), B·A ≈
 * W − rest. The scale of the adapter plays no part, as in PEFT.
 */
export function loftqStart(
  weight: Float32Array,
  [N, K]: readonly number[],
  rank: number,
  { bits, iterations }: { bits: 4 | 8; iterations: number },
): Start {
  const down = new Float32Array(rank * K);
  const up = new Float32Array(N * rank);
  for (let iteration = 1;; iteration++) {
    const rest = roundTrip(lessProduct(weight, down, up, rank), N, formats[bits]);
    const missing = weight.map((value, i) => value - rest[i]);
    const { left, values, right } = Math.min(N, K) < exactBelow
      ? leadingSingular(missing, N, K, rank)
      : randomizedSingular(missing, N, K, rank, subspaceIterations, new RandomStream(0, 0));
    for (let r = 0; r < rank; r++) {
      const root = Math.sqrt(values[r]);
      for (let k = 0; k < K; k++) down[r * K + k] = root * right[r][k];
      for (let n = 0; n < N; n++) up[n * rank + r] = root * left[r][n];
    }
    if (iteration >= iterations) return { down, up, rest };
  }
}

/** W − scale·B·A. */
export function lessProduct(
  weight: Float32Array,
  down: Float32Array,
  up: Float32Array,
  rank: number,
  scale = 1,
): Float32Array<ArrayBuffer> {
  const N = up.length / rank;
  const K = down.length / rank;
  const rest = new Float32Array(N * K);
  const sums = new Float64Array(K);
  for (let n = 0; n < N; n++) {
    sums.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = up[n * rank + r];
      for (let k = 0; k < K; k++) sums[k] += factor * down[r * K + k];
    }
    for (let k = 0; k < K; k++) rest[n * K + k] = weight[n * K + k] - scale * sums[k];
  }
  return rest;
}
