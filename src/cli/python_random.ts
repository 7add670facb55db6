// Python's `random.seed(n); random.shuffle(list)`, so that the runs of a sweep have the order, and
// with it the folder names, that they have in Axolotl. Mersenne Twister (Matsumoto and Nishimura
// 1998) as in CPython's Modules/_randommodule.c and Lib/random.py.

const N = 624, M = 397;

/** A shuffled copy. `seed` is a whole number below 2^32. */
export function pythonShuffle<Item>(items: readonly Item[], seed: number): Item[] {
  const next = twister(seed);
  const shuffled = [...items];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const bits = 32 - Math.clz32(i + 1); // getrandbits of the bound's length, until it is below
    let j: number;
    do j = next() >>> (32 - bits); while (j > i);
    [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
  }
  return shuffled;
}

/** 32-bit outputs, seeded as Python seeds with a small whole number (`init_by_array`). */
function twister(seed: number): () => number {
  const state = new Uint32Array(N);
  state[0] = 19650218;
  const mixed = (i: number) => state[i - 1]! ^ (state[i - 1]! >>> 30);
  for (let i = 1; i < N; i++) state[i] = Math.imul(1812433253, mixed(i)) + i;
  let i = 1;
  for (let k = 0; k < N; k++) {
    state[i] = (state[i]! ^ Math.imul(mixed(i), 1664525)) + seed;
    if (++i === N) [state[0], i] = [state[N - 1]!, 1];
  }
  for (let k = 0; k < N - 1; k++) {
    state[i] = (state[i]! ^ Math.imul(mixed(i), 1566083941)) - i;
    if (++i === N) [state[0], i] = [state[N - 1]!, 1];
  }
  state[0] = 0x80000000;

  let at = N;
  return () => {
    if (at === N) {
      for (let k = 0; k < N; k++) {
        const y = (state[k]! & 0x80000000) | (state[(k + 1) % N]! & 0x7fffffff);
        state[k] = state[(k + M) % N]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      at = 0;
    }
    let y = state[at++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}
