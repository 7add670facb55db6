import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { packFirstFit, packingEfficiency, packSequential } from "../../src/data/pack.ts";
import { RandomStream } from "../../src/random.ts";

const upTo = (n: number) => Uint32Array.from({ length: n }, (_, i) => i);

/** First-fit decreasing as its definition says it. */
function plainFirstFit(lengths: number[], capacity: number): number[][] {
  const bins: { room: number; items: number[] }[] = [];
  const order = [...lengths.keys()].sort((a, b) => lengths[b]! - lengths[a]!);
  for (const index of order) {
    let bin = bins.find(({ room }) => room >= lengths[index]!);
    if (!bin) bins.push(bin = { room: capacity, items: [] });
    bin.items.push(index);
    bin.room -= lengths[index]!;
  }
  return bins.map(({ items }) => items);
}

Deno.test("first-fit decreasing equals its plain definition", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 20 })), (lengths) => {
    deepEqual(packFirstFit(lengths, 20, upTo(lengths.length)), plainFirstFit(lengths, 20));
  }));
});

Deno.test("every packing holds each sample once and overfills no bin", () => {
  const cases = fc.tuple(fc.array(fc.integer({ min: 1, max: 50 })), fc.integer({ min: 1, max: 9 }));
  fc.assert(fc.property(cases, ([lengths, group]) => {
    const order = new RandomStream(1, 1).shuffle(upTo(lengths.length));
    for (
      const bins of [packFirstFit(lengths, 50, order, group), packSequential(lengths, 50, order)]
    ) {
      deepEqual(bins.flat().sort((a, b) => a - b), [...lengths.keys()]);
      for (const bin of bins) ok(bin.reduce((sum, i) => sum + lengths[i]!, 0) <= 50);
      const efficiency = packingEfficiency(lengths, 50, bins);
      ok(efficiency > 0 && efficiency <= 1);
    }
    deepEqual(packSequential(lengths, 50, order).flat(), [...order]);
  }));
});

Deno.test("groups never share a bin", () => {
  deepEqual(packFirstFit([1, 1, 1, 1], 10, upTo(4), 2), [[0, 1], [2, 3]]);
});

Deno.test("a sample longer than a row is an internal error", () => {
  throws(() => packFirstFit([11], 10, [0]), /11 tokens, a row holds 10/);
  throws(() => packSequential([11], 10, [0]), /11 tokens, a row holds 10/);
});

Deno.test("a million samples pack well in little time", () => {
  const random = new RandomStream(7, 0);
  const lengths = Uint32Array.from({ length: 1_000_000 }, () => 1 + random.below(2048));
  const start = performance.now();
  const bins = packFirstFit(lengths, 2048, upTo(lengths.length));
  const seconds = (performance.now() - start) / 1000;
  ok(seconds < 4, `${seconds} s`); // 2 s on an idle machine
  ok(packingEfficiency(lengths, 2048, bins) > 0.98);
  equal(bins.reduce((sum, bin) => sum + bin.length, 0), 1_000_000);
});
