// GPTQ and AWQ weights on the host: from the layouts of their files to the one that kernels read, and
// back for writing. Frantar et al. 2022, arXiv:2210.17323; Lin et al. 2023, arXiv:2306.00978.
//
// A file keeps a weight [N, K] turned around: GPTQ's `qweight` [K·bits/32, N] is, column by column, a
// stream of codes, low bits first; kernels want the streams row by row, so words change places and
// their bits do not. A word of the kernels' `scales` [N, groups] has the scale (low) and the zero.

import { type Grouped, groupsOf, wordsPerRow } from "./format.ts";

/** [rows, columns] words to [columns, rows], in tiles that stay in the cache. */
export function transposeWords(
  words: Uint32Array,
  rows: number,
  columns: number,
): Uint32Array<ArrayBuffer> {
  const out = new Uint32Array(rows * columns);
  const tile = 32;
  for (let r0 = 0; r0 < rows; r0 += tile) {
    const r1 = Math.min(rows, r0 + tile);
    for (let c0 = 0; c0 < columns; c0 += tile) {
      const c1 = Math.min(columns, c0 + tile);
      for (let c = c0; c < c1; c++) {
        for (let r = r0; r < r1; r++) out[c * rows + r] = words[r * columns + c];
      }
    }
  }
  return out;
}

/** Code `index` of a stream that begins at word `base`. */
export function codeAt(words: Uint32Array, base: number, index: number, bits: number): number {
  const bit = index * bits;
  const word = base + Math.floor(bit / 32);
  const shift = bit % 32;
  const low = words[word] >>> shift;
  const code = shift + bits > 32 ? low | (words[word + 1] << (32 - shift)) : low;
  return code & (2 ** bits - 1);
}

/** Writes a code into a stream of zeros. */
export function putCode(
  words: Uint32Array,
  base: number,
  index: number,
  bits: number,
  code: number,
): void {
  const bit = index * bits;
  const word = base + Math.floor(bit / 32);
  const shift = bit % 32;
  words[word] |= code << shift;
  if (shift + bits > 32) words[word + 1] |= code >>> (32 - shift);
}

/** A weight as kernels read it. */
export interface GroupedValues {
  codes: Uint32Array<ArrayBuffer>;
  scales: Uint32Array<ArrayBuffer>;
}

/**
 * GPTQ's tensors as kernels read them. `scales` [groups, N] are 16-bit floats by their bits, `zeros`
 * [groups, N·bits/32]; version 1 of the layout stores the zero less one.
 */
export function fromGptq(
  qweight: Uint32Array,
  zeros: Uint32Array,
  scales: Uint16Array,
  rows: number,
  columns: number,
  format: Grouped,
  version: 1 | 2,
): GroupedValues {
  const { bits } = format;
  const groups = groupsOf(format, columns);
  const codes = transposeWords(qweight, wordsPerRow(format, columns), rows);
  const packed = new Uint32Array(rows * groups);
  const zeroWords = Math.ceil((rows * bits) / 32);
  for (let g = 0; g < groups; g++) {
    for (let n = 0; n < rows; n++) {
      const zero = codeAt(zeros, g * zeroWords, n, bits) + (version === 1 ? 1 : 0);
      packed[n * groups + g] = scales[g * rows + n] | (zero << 16);
    }
  }
  return { codes, scales: packed };
}

/** Column of nibble i within eight of AWQ's "gemm" layout. */
const awqOrder = [0, 2, 4, 6, 1, 3, 5, 7];

/** AWQ's tensors as kernels read them: `qweight` [K, N/8], `zeros` [groups, N/8], `scales` [groups, N]. */
export function fromAwq(
  qweight: Uint32Array,
  zeros: Uint32Array,
  scales: Uint16Array,
  rows: number,
  columns: number,
  format: Grouped,
): GroupedValues {
  const groups = groupsOf(format, columns);
  const wide = rows / 8;
  const words = wordsPerRow(format, columns);
  const codes = new Uint32Array(rows * words);
  for (let n8 = 0; n8 < wide; n8++) {
    for (let k = 0; k < columns; k++) {
      const word = qweight[k * wide + n8];
      const shift = (k % 8) * 4;
      for (let i = 0; i < 8; i++) {
        const at = (n8 * 8 + awqOrder[i]) * words + (k >>> 3);
        codes[at] |= ((word >>> (4 * i)) & 15) << shift;
      }
    }
  }
  const packed = new Uint32Array(rows * groups);
  for (let g = 0; g < groups; g++) {
    for (let n8 = 0; n8 < wide; n8++) {
      const word = zeros[g * wide + n8];
      for (let i = 0; i < 8; i++) {
        const n = n8 * 8 + awqOrder[i];
        packed[n * groups + g] = scales[g * rows + n] | (((word >>> (4 * i)) & 15) << 16);
      }
    }
  }
  return { codes, scales: packed };
}

/** The values of a weight [rows, columns]; `order` lists the group of each column. */
export function dequantizeGrouped(
  { codes, scales }: GroupedValues,
  rows: number,
  columns: number,
  format: Grouped,
  order?: Uint32Array,
): Float32Array<ArrayBuffer> {
  const groups = groupsOf(format, columns);
  const words = wordsPerRow(format, columns);
  const values = new Float32Array(rows * columns);
  const half = new Uint16Array(scales.length);
  scales.forEach((word, i) => half[i] = word & 0xffff);
  const scale = format.scales === "f16"
    ? new Float32Array(new Float16Array(half.buffer))
    : new Float32Array(Uint32Array.from(half, (bits) => bits << 16).buffer);
  for (let n = 0; n < rows; n++) {
    for (let k = 0; k < columns; k++) {
      const g = n * groups + (order ? order[k] : Math.floor(k / format.group));
      const code = codeAt(codes, n * words, k, format.bits);
      values[n * columns + k] = (code - (scales[g] >>> 16)) * scale[g];
    }
  }
  return values;
}
