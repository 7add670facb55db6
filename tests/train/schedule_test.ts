// Every schedule against the library that defines it: each step of a run of 57, with and without
// warmup; see tests/golden/optimizers.

import assert from "node:assert/strict";
import {
  Plateau,
  schedule,
  scheduleNames,
  type ScheduleSettings,
} from "../../src/train/schedule.ts";

interface Golden {
  total: number;
  learning_rate: number;
  cases: {
    name: string;
    warmup: number;
    settings: ScheduleSettings;
    kwargs: Record<string, unknown>;
    factors: number[];
  }[];
  plateaus: { kwargs: Record<string, unknown>; losses: number[]; factors: number[] }[];
}

const { total, learning_rate: learningRate, cases, plateaus }: Golden = JSON.parse(
  Deno.readTextFileSync("tests/golden/optimizers/schedules.json"),
);

Deno.test("every schedule has the factors of its library", () => {
  let worst = 0;
  for (const { name, warmup, settings, kwargs, factors } of cases) {
    const factor = schedule(name, warmup, { ...settings, kwargs, learningRate });
    factors.forEach((wanted, step) => {
      const error = Math.abs(factor(step, total) - wanted);
      const label = `${name} ${JSON.stringify(kwargs)} warmup ${warmup} step ${step}`;
      assert.ok(error < 1e-9, `${label}: ${factor(step, total)}, expected ${wanted}`);
      worst = Math.max(worst, error);
    });
  }
  console.log(`${cases.length} schedules differ by at most ${worst.toExponential(1)}`);
  const tested = new Set(cases.map(({ name }) => name));
  assert.deepEqual(scheduleNames.filter((name) => !tested.has(name)), ["reduce_lr_on_plateau"]);
});

Deno.test("reduce_lr_on_plateau follows the evaluations, and can be resumed", () => {
  for (const { kwargs, losses, factors } of plateaus) {
    let plateau = new Plateau(learningRate, kwargs);
    losses.forEach((loss, i) => {
      assert.ok(Math.abs(plateau.observe(loss) - factors[i]) < 1e-9, `evaluation ${i}`);
      const { state } = plateau;
      plateau = new Plateau(learningRate, kwargs);
      plateau.state = JSON.parse(JSON.stringify(state));
    });
  }
});
