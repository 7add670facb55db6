// Rounding a weight to a grid: to the nearest, or by GPTQ, which rounds column after column and lets
// the columns still to come make up for the error, weighed by how the inputs go together.
// Frantar et al. 2022, arXiv:2210.17323, algorithm 1, with groups, in the order of the columns.

import { f16ToF32, f32ToF16 } from "../files/dtype.ts";

export interface Grid {
  bits: 4 | 8;
  /** Inputs that share a scale. */
  group: number;
}

/** A weight [rows, columns] on a symmetric grid: value = (code - 2^(bits-1)) · scale. */
export interface Rounded {
  codes: Uint8Array<ArrayBuffer>;
  /** 16-bit floats by their bits, [rows, groups]. */
  scales: Uint16Array<ArrayBuffer>;
  values: Float32Array<ArrayBuffer>;
}

/** The part of the mean of the Hessian's diagonal that is added to it, so that it has an inverse. */
const damping = 0.01;

/**
 * Rounds `weight` in place of its values. `hessian` [columns, columns] is the sum of x·xᵀ over the
 * inputs of the layer; without it, every value goes to the nearest.
 */
export function roundWeight(
  weight: Float32Array,
  rows: number,
  columns: number,
  grid: Grid,
  hessian?: Float32Array | Float64Array,
): Rounded {
  const groups = Math.ceil(columns / grid.group);
  const zero = 2 ** (grid.bits - 1);
  const top = 2 ** grid.bits - 1;
  const rest = Float64Array.from(weight);
  const codes = new Uint8Array(rows * columns);
  const scales = new Uint16Array(rows * groups);
  const values = new Float32Array(rows * columns);
  const factor = hessian && inverseFactor(hessian, columns);
  const scale = new Float64Array(rows);
  const error = new Float64Array(rows);
  for (let k = 0; k < columns; k++) {
    if (k % grid.group === 0) {
      const end = Math.min(columns, k + grid.group);
      for (let n = 0; n < rows; n++) {
        let largest = 0;
        for (let j = k; j < end; j++) largest = Math.max(largest, Math.abs(rest[n * columns + j]));
        const half = f32ToF16(Float32Array.of(largest > 0 ? 2 * largest / top : 1));
        // A scale below the smallest of f16 would be 0.
        if (half[0] === 0) half[0] = 1;
        scales[n * groups + k / grid.group] = half[0];
        scale[n] = f16ToF32(half)[0];
      }
    }
    const pivot = factor ? factor[k * columns + k] : 1;
    for (let n = 0; n < rows; n++) {
      const at = n * columns + k;
      const code = Math.min(top, Math.max(0, Math.round(rest[at] / scale[n]) + zero));
      codes[at] = code;
      values[at] = (code - zero) * scale[n];
      error[n] = (rest[at] - values[at]) / pivot;
    }
    if (!factor) continue;
    for (let n = 0; n < rows; n++) {
      const e = error[n];
      const base = n * columns;
      for (let j = k + 1; j < columns; j++) rest[base + j] -= e * factor[k * columns + j];
    }
  }
  return { codes, scales, values };
}

/**
 * The upper triangular U with UᵀU = (H + damping)⁻¹. With R upper triangular and R·Rᵀ = H, which is
 * Cholesky's factor from the last row up, U is R⁻¹.
 */
function inverseFactor(hessian: ArrayLike<number>, size: number): Float64Array {
  const R = Float64Array.from(hessian);
  let sum = 0;
  for (let i = 0; i < size; i++) sum += R[i * size + i];
  const added = damping * sum / size || 1;
  for (let i = 0; i < size; i++) R[i * size + i] += added;
  for (let j = size - 1; j >= 0; j--) {
    let diagonal = R[j * size + j];
    for (let k = j + 1; k < size; k++) diagonal -= R[j * size + k] ** 2;
    const root = Math.sqrt(diagonal);
    R[j * size + j] = root;
    for (let i = 0; i < j; i++) {
      let value = R[i * size + j];
      for (let k = j + 1; k < size; k++) value -= R[i * size + k] * R[j * size + k];
      R[i * size + j] = value / root;
    }
  }
  // Inverse of a triangle, row by row from below: U[i] = (e_i − Σ R[i, k]·U[k]) / R[i, i], k > i.
  const U = new Float64Array(size * size);
  for (let i = size - 1; i >= 0; i--) {
    const pivot = R[i * size + i];
    U[i * size + i] = 1 / pivot;
    for (let k = i + 1; k < size; k++) {
      const factor = R[i * size + k] / pivot;
      for (let j = k; j < size; j++) U[i * size + j] -= factor * U[k * size + j];
    }
  }
  return U;
}
