// Why 8-bit bases split off no outliers: with f32 activations the error of a product does not depend on
// them. LLM.int8 quantizes activations too, and needs the split (threshold 6) to come near.

import assert from "node:assert/strict";
import { dequantizeInt8, quantizeInt8 } from "../../src/quant/int8.ts";
import { Source } from "../graph/operations/check.ts";

const [M, N, K] = [64, 128, 256];

Deno.test("8-bit weights keep their accuracy with outliers in the activations", () => {
  const random = new Source(8);
  const weight = random.normal(N * K, 0.02);
  const held = dequantizeInt8(quantizeInt8(weight, N));
  const errors = [1, 60].map((outlier) => {
    const x = random.normal(M * K).map((value, i) => i % K % 64 === 0 ? value * outlier : value);
    const exact = product(x, weight);
    const rounded = dequantizeInt8(quantizeInt8(x, M)); // the activations, row by row
    const kept = x.map((value, i) => i % K % 64 === 0 ? value : 0);
    const small = x.map((value, i) => kept[i] === 0 ? value : 0);
    // As bitsandbytes does: outlier columns in full, times the weights that are held.
    const split = product(dequantizeInt8(quantizeInt8(small, M)), held)
      .map((value, i) => value + product1(kept, held, i));
    return {
      ours: distance(product(x, held), exact),
      unsplit: distance(product(rounded, held), exact),
      split: distance(split, exact),
    };
  });
  const percent = (error: number) => `${(100 * error).toFixed(2)} %`;
  errors.forEach(({ ours, unsplit, split }, i) => {
    console.log(
      `${["no outliers", "outliers of 60"][i]}: ours ${percent(ours)}, LLM.int8 ${
        percent(split)
      }, ` +
        `without its split ${percent(unsplit)}`,
    );
    assert.ok(ours < 0.01 && ours <= split);
  });
});

function product1(x: Float32Array, w: Float32Array, at: number): number {
  const [m, n] = [Math.floor(at / N), at % N];
  let sum = 0;
  for (let k = 0; k < K; k++) sum += x[m * K + k] * w[n * K + k];
  return sum;
}

function product(x: Float32Array, w: Float32Array): Float64Array {
  return Float64Array.from({ length: M * N }, (_, at) => product1(x, w, at));
}

function distance(a: Float64Array, b: Float64Array): number {
  let [difference, size] = [0, 0];
  a.forEach((value, i) => {
    difference += (value - b[i]) ** 2;
    size += b[i] ** 2;
  });
  return Math.sqrt(difference / size);
}
