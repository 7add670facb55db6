// Philox4x32-10, the one source of random numbers in Eft: a counter-based generator, so that any
// number of any stream can be drawn at any time, in WGSL and here, with the same bits.
// Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;

export type Block = [number, number, number, number];

/** The high 32 bits of the unsigned product of two 32-bit numbers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff, aHigh = a >>> 16;
  const bLow = b & 0xffff, bHigh = b >>> 16;
  const low = Math.imul(aLow, bLow) >>> 0;
  const middle = aHigh * bLow + (low >>> 16); // at most 2^32 - 2^16: exact
  const middle2 = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(middle2 / 0x10000)) >>> 0;
}

/** Four random 32-bit numbers for a counter and a key, all unsigned. */
export function philox(counter: Readonly<Block>, key: readonly [number, number]): Block {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0 >>> 0);
    const high1 = multiplyHigh(MULTIPLIER_1, c2 >>> 0);
    const low0 = Math.imul(MULTIPLIER_0, c0);
    const low1 = Math.imul(MULTIPLIER_1, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0];
}

/**
 * Numbers drawn one after another from stream `stream` of seed `seed`: the blocks of the counters
 * (0, 0, stream, 0), (1, 0, stream, 0), ... under the key (low, high half of the seed).
 */
export class RandomStream {
  readonly #key: [number, number];
  readonly #stream: number;
  #counter = 0;
  #block: Block = [0, 0, 0, 0];
  #used = 4;
  #spareNormal: number | undefined;

  constructor(seed: number, stream: number) {
    this.#key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
    this.#stream = stream >>> 0;
  }

  /** An integer in [0, 2^32). */
  nextU32(): number {
    if (this.#used === 4) {
      const high = Math.floor(this.#counter / 2 ** 32);
      this.#block = philox([this.#counter >>> 0, high, this.#stream, 0], this.#key);
      this.#counter++;
      this.#used = 0;
    }
    return this.#block[this.#used++]!;
  }

  /** A number in [0, 1) with 24 random bits, exact in f32. */
  uniform(): number {
    return (this.nextU32() >>> 8) / 2 ** 24;
  }

  /** A number from the standard normal distribution (Box-Muller, both of a pair are used). */
  normal(): number {
    if (this.#spareNormal !== undefined) {
      const spare = this.#spareNormal;
      this.#spareNormal = undefined;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform())); // 1 - u is in (0, 1]
    const angle = 2 * Math.PI * this.uniform();
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** An integer in [0, n), without bias; n is from 1 to 2^32. */
  below(n: number): number {
    const limit = 2 ** 32 - (2 ** 32 % n); // draws above would favour the small results
    let draw = this.nextU32();
    while (draw >= limit) draw = this.nextU32();
    return draw % n;
  }

  /** Puts an array into random order in place (Fisher-Yates) and returns it. */
  shuffle<List extends { length: number; [index: number]: unknown }>(list: List): List {
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const kept = list[i];
      list[i] = list[j];
      list[j] = kept;
    }
    return list;
  }
}
