import { deepEqual, equal, notDeepEqual, ok } from "node:assert/strict";
import { type Block, philox, RandomStream } from "../src/random.ts";

/** philox4x32-10 lines of kat_vectors in Random123. */
const KNOWN: [Block, [number, number], Block][] = [
  [[0, 0, 0, 0], [0, 0], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
];

Deno.test("philox matches the vectors of Random123", () => {
  for (const [counter, key, expected] of KNOWN) deepEqual(philox(counter, key), expected);
});

Deno.test("a stream is the blocks of its counters, and repeats for the same seed", () => {
  const stream = new RandomStream(42, 7);
  const drawn = Array.from({ length: 8 }, () => stream.nextU32());
  deepEqual(drawn, [...philox([0, 0, 7, 0], [42, 0]), ...philox([1, 0, 7, 0], [42, 0])]);
  const other = new RandomStream(42, 8);
  notDeepEqual(drawn, Array.from({ length: 8 }, () => other.nextU32()));
});

Deno.test("uniform and normal numbers have the right moments", () => {
  const stream = new RandomStream(1, 0);
  const n = 50_000;
  let sum = 0, normalSum = 0, normalSquares = 0;
  for (let i = 0; i < n; i++) {
    const u = stream.uniform();
    ok(u >= 0 && u < 1 && Math.fround(u) === u);
    sum += u;
    const z = stream.normal();
    ok(Number.isFinite(z));
    normalSum += z;
    normalSquares += z * z;
  }
  ok(Math.abs(sum / n - 0.5) < 0.01);
  ok(Math.abs(normalSum / n) < 0.02);
  ok(Math.abs(normalSquares / n - 1) < 0.03);
});

Deno.test("below stays in range and shuffle keeps every element", () => {
  const stream = new RandomStream(3, 3);
  const seen = new Set<number>();
  for (let i = 0; i < 200; i++) seen.add(stream.below(6));
  deepEqual([...seen].sort(), [0, 1, 2, 3, 4, 5]);
  equal(stream.below(1), 0);
  ok(stream.below(2 ** 32) < 2 ** 32);
  const list = stream.shuffle(Array.from({ length: 100 }, (_, i) => i));
  equal(new Set(list).size, 100);
  notDeepEqual(list, [...list].sort((a, b) => a - b));
});
