// The tensors of the twins: plain f64 numbers in row-major order. A twin has the name of its operation
// in src/graph/operations and the same arguments, and returns the outputs that are not workspace.

/** f64 values of any shape, row-major. Integers (tokens, positions) are held exactly. */
export interface Dense {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** Takes over `values`, or makes zeros. */
export function dense(shape: readonly number[], values?: ArrayLike<number>): Dense {
  const size = shape.reduce((product, dimension) => product * dimension, 1);
  const data = values ? Float64Array.from(values) : new Float64Array(size);
  if (data.length !== size) throw new Error(`${data.length} values for the shape [${shape}]`);
  return { shape, data };
}

/** The two 32-bit words of a scalar buffer (src/graph/step_scalars.ts) as the twins read them. */
export function stepFloat(step: Dense, word: number): number {
  return new Float32Array(Uint32Array.of(step.data[word]).buffer)[0];
}
