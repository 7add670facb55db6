// The batch that is made again for a step is the one that the run had.

import assert from "node:assert/strict";
import { parseConfig } from "../../src/config/config.ts";
import { type AccumulationWindow, windowOfStep } from "../../src/data/batches.ts";
import { readRunData, stepBatch } from "../../src/app/rooms/train/step_batch.ts";
import { configText, host, lora, sanitize, tinyFolder, train } from "../train/tiny.ts";

Deno.test(
  "the window of every step is the run's, and its text that of the data",
  sanitize,
  async () => {
    const folder = tinyFolder();
    const keys = {
      ...lora,
      datasets: [{ path: `${folder}/data.jsonl`, type: "alpaca" }],
      sequence_len: 256,
      sample_packing: true,
      micro_batch_size: 1,
      gradient_accumulation_steps: 2,
      max_steps: 5, // of several passes
    };
    const used: AccumulationWindow[] = [];
    await train(folder, keys, {
      before(trainer) {
        const step = trainer.step.bind(trainer);
        trainer.step = (window, rate) => {
          used.push(window);
          return step(window, rate);
        };
        return Promise.resolve();
      },
    });
    const text = configText(folder, keys);
    const data = await readRunData(host, text, "test.yml");
    assert.ok(parseConfig(text, "test.yml").config.sample_packing);
    const passes = new Set<number>();
    for (const [i, window] of used.entries()) {
      const found = windowOfStep(data.trainBatches, 2, i + 1);
      assert.deepEqual(found.window, window);
      passes.add(found.pass);
      const { rows, tokens, trainedTokens } = stepBatch(data, i + 1);
      const runs = rows.flatMap(({ samples }) => samples).flat();
      const sum = (list: typeof runs) => list.reduce((total, run) => total + run.tokens, 0);
      assert.equal(sum(runs), tokens);
      assert.equal(sum(runs.filter(({ trained }) => trained)), trainedTokens);
      for (const sample of rows.flatMap(({ samples }) => samples)) {
        assert.match(sample[0].text, /### Instruction:/); // the prompt is not trained
        assert.deepEqual(sample.map(({ trained }) => trained), [false, true]);
      }
    }
    assert.ok(passes.size > 1);
    Deno.removeSync(folder, { recursive: true });
  },
);
