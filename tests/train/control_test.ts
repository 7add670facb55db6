// Pausing, stepping and discarding do not change a bit of a run; neither does a device that is lost.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { RunControl } from "../../src/train/control.ts";
import type { RunEvent } from "../../src/train/events.ts";
import { host, lora, only, sanitize, tinyFolder, train } from "./tiny.ts";
import { onDevices } from "../../src/train/recovery.ts";

const keys = {
  ...lora,
  lora_dropout: 0.2,
  max_steps: 6,
  logging_steps: 2,
  val_set_size: 2,
  eval_steps: 3,
  save_steps: 2,
};

function weights(folder: string): string {
  return readFileSync(`${folder}/adapter_model.safetensors`).toString("base64");
}

/** What is logged, without times. */
function log(folder: string) {
  const { log_history } = JSON.parse(Deno.readTextFileSync(`${folder}/trainer_state.json`));
  const timed = /runtime|per_second/;
  return log_history.map((entry: Record<string, number>) =>
    Object.fromEntries(Object.entries(entry).filter(([key]) => !timed.test(key)))
  );
}

const pause = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

Deno.test(
  "pausing and single steps change nothing, and their time is not counted",
  sanitize,
  async () => {
    const folder = tinyFolder();
    await train(folder, { ...keys, output_dir: `${folder}/alone` });
    const control = new RunControl();
    control.pause();
    const waited = 700;
    const events: RunEvent[] = [];
    await train(folder, keys, {
      control,
      onEvent(event) {
        events.push(event);
        if (event.event !== "pause") return;
        if (event.step < 3) control.step();
        else pause(waited).then(() => control.goOn());
      },
    });
    const pauses = only(events, "pause");
    assert.deepEqual(pauses.map(({ step }) => step), [0, 1, 2, 3]);
    assert.equal(pauses[0].loss, undefined);
    // logging_steps is 2, so the report is the mean of what the two pauses said.
    const steps = only(events, "step");
    assert.equal(steps[0].loss, (pauses[1].loss! + pauses[2].loss!) / 2);
    assert.ok(steps.every(({ step_ms }) => step_ms < waited / 2), JSON.stringify(steps));
    assert.equal(weights(`${folder}/out`), weights(`${folder}/alone`));
    assert.deepEqual(log(`${folder}/out`), log(`${folder}/alone`));
    Deno.removeSync(folder, { recursive: true });
  },
);

Deno.test("a paused run can be stopped and kept, or discarded", sanitize, async () => {
  const folder = tinyFolder();
  for (const discards of [false, true]) {
    const control = new RunControl();
    const stop = new AbortController();
    const run = train(folder, { ...keys, output_dir: `${folder}/${discards}` }, {
      control,
      signal: stop.signal,
      onEvent(event) {
        if (event.event === "step" && event.step === 4) control.pause();
        if (event.event === "pause") setTimeout(() => discards ? control.discard() : stop.abort());
      },
    });
    if (discards) await assert.rejects(run, /stopped and discarded/);
    else await run;
    const files = [...Deno.readDirSync(`${folder}/${discards}`)].map(({ name }) => name);
    assert.equal(files.includes("adapter_model.safetensors"), !discards);
    assert.ok(files.includes("checkpoint-4"));
    assert.ok(!files.some((name) => name.includes("partial")));
  }
  Deno.removeSync(folder, { recursive: true });
});

for (const [name, when] of Object.entries({ "between checkpoints": 5, "before the first": 1 })) {
  Deno.test(`a device that is lost ${name} is replaced, to the same bytes`, sanitize, async () => {
    const folder = tinyFolder();
    await train(folder, { ...keys, output_dir: `${folder}/alone` });
    let losses = 0;
    const events = await train(folder, keys, {
      before(trainer) {
        const step = trainer.step.bind(trainer);
        trainer.step = async (...args) => {
          await step(...args);
          if (trainer.position.steps === when && losses++ === 0) trainer.device.gpu.destroy();
        };
        return Promise.resolve();
      },
    });
    const notes = only(events, "note").filter(({ text }) => text.includes("lost"));
    assert.equal(notes.length, 1);
    assert.match(notes[0].text, when === 5 ? /from step 4/ : /from the start/);
    assert.deepEqual(
      only(events, "start").map((start) => start.resumed_from_step),
      [undefined, when === 5 ? 4 : undefined],
    );
    const others = only(events, "note").map(({ text }) => text);
    assert.equal(new Set(others).size, others.length, "a note was said twice");
    assert.equal(weights(`${folder}/out`), weights(`${folder}/alone`));
    assert.deepEqual(log(`${folder}/out`), log(`${folder}/alone`));
    const left = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    assert.deepEqual(left, ["alone", "data.jsonl", "model", "out", "texts.jsonl"]);
    Deno.removeSync(folder, { recursive: true });
  });
}

Deno.test(
  "a device that is lost again and again ends the run with a sentence",
  sanitize,
  async () => {
    const notes: string[] = [];
    let kept = 0;
    let attempts = 0;
    const run = onDevices(host, undefined, {
      attempt(device) {
        if (++attempts === 2) kept = 10; // further than before: it counts from one again
        device.gpu.destroy();
        throw new Error("whatever the engine says");
      },
      kept: () => kept,
      note: (text) => notes.push(text),
    });
    await assert.rejects(run, /lost 3 times before the run got further than step 10/);
    assert.equal(attempts, 4);
    assert.equal(notes.length, 3);
    const mistake = onDevices(host, undefined, {
      attempt: () => Promise.reject(new Error("a mistake")),
      kept: () => 0,
      note: (text) => notes.push(text),
    });
    await assert.rejects(mistake, /a mistake/);
    assert.equal(notes.length, 3);
  },
);
