// Row-wise 8-bit weights as LLM.int8 stores them (Dettmers et al. 2022, arXiv:2208.07339), on the
// host: a twin of shaders/quantize_int8.wgsl. The paper's split of outlier columns is for 8-bit
// activations; here activations stay in f32, so nothing is split off.

const { fround } = Math;

export interface Int8Values {
  codes: Int8Array<ArrayBuffer>;
  /** Absolute maximum of each row. */
  maxima: Float32Array<ArrayBuffer>;
}

/** `values` [rows, columns] to codes = round(values · 127 / maximum), ties to even. */
export function quantizeInt8(values: Float32Array, rows: number): Int8Values {
  const columns = values.length / rows;
  const codes = new Int8Array(values.length);
  const maxima = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const first = row * columns;
    let largest = 0;
    for (let i = first; i < first + columns; i++) largest = Math.max(largest, Math.abs(values[i]));
    maxima[row] = largest;
    const factor = largest > 0 ? fround(127 * fround(1 / largest)) : 0;
    for (let i = first; i < first + columns; i++) codes[i] = roundEven(fround(values[i] * factor));
  }
  return { codes, maxima };
}

export function dequantizeInt8({ codes, maxima }: Int8Values): Float32Array<ArrayBuffer> {
  const columns = codes.length / maxima.length;
  const step = maxima.map((maximum) => fround(maximum * fround(1 / 127)));
  return Float32Array.from(codes, (code, i) => code * step[Math.floor(i / columns)]);
}

function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}
