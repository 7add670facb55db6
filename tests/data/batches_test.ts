import { deepEqual, equal, notDeepEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import { type Batch, Batches, type BatchOptions, windows } from "../../src/data/batches.ts";
import { countTrained, IGNORE, makeSample, type Sample } from "../../src/data/sample.ts";

const PAD = 999;
const OPTIONS: BatchOptions = {
  microBatchSize: 2,
  sequenceLen: 16,
  packing: false,
  padToSequenceLen: false,
  padId: PAD,
  seed: 42,
  lengthMultiple: 4,
};

/** Sample `n` has tokens 10n, 10n + 1, ...; the first `prompt` of them are not trained. */
function sample(n: number, prompt: number, response: number): Sample {
  const ids = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);
  return makeSample(
    { ids: ids(10 * n, prompt), trained: false },
    { ids: ids(10 * n + prompt, response), trained: true },
  );
}

const row = (batch: Batch, key: "tokens" | "targets" | "positions" | "starts", n: number) => [
  ...batch[key].subarray(n * batch.length, (n + 1) * batch.length),
];

Deno.test("two packed samples and padding, spelled out", () => {
  const samples = [sample(1, 2, 2), sample(2, 0, 3)];
  const packed = { ...OPTIONS, packing: true, sequential: true, padToSequenceLen: true };
  const [batch, ...others] = [...new Batches(samples, { ...packed, sequenceLen: 9 }).epoch(0)];
  equal(others.length, 0);
  deepEqual([batch!.rows, batch!.length, batch!.sampleCount], [2, 9, 2]);
  deepEqual(row(batch!, "tokens", 0), [10, 11, 12, 13, 20, 21, 22, PAD, PAD]);
  const x = IGNORE;
  // 13 -> 20 would cross the seam, although 20 is trained.
  deepEqual(row(batch!, "targets", 0), [x, 12, 13, x, 21, 22, x, x, x]);
  deepEqual(row(batch!, "positions", 0), [0, 1, 2, 3, 0, 1, 2, 0, 0]);
  deepEqual(row(batch!, "starts", 0), [0, 0, 0, 0, 4, 4, 4, 7, 8]);
  equal(batch!.trainedTokens, 4);
  // The row that fills up the batch is padding only.
  deepEqual(row(batch!, "tokens", 1), Array(9).fill(PAD));
  deepEqual(row(batch!, "targets", 1), Array(9).fill(IGNORE));
  deepEqual(row(batch!, "positions", 1), Array(9).fill(0));
  deepEqual(row(batch!, "starts", 1), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

Deno.test("without packing a batch is as long as its longest sample, rounded up", () => {
  const samples = [sample(1, 1, 2), sample(2, 1, 4), sample(3, 1, 1)];
  const batches = new Batches(samples, { ...OPTIONS, sequential: true });
  deepEqual([...batches.epoch(0)].map((batch) => batch.length), [8, 4]);
  deepEqual(batches.shapes(), [4, 8]);
  const capped = new Batches([sample(1, 5, 5)], { ...OPTIONS, sequenceLen: 10 });
  deepEqual(capped.shapes(), [10]);
});

Deno.test("epochs repeat for a seed, differ from one another, and can be resumed", () => {
  const samples = Array.from({ length: 20 }, (_, i) => sample(i, 1, 1 + i % 5));
  for (const packing of [false, true]) {
    const first = new Batches(samples, { ...OPTIONS, packing });
    const second = new Batches(samples, { ...OPTIONS, packing });
    const tokens = (batches: Batches, epoch: number, skip = 0) =>
      [...batches.epoch(epoch, skip)].map((batch) => [...batch.tokens]);
    deepEqual(tokens(first, 3), tokens(second, 3));
    notDeepEqual(tokens(first, 0), tokens(first, 1));
    deepEqual(tokens(first, 2, 3), tokens(second, 2).slice(3));
    const other = new Batches(samples, { ...OPTIONS, packing, seed: 1 });
    notDeepEqual(tokens(first, 0), tokens(other, 0));
  }
});

Deno.test("an epoch holds every sample once, whole, and keeps segments apart", () => {
  const shape = fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 1, max: 5 }));
  const options = fc.record({
    packing: fc.boolean(),
    padToSequenceLen: fc.boolean(),
    sequential: fc.boolean(),
    microBatchSize: fc.integer({ min: 1, max: 4 }),
  });
  fc.assert(
    fc.property(fc.array(shape, { minLength: 1, maxLength: 30 }), options, (shapes, chosen) => {
      const samples = shapes.map(([prompt, response], i) => sample(i, prompt, response));
      const batches = new Batches(samples, { ...OPTIONS, ...chosen });
      const found = new Map<number, number[]>();
      let count = 0, sampleCount = 0, trained = 0;
      for (const batch of batches.epoch(1)) {
        count++;
        sampleCount += batch.sampleCount;
        trained += batch.trainedTokens;
        equal(batch.rows, chosen.microBatchSize);
        equal(batch.trainedTokens, batch.targets.filter((target) => target !== IGNORE).length);
        for (let t = 0; t < batch.tokens.length; t++) {
          const column = t % batch.length;
          ok(batch.starts[t]! + batch.positions[t]! === column, "position restarts at the start");
          if (batch.tokens[t] === PAD) {
            equal(batch.starts[t], column);
            equal(batch.targets[t], IGNORE);
            continue;
          }
          const id = Math.floor(batch.tokens[t]! / 10);
          found.set(id, [...found.get(id) ?? [], batch.tokens[t]!]);
          if (batch.targets[t] !== IGNORE) {
            equal(batch.targets[t], batch.tokens[t + 1]);
            equal(batch.starts[t + 1], batch.starts[t]);
          }
        }
      }
      equal(count, batches.count(1));
      equal(sampleCount, samples.length);
      equal(trained, samples.reduce((sum, each) => sum + countTrained(each), 0));
      for (const [i, { tokens }] of samples.entries()) deepEqual(found.get(i), [...tokens]);
    }),
    { numRuns: 60 },
  );
});

Deno.test("windows group micro batches and add up their trained tokens", () => {
  const samples = Array.from({ length: 5 }, (_, i) => sample(i, 1, i + 1));
  const batches = new Batches(samples, { ...OPTIONS, microBatchSize: 1, sequential: true });
  const grouped = [...windows(batches.epoch(0), 2)];
  deepEqual(grouped.map((window) => window.batches.length), [2, 2, 1]);
  deepEqual(grouped.map((window) => window.trainedTokens), [3, 7, 5]);
  equal(batches.steps(2), 3);
});
