// LoftQ (Li et al. 2023, arXiv:2310.08659): A and B start from what quantizing takes from a weight,
// which is rounded to 4 or 8 bits for it but stays a matrix of floats, as PEFT has it.

import { roundTrip } from "../quant/dense.ts";
import type { QuantFormat } from "../quant/format.ts";
import { RandomStream } from "../random.ts";
import { plusProduct } from "./base_weight.ts";
import { leadingSingular, randomizedSingular } from "./decompose.ts";
import type { Start } from "./initialize.ts";

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
    const rest = roundTrip(plusProduct(weight, down, up, -1), N, formats[bits]);
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
