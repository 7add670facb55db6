// Singular values and orthogonal factors of a weight, in f64, for the initializations that start
// from them. Matrices are flat and row-major.

import { RandomStream } from "../random.ts";

/** The leading part of W = Σ s_i·u_i·v_iᵀ: U [m, r] and V [n, r] by columns, s falling. */
export interface Singular {
  left: Float64Array[];
  values: number[];
  right: Float64Array[];
}

/**
 * The r largest singular triples of W [m, n], by one-sided Jacobi rotations (Hestenes 1958): vectors
 * of the shorter side are turned against each other until all are orthogonal. O(min² · max) a sweep.
 */
export function leadingSingular(W: ArrayLike<number>, m: number, n: number, r: number): Singular {
  const tall = m >= n;
  const [count, length] = tall ? [n, m] : [m, n];
  const vectors = Array.from({ length: count }, (_, i) => {
    const vector = new Float64Array(length);
    for (let j = 0; j < length; j++) vector[j] = tall ? W[j * n + i] : W[i * n + j];
    return vector;
  });
  const turned = Array.from({ length: count }, (_, i) => {
    const unit = new Float64Array(count);
    unit[i] = 1;
    return unit;
  });
  for (let sweep = 0, rotated = true; rotated && sweep < 40; sweep++) {
    rotated = false;
    for (let p = 0; p < count - 1; p++) {
      for (let q = p + 1; q < count; q++) {
        const [a, b] = [vectors[p], vectors[q]];
        const alpha = dot(a, a), beta = dot(b, b), gamma = dot(a, b);
        if (Math.abs(gamma) <= 1e-15 * Math.sqrt(alpha * beta) || gamma === 0) continue;
        rotated = true;
        const zeta = (beta - alpha) / (2 * gamma);
        const tangent = (zeta >= 0 ? 1 : -1) / (Math.abs(zeta) + Math.hypot(1, zeta));
        const cosine = 1 / Math.hypot(1, tangent);
        rotate(a, b, cosine, cosine * tangent);
        rotate(turned[p], turned[q], cosine, cosine * tangent);
      }
    }
  }
  const sizes = vectors.map((vector) => Math.sqrt(dot(vector, vector)));
  const order = [...sizes.keys()].sort((a, b) => sizes[b] - sizes[a]).slice(0, r);
  const long = order.map((i) => vectors[i].map((value) => value / (sizes[i] || 1)));
  const short = order.map((i) => turned[i]);
  const values = order.map((i) => sizes[i]);
  return tall ? { left: long, values, right: short } : { left: short, values, right: long };
}

/**
 * The same by subspace iteration from random directions (Halko et al. 2009, arXiv:0909.4061,
 * algorithm 5.1): close to exact after a few iterations, and O(m·n·r) each.
 */
export function randomizedSingular(
  W: ArrayLike<number>,
  m: number,
  n: number,
  r: number,
  iterations: number,
  random: RandomStream,
): Singular {
  const apply = (x: Float64Array) => {
    const y = new Float64Array(m);
    for (let i = 0; i < m; i++) {
      let sum = 0;
      for (let j = 0; j < n; j++) sum += W[i * n + j] * x[j];
      y[i] = sum;
    }
    return y;
  };
  const applyTransposed = (y: Float64Array) => {
    const x = new Float64Array(n);
    for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) x[j] += W[i * n + j] * y[i];
    return x;
  };
  const start = Array.from(
    { length: r },
    () => Float64Array.from({ length: n }, () => random.normal()),
  );
  let basis = orthonormal(start.map(apply));
  for (let i = 0; i < iterations; i++) {
    basis = orthonormal(orthonormal(basis.map(applyTransposed)).map(apply));
  }
  const small = basis.map(applyTransposed); // r rows of Qᵀ·W, [r, n]
  const flat = new Float64Array(r * n);
  small.forEach((row, i) => flat.set(row, i * n));
  const { left, values, right } = leadingSingular(flat, r, n, r);
  const whole = left.map((weights) => {
    const u = new Float64Array(m);
    basis.forEach((q, i) => {
      for (let j = 0; j < m; j++) u[j] += weights[i] * q[j];
    });
    return u;
  });
  return { left: whole, values, right };
}

/**
 * The first r columns of Q [m, ·] and rows of R [·, n] of W = QR, by Householder reflections with
 * LAPACK's signs.
 */
export function leadingQr(
  W: ArrayLike<number>,
  m: number,
  n: number,
  r: number,
): { q: Float64Array; r: Float64Array } {
  const work = Float64Array.from(W);
  const reflections: { first: number; vector: Float64Array; tau: number }[] = [];
  const reflect = (
    matrix: Float64Array,
    columns: number,
    { first, vector, tau }: typeof reflections[number],
  ) => {
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let i = first; i < m; i++) sum += vector[i] * matrix[i * columns + j];
      for (let i = first; i < m; i++) matrix[i * columns + j] -= tau * sum * vector[i];
    }
  };
  for (let k = 0; k < r; k++) {
    let below = 0;
    for (let i = k + 1; i < m; i++) below += work[i * n + k] ** 2;
    if (below === 0) continue; // already in form, whatever the sign of the diagonal
    const diagonal = work[k * n + k];
    const beta = -Math.sign(diagonal || 1) * Math.sqrt(diagonal ** 2 + below);
    const vector = new Float64Array(m);
    vector[k] = 1;
    for (let i = k + 1; i < m; i++) vector[i] = work[i * n + k] / (diagonal - beta);
    const reflection = { first: k, vector, tau: (beta - diagonal) / beta };
    reflections.push(reflection);
    reflect(work, n, reflection);
    for (let i = k + 1; i < m; i++) work[i * n + k] = 0;
  }
  const q = new Float64Array(m * r);
  for (let k = 0; k < r; k++) q[k * r + k] = 1;
  for (const reflection of reflections.reverse()) reflect(q, r, reflection);
  return { q, r: work.slice(0, r * n) };
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function rotate(a: Float64Array, b: Float64Array, cosine: number, sine: number): void {
  for (let i = 0; i < a.length; i++) {
    const left = a[i];
    a[i] = cosine * left - sine * b[i];
    b[i] = sine * left + cosine * b[i];
  }
}

/** Gram-Schmidt, twice for full precision. */
function orthonormal(vectors: Float64Array[]): Float64Array[] {
  const done: Float64Array[] = [];
  for (const vector of vectors) {
    for (let pass = 0; pass < 2; pass++) {
      for (const other of done) {
        const along = dot(vector, other);
        for (let i = 0; i < vector.length; i++) vector[i] -= along * other[i];
      }
    }
    const size = Math.sqrt(dot(vector, vector)) || 1;
    done.push(vector.map((value) => value / size));
  }
  return done;
}
