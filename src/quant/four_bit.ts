// bitsandbytes' 4-bit types on the host: code books, and a twin of shaders/quantize_4bit.wgsl that
// gives the same bits. Merging uses it, and the tests.
// Dettmers et al. 2023, arXiv:2305.14314; the 8-bit map: Dettmers et al. 2022, arXiv:2110.02861.

import { type FourBit, nestedBlock } from "./format.ts";

const { fround } = Math;

/** The values of the 16 codes. */
export const codeBooks: Record<FourBit["kind"], Float32Array> = {
  nf4: Float32Array.of(
    -1,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1,
  ),
  fp4: Float32Array.of(
    ...[0, 0.0625 / 12, 8 / 12, 1, 4 / 12, 6 / 12, 2 / 12, 3 / 12],
    ...[0, -0.0625 / 12, -8 / 12, -1, -4 / 12, -6 / 12, -2 / 12, -3 / 12],
  ),
};

/** Codes in rising order of their values. Both zeros of FP4 count; the lower one is code 0. */
export const codeOrder: Record<FourBit["kind"], readonly number[]> = {
  nf4: Array.from({ length: 16 }, (_, i) => i),
  fp4: [11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3],
};

/** The values halfway between neighbouring codes, rising. */
export function bounds(kind: FourBit["kind"]): Float32Array {
  const values = codeOrder[kind].map((code) => codeBooks[kind][code]);
  return midpoints(Float32Array.from(values));
}

function midpoints(sorted: Float32Array): Float32Array {
  return Float32Array.from({ length: sorted.length - 1 }, (_, i) => {
    return fround(fround(sorted[i] + sorted[i + 1]) / 2);
  });
}

/** The 8-bit code book of block maxima: seven decades, each with twice the steps of the one below. */
export function dynamicMap(): Float32Array<ArrayBuffer> {
  const values = [0, 1];
  for (let decade = 0; decade < 7; decade++) {
    const edges = linspace(0.1, 1, 2 ** decade + 1);
    const size = fround(10 ** (decade - 6));
    for (let i = 0; i + 1 < edges.length; i++) {
      const mean = fround(fround(edges[i] + edges[i + 1]) / 2);
      values.push(fround(size * mean), -fround(size * mean));
    }
  }
  return Float32Array.from(values).sort();
}

/** As PyTorch does it in f32: from both ends to the middle. */
function linspace(first: number, last: number, count: number): number[] {
  const step = fround(fround(fround(last) - fround(first)) / (count - 1));
  return Array.from({ length: count }, (_, i) => {
    const below = i < Math.floor(count / 2);
    return below ? fround(fround(first) + step * i) : fround(fround(last) - step * (count - i - 1));
  });
}

/** A flattened weight in 4 bits. */
export interface FourBitValues {
  /** Two codes to a byte, the first in the high half. */
  codes: Uint8Array<ArrayBuffer>;
  /** Maximum of each block. */
  maxima: Float32Array<ArrayBuffer>;
}

/** The maxima in 8 bits: offset + map[code] · maximum of 256 of them. */
export interface NestedMaxima {
  codes: Uint8Array<ArrayBuffer>;
  maxima: Float32Array<ArrayBuffer>;
  offset: number;
}

export function quantize4bit(values: Float32Array, { kind, block }: FourBit): FourBitValues {
  const count = values.length;
  const codes = new Uint8Array(Math.ceil(count / 2));
  const maxima = new Float32Array(Math.ceil(count / block));
  const edges = bounds(kind);
  const order = codeOrder[kind];
  for (let b = 0; b < maxima.length; b++) {
    const end = Math.min(count, (b + 1) * block);
    let largest = 0;
    for (let i = b * block; i < end; i++) largest = Math.max(largest, Math.abs(values[i]));
    maxima[b] = largest;
    const inverse = largest > 0 ? fround(1 / largest) : 0;
    for (let i = b * block; i < end; i++) {
      const code = order[countBelow(edges, fround(values[i] * inverse))];
      codes[i >> 1] |= i % 2 === 0 ? code << 4 : code;
    }
  }
  return { codes, maxima };
}

export function nestMaxima(maxima: Float32Array): NestedMaxima {
  let sum = 0;
  for (const value of maxima) sum += value;
  const offset = fround(fround(sum) / maxima.length);
  const edges = midpoints(dynamicMap());
  const codes = new Uint8Array(maxima.length);
  const outer = new Float32Array(Math.ceil(maxima.length / nestedBlock));
  for (let b = 0; b < outer.length; b++) {
    const end = Math.min(maxima.length, (b + 1) * nestedBlock);
    let largest = 0;
    for (let i = b * nestedBlock; i < end; i++) {
      largest = Math.max(largest, Math.abs(fround(maxima[i] - offset)));
    }
    outer[b] = largest;
    const inverse = largest > 0 ? fround(1 / largest) : 0;
    for (let i = b * nestedBlock; i < end; i++) {
      codes[i] = countBelow(edges, fround(fround(maxima[i] - offset) * inverse));
    }
  }
  return { codes, maxima: outer, offset };
}

/** How many of the rising `edges` lie below `value`. */
function countBelow(edges: Float32Array, value: number): number {
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (edges[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function nestedValues({ codes, maxima, offset }: NestedMaxima, map = dynamicMap()) {
  return Float32Array.from(codes, (code, i) => {
    return fround(fround(map[code] * maxima[Math.floor(i / nestedBlock)]) + offset);
  });
}

export function dequantize4bit(
  codes: Uint8Array,
  maxima: Float32Array,
  { kind, block }: FourBit,
  count: number,
): Float32Array<ArrayBuffer> {
  const book = codeBooks[kind];
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const byte = codes[i >> 1];
    values[i] = book[i % 2 === 0 ? byte >> 4 : byte & 15] * maxima[Math.floor(i / block)];
  }
  return values;
}

/** What a weight becomes when it is held in 4 bits. */
export function roundTrip4bit(values: Float32Array, format: FourBit): Float32Array<ArrayBuffer> {
  const { codes, maxima } = quantize4bit(values, format);
  const held = format.nested ? nestedValues(nestMaxima(maxima)) : maxima;
  return dequantize4bit(codes, held, format, values.length);
}
