// When a run evaluates and saves, on paper.

import assert from "node:assert/strict";
import { parseConfig } from "../../src/config/config.ts";
import { newProgress, noteEvaluation, outOfPatience } from "../../src/train/progress.ts";
import { timingOf } from "../../src/train/timing.ts";

function config(keys: Record<string, unknown>) {
  const text = JSON.stringify({
    base_model: "m",
    datasets: [{ path: "d.jsonl", type: "alpaca" }],
    val_set_size: 0.5,
    learning_rate: 1,
    ...keys,
  });
  return parseConfig(text, "test.yml").config;
}

/** Steps of a run of `epochs` passes at which something happens. */
function steps(
  keys: Record<string, unknown>,
  stepsPerEpoch = 7,
  epochs = 3,
): { saved: number[]; evaluated: number[] } {
  const total = stepsPerEpoch * epochs;
  const timing = timingOf(config(keys), total, stepsPerEpoch, true);
  const all = Array.from({ length: total }, (_, i) => ({
    step: i + 1,
    endsEpoch: (i + 1) % stepsPerEpoch === 0,
    last: i + 1 === total,
  }));
  return {
    saved: all.filter(timing.saveAt).map(({ step }) => step),
    evaluated: all.filter(timing.evaluateAt).map(({ step }) => step),
  };
}

Deno.test("steps of saving", () => {
  assert.deepEqual(steps({}).saved, [7, 14, 21]);
  assert.deepEqual(steps({ save_strategy: "no" }).saved, []);
  assert.deepEqual(steps({ save_steps: 5 }).saved, [5, 10, 15, 20, 21]);
  assert.deepEqual(steps({ save_steps: 0.25 }).saved, [6, 12, 18, 21]); // ceil(21 / 4)
  assert.deepEqual(steps({ saves_per_epoch: 2 }).saved, [4, 8, 12, 16, 20, 21]);
  assert.deepEqual(steps({ save_steps: 20, save_first_step: true }).saved, [1, 20, 21]);
  assert.deepEqual(steps({ save_strategy: "steps" }).saved, [21]); // every 500
  const best = { save_strategy: "best", metric_for_best_model: "eval_loss" };
  assert.deepEqual(steps(best).saved, []);
});

Deno.test("steps of evaluation", () => {
  assert.deepEqual(steps({}).evaluated, [7, 14, 21]);
  assert.deepEqual(steps({ eval_strategy: "epoch" }).evaluated, [7, 14, 21]);
  assert.deepEqual(steps({ evals_per_epoch: 3 }, 10, 1).evaluated, [4, 8, 10]);
  assert.deepEqual(steps({ eval_steps: 0.5 }).evaluated, [11, 21]);
  assert.deepEqual(steps({ eval_strategy: "no" }).evaluated, []);
});

Deno.test("the best evaluation, and patience", () => {
  const run = (keys: Record<string, unknown>, losses: number[]) => {
    const progress = newProgress();
    const settings = config(keys);
    const better = losses.map((loss, i) => {
      progress.step = i;
      return noteEvaluation(progress, settings, loss);
    });
    return { better, best: progress.best, tired: outOfPatience(progress, settings) };
  };
  // The evaluation before the first step does not count.
  assert.deepEqual(run({ early_stopping_patience: 2 }, [0.1, 3, 2, 2, 2.5]), {
    better: [false, true, true, false, false],
    best: { step: 2, metric: 2 },
    tired: true,
  });
  assert.equal(run({ early_stopping_patience: 2 }, [0, 3, 4, 2, 3]).tired, false);
  assert.deepEqual(run({ load_best_model_at_end: true, greater_is_better: true }, [9, 1, 2]).best, {
    step: 2,
    metric: 2,
  });
  assert.deepEqual(run({ metric_for_best_model: "eval_ppl" }, [9, Math.log(8)]).best?.step, 1);
  assert.equal(run({}, [3, 2, 1]).best, null);
});
