// Singular values and orthogonal factors: their defining properties, on tall, wide and plain matrices.

import assert from "node:assert/strict";
import {
  leadingQr,
  leadingSingular,
  randomizedSingular,
  type Singular,
} from "../../src/adapter/decompose.ts";
import { plusProduct } from "../../src/adapter/base_weight.ts";
import { loftqStart } from "../../src/adapter/loftq.ts";
import { RandomStream } from "../../src/random.ts";

const random = new RandomStream(5, 6);
const normal = (size: number) => Float64Array.from({ length: size }, () => random.normal());
const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
};

/** The largest distance of W·v from s·u, and of the vectors from being orthonormal. */
function defect(W: Float64Array, m: number, n: number, { left, values, right }: Singular): number {
  let worst = 0;
  values.forEach((value, i) => {
    for (let row = 0; row < m; row++) {
      const product = dot(W.subarray(row * n, (row + 1) * n), right[i]);
      worst = Math.max(worst, Math.abs(product - value * left[i][row]));
    }
    values.forEach((_, j) => {
      const wanted = i === j ? 1 : 0;
      for (const side of [left, right]) {
        worst = Math.max(worst, Math.abs(dot(side[i], side[j]) - wanted));
      }
    });
  });
  return worst;
}

for (const [m, n] of [[1, 1], [7, 3], [3, 7], [40, 40], [24, 60]]) {
  const r = Math.min(m, n, 5);
  Deno.test(`singular values of [${m}, ${n}]`, () => {
    const W = normal(m * n);
    const found = leadingSingular(W, m, n, r);
    assert.ok(defect(W, m, n, found) < 1e-12);
    for (let i = 1; i < r; i++) assert.ok(found.values[i] <= found.values[i - 1]);
    const all = leadingSingular(W, m, n, Math.min(m, n)).values;
    const squares = all.reduce((sum, value) => sum + value * value, 0);
    assert.ok(Math.abs(squares - dot(W, W)) < 1e-9 * squares);
  });

  Deno.test(`the first reflections of [${m}, ${n}]`, () => {
    const W = normal(m * n);
    const { q, r: upper } = leadingQr(W, m, n, r);
    // The first r columns of W are Q·R.
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < r; j++) {
        let sum = 0;
        for (let k = 0; k < r; k++) sum += q[i * r + k] * upper[k * n + j];
        assert.ok(Math.abs(sum - W[i * n + j]) < 1e-12);
      }
    }
    for (let k = 1; k < r; k++) for (let j = 0; j < k; j++) assert.equal(upper[k * n + j], 0);
  });
}

Deno.test("random directions find the largest singular values where they stand out", () => {
  const [m, n, r] = [30, 50, 4];
  const { left, right } = leadingSingular(normal(m * n), m, n, 12);
  const W = new Float64Array(m * n);
  left.forEach((u, i) => {
    for (let a = 0; a < m; a++) {
      for (let b = 0; b < n; b++) W[a * n + b] += u[a] * right[i][b] / 2 ** i;
    }
  });
  const found = randomizedSingular(W, m, n, r, 8, new RandomStream(1, 2));
  assert.ok(defect(W, m, n, found) < 1e-3);
  found.values.forEach((value, i) => assert.ok(Math.abs(value - 2 ** -i) < 1e-5));
});

Deno.test("LoftQ of a wide weight takes in all that its rank can hold", () => {
  const [N, K, R] = [520, 528, 6];
  const draws = new RandomStream(7, 7);
  const weight = Float32Array.from({ length: N * K }, () => draws.normal());
  const { down, up, rest } = loftqStart(weight, [N, K], R, { bits: 4, iterations: 1 });
  const missing = weight.map((value, i) => value - rest[i]);
  const energy = (values: ArrayLike<number>) => {
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += values[i] ** 2;
    return sum;
  };
  const taken = energy(missing) - energy(plusProduct(missing, down, up, -1));
  const { values } = randomizedSingular(missing, N, K, R, 300, new RandomStream(8, 8));
  const most = energy(values);
  console.log(`takes ${(taken / most).toFixed(4)} of the most that ${R} directions hold`);
  assert.ok(taken > 0.95 * most && taken < 1.0001 * most);
});
