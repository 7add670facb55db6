// Packed rows give every token the loss it has in a row of its own, and no sample sees another.

import assert from "node:assert/strict";
import { Batches } from "../../src/data/batches.ts";
import type { Batch } from "../../src/data/batches.ts";
import type { Sample } from "../../src/data/sample.ts";
import { rows, sanitize, tinyFolder, withTrainer } from "./tiny.ts";

const length = 192;

/** Samples of awkward lengths: 2, and around the tile of four keys; labels of the latter half. */
function makeSamples(): Sample[] {
  const lengths = [2, 3, 4, 5, 31, 32, 33, 64, 65, 100, 7, 128, 191, 192];
  let state = 1;
  const draw = () => 3 + (state = state * 48271 % 2147483647) % 256;
  return lengths.map((length) => {
    const tokens = Int32Array.from({ length }, draw);
    const labels = tokens.map((token, i) => i < length / 3 ? -100 : token);
    return { tokens, labels };
  });
}

/** Per-token losses of every sample, in the order of the samples. */
async function lossesBySample(
  samples: readonly Sample[],
  packing: boolean,
  run: (batch: Batch) => Promise<Float32Array>,
): Promise<number[][]> {
  const batches = new Batches(samples, {
    microBatchSize: 2,
    sequenceLen: length,
    packing,
    padToSequenceLen: true,
    padId: 0,
    seed: 1,
    sequential: true,
  });
  const found: number[][] = [];
  for (const batch of batches.epoch(0)) {
    const losses = await run(batch);
    for (let at = 0; at < batch.rows * length; at++) {
      if (batch.targets[at] < 0) assert.equal(losses[at], 0, "a token without a target has a loss");
      const column = at % length;
      // Padding tokens are segments of one token; every sample has at least two.
      const starts = batch.starts[at] === column && column + 1 < length &&
        batch.starts[at + 1] === column;
      if (starts) found.push([]);
      if (starts || batch.starts[at] !== column) found.at(-1)!.push(losses[at]);
    }
  }
  return found;
}

for (const base of ["base-llama", "base-qwen2"] as const) {
  Deno.test(`packed equals one by one: ${base}`, sanitize, async () => {
    const folder = tinyFolder(base);
    const keys = {
      sequence_len: length,
      pad_to_sequence_len: true,
      test_datasets: [{ path: `${folder}/data.jsonl`, type: "alpaca" }],
    };
    await withTrainer(folder, keys, async (trainer) => {
      const run = (batch: Batch) => trainer.tokenLosses(batch);
      const samples = makeSamples();
      const alone = await lossesBySample(samples, false, run);
      const packed = await lossesBySample(samples, true, run);
      assert.equal(alone.length, samples.length);
      assert.equal(packed.length, samples.length);
      let worst = 0;
      samples.forEach(({ tokens }, i) => {
        assert.equal(packed[i].length, tokens.length);
        assert.equal(alone[i].length, tokens.length);
        alone[i].forEach((loss, t) => worst = Math.max(worst, Math.abs(loss - packed[i][t])));
      });
      console.log(`${base}: packed and alone differ by at most ${worst.toExponential(2)}`);
      assert.ok(worst < 1e-5);
      assert.ok(Math.max(...alone.flat()) > 1);

      // Another sample in the place of one changes nothing of its neighbours.
      for (const changed of [0, 4, 9]) {
        const other = samples.map(({ tokens, labels }, i) =>
          i === changed
            ? { tokens: tokens.map((token) => 3 + token % 250), labels }
            : { tokens, labels }
        );
        const again = await lossesBySample(other, true, run);
        samples.forEach((_, i) => {
          if (i !== changed) assert.deepEqual(again[i], packed[i], `sample ${i} saw ${changed}`);
        });
        assert.notDeepEqual(again[changed], packed[changed]);
      }
    });
    Deno.removeSync(folder, { recursive: true });
  });
}

Deno.test("evaluation is the same with and without packing", sanitize, async () => {
  const folder = tinyFolder();
  const losses: number[] = [];
  for (const packing of [false, true]) {
    const keys = {
      sequence_len: 512,
      sample_packing: packing,
      test_datasets: [{ path: `${folder}/data.jsonl`, type: "alpaca" }],
    };
    losses.push(await withTrainer(folder, keys, (trainer) => trainer.evaluate()));
  }
  assert.ok(rows.length > 2 && Math.abs(losses[0] - losses[1]) < 1e-5, `${losses}`);
  Deno.removeSync(folder, { recursive: true });
});
