import { deepEqual, equal, rejects, throws } from "node:assert/strict";
import { pythonShuffle } from "../../src/cli/python_random.ts";
import { combinations, runSweep, sweepRuns } from "../../src/cli/sweep.ts";
import type { Override } from "../../src/config/config.ts";
import { EftError } from "../../src/errors.ts";

const config = {
  file: "c.yml",
  text: `base_model: m
learning_rate: 1
output_dir: out/
datasets: [{path: d, type: alpaca}]
`,
};
const sweep = (text: string) => ({ file: "s.yml", text });

Deno.test("the shuffle is Python's", () => {
  // random.seed(42); random.shuffle(list(range(n)))
  deepEqual(pythonShuffle([0, 1, 2, 3, 4, 5], 42), [3, 1, 2, 4, 0, 5]);
  equal(
    pythonShuffle([...Array(20).keys()], 42).join(),
    "19,5,14,4,9,13,15,18,6,12,17,10,1,11,2,16,7,8,0,3",
  );
});

Deno.test("combinations of lists, and of mappings whose keys go together", () => {
  const found = combinations("micro_batch_size: [1, 2, 4]\nweight_decay: [0.0, 0.1]", "s.yml");
  equal(found.length, 6);
  deepEqual(found[0], { micro_batch_size: 2, weight_decay: 0.1 }); // the fourth, as in Axolotl
  const paired = combinations(
    `_: [{micro_batch_size: 1, gradient_accumulation_steps: 8},
  {micro_batch_size: 2, gradient_accumulation_steps: 4}]
_other: [{seed: 1}, {seed: 2}]
weight_decay: [0, 0.1]`,
    "s.yml",
  );
  equal(paired.length, 8);
  for (const each of paired) {
    equal(Number(each.micro_batch_size) * Number(each.gradient_accumulation_steps), 8);
  }
});

Deno.test("runs have their own folder, and the command line wins", () => {
  const runs = sweepRuns(
    config,
    sweep("learning_rate: [1e-3, 1e-4]\nlora_target_modules: [[q_proj, v_proj]]"),
    [{ key: "seed", value: "7" }],
  );
  deepEqual(runs.map(({ name, outputDir }) => [name, outputDir]), [
    ["sweep0001", "out/sweep0001"],
    ["sweep0002", "out/sweep0002"],
  ]);
  deepEqual(runs[0]!.overrides.map(({ key }) => key), [
    "learning_rate",
    "lora_target_modules",
    "seed",
    "output_dir",
  ]);
  const [own] = sweepRuns(config, sweep("output_dir: [a, b]"), []);
  equal(/^[ab]\/sweep0001$/.test(own!.outputDir), true);
});

Deno.test("mistakes in a sweep are found before the first run", () => {
  const cases: [string, RegExp][] = [
    ["learning_rate: 1", /`learning_rate` must hold a list of values/],
    ["learning_rate: []", /must hold a list of values/],
    ["lerning_rate: [1]", /^s\.yml:1:1: unknown key `lerning_rate`/],
    ["_: [1, 2]", /must hold a list of mappings/],
    ["_: [{lerning_rate: 1}]", /in sweep0001 \(lerning_rate: 1\): unknown key/],
    ["learning_rate: [x]", /in sweep0001 .*`learning_rate` is "x", expected a number/],
    ["- a", /expected `key: value` lines/],
    [`seed: [${Array(101).fill(1)}]\nlora_r: [${Array(100).fill(1)}]`, /more than 10000/],
  ];
  for (const [text, message] of cases) {
    throws(
      () => sweepRuns(config, sweep(text), []),
      (error) => error instanceof EftError && message.test(error.text),
      text,
    );
  }
});

Deno.test("one run after another; a failure does not stop the others", async () => {
  const runs = sweepRuns(config, sweep("seed: [1, 2, 3]"), []);
  const said: string[] = [], events: Record<string, unknown>[] = [];
  const terminal = {
    say: (text = "") => void said.push(text),
    event: (event: object) => void events.push(event as Record<string, unknown>),
  };
  // deno-lint-ignore require-await
  const run = async (overrides: Override[], onEvent: (event: never) => void) => {
    const seed = Number(overrides[0]!.value);
    if (seed === 2) throw new EftError("data", "no rows");
    onEvent({ event: "eval", eval_loss: seed + 0.5 } as never);
    onEvent({ event: "end", train_loss: seed } as never);
  };
  await rejects(runSweep(runs, run as never, terminal), /1 of 3 runs failed/);
  const rows = said.slice(-4).map((row) => row.split(/\s+/));
  deepEqual(rows[0], ["run", "train_loss", "eval_loss", "values"]);
  for (const [name, loss, ...rest] of rows.slice(1)) {
    const seed = Number(rest.at(-1));
    const failed = seed === 2;
    equal(loss, failed ? "failed" : `${seed}.0000`, name);
    equal(rest.length, failed ? 2 : 3);
  }
  equal(events.at(-1)!.event, "sweep");
  equal((events.at(-1)!.runs as unknown[]).length, 3);
});
