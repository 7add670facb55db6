// The parts of the training room that need no browser: columns, files, records.

import assert from "node:assert/strict";
import { addEvent, newCurves, smooth, toCsv } from "../../src/app/rooms/train/curves.ts";
import { historyAt } from "../../src/app/rooms/train/history.ts";
import { readRun } from "../../src/app/rooms/runs/read.ts";
import { newRunId, Recorder } from "../../src/app/rooms/train/recorder.ts";
import { slowdown } from "../../src/app/rooms/train/slowdown.ts";
import { shortNumber } from "../../src/app/parts/format.ts";
import type { RunRecord } from "../../src/app/rooms/runs/record.ts";
import type { RunEvent, StartEvent, StepEvent } from "../../src/train/events.ts";
import { FakeHost } from "../fake_host.ts";

function stepEvent(step: number, loss: number, step_ms = 100): StepEvent {
  return {
    event: "step",
    step,
    loss,
    learning_rate: 1e-3,
    grad_norm: 2,
    epoch: step / 10,
    step_ms,
    tokens_per_second: 50,
    seconds_left: 1,
  };
}

function evalEvent(step: number, eval_loss: number): RunEvent {
  return { event: "eval", step, eval_loss, eval_ppl: Math.exp(eval_loss), epoch: step / 10 };
}

function startEvent(resumed_from_step?: number): StartEvent {
  return {
    event: "start",
    adapter: "",
    engine: "",
    software: true,
    parameters: 0,
    trained_parameters: 0,
    planned_gpu_bytes: 0,
    steps: 10,
    rows: 1,
    dropped: 0,
    ...(resumed_from_step === undefined ? {} : { resumed_from_step }),
  };
}

Deno.test("events become rows; an evaluation shares the row of its step", () => {
  const curves = newCurves();
  for (const event of [evalEvent(0, 5), stepEvent(2, 4), stepEvent(4, 3, 200), evalEvent(4, 3.5)]) {
    assert.ok(addEvent(curves, event));
  }
  assert.ok(!addEvent(curves, { event: "note", text: "" }));
  assert.deepEqual(curves.step, [0, 2, 4]);
  assert.deepEqual(curves.loss, [null, 4, 3]);
  assert.deepEqual(curves.eval_loss, [5, null, 3.5]);
  assert.ok(curves.seconds.every((value, i) => Math.abs(value - [0, 0.2, 0.6][i]) < 1e-12));
  assert.equal(
    toCsv(curves).split("\r\n")[0],
    "step,epoch,seconds,loss,eval_loss,learning_rate,grad_norm,tokens_per_second",
  );
  assert.equal(toCsv(curves).split("\r\n")[1], "0,0,0,,5,,,");
  assert.equal(toCsv(curves).split("\r\n").length, 5);
});

Deno.test("smoothing is a weighted mean of what came before, and keeps gaps", () => {
  const values = [3, null, 1, 2];
  const weight = 0.6;
  // The definition: Σ wⁿ⁻ⁱ vᵢ / Σ wⁿ⁻ⁱ over the values that are there.
  const expected = values.map((value, i) => {
    if (value === null) return null;
    const seen = values.slice(0, i + 1).filter((each) => each !== null);
    const weights = seen.map((_, j) => weight ** (seen.length - 1 - j));
    const sum = seen.reduce((total, each, j) => total + each * weights[j], 0);
    return sum / weights.reduce((a, b) => a + b);
  });
  smooth(values, weight).forEach((value, i) => {
    if (expected[i] === null) assert.equal(value, null);
    else assert.ok(Math.abs(value! - expected[i]) < 1e-12);
  });
  assert.deepEqual(smooth([1, 5, 2], 0), [1, 5, 2]);
});

Deno.test("numbers are written shortly", () => {
  assert.equal(shortNumber(0.00012), "1.2e-4");
  assert.equal(shortNumber(1234.5678), "1234.568");
  assert.equal(shortNumber(0), "0");
});

Deno.test("going on from a checkpoint takes later events back", () => {
  const events: RunEvent[] = [
    { event: "note", text: "n" },
    startEvent(),
    evalEvent(0, 5),
    stepEvent(2, 4),
    { event: "checkpoint", step: 3, path: "" },
    stepEvent(3, 3), // a stop after step 3 reports early
    stepEvent(4, 3),
    { event: "pause", step: 4 },
  ];
  const steps = (kept: RunEvent[]) =>
    kept.map((event) => "step" in event ? event.step : event.event);
  assert.deepEqual(steps(historyAt(events, 3)), ["note", "start", 0, 2, 3, 3]);
  assert.deepEqual(
    steps(historyAt(events, 3, [{ step: 2, epoch: 0, loss: 4 }])),
    ["note", "start", 0, 2, 3],
  );
  assert.deepEqual(steps(historyAt(events, 0)), ["note", "start"]);
});

const newRecord = (id: string): RunRecord => ({
  id,
  name: "lora.yml",
  started: "2026-11-23T00:00:00Z",
  state: "running",
  step: 0,
  steps: 0,
});

Deno.test("a record holds every event once, also when a device was lost", async () => {
  const host = new FakeHost();
  const recorder = new Recorder(host, newRecord("r"), "a: 1\n");
  recorder.hear({ event: "note", text: "before" });
  await recorder.flush();
  assert.equal(await host.kind("runs/r"), undefined); // nothing before the start
  const hear = (...events: RunEvent[]) => events.map((event) => recorder.hear(event));
  assert.deepEqual(hear(startEvent(), evalEvent(0, 5), stepEvent(1, 4), stepEvent(2, 3)), [
    false,
    false,
    false,
    false,
  ]);
  await recorder.flush();
  hear(stepEvent(3, 2), { event: "note", text: "before" });
  const writing = recorder.flush();
  // The device is lost while the last batch is being written.
  assert.deepEqual(hear(startEvent(2), stepEvent(3, 2.5)), [true, false]);
  await writing;
  await recorder.close("finished");
  const found = (await readRun(host, "r"))!;
  assert.deepEqual(
    found.events.flatMap((event) => event.event === "step" ? [[event.step, event.loss]] : []),
    [[1, 4], [2, 3], [3, 2.5]],
  );
  assert.deepEqual(found.events, recorder.events);
  assert.equal(found.events.filter(({ event }) => event === "note").length, 1);
  const { step, steps, loss, state } = found.record;
  assert.deepEqual({ step, steps, loss, state }, {
    step: 3,
    steps: 10,
    loss: 2.5,
    state: "finished",
  });
  assert.equal(await host.readText("runs/r/config.yml"), "a: 1\n");
});

Deno.test("a write that fails is made good by the next", async () => {
  const host = new FakeHost();
  const recorder = new Recorder(host, newRecord("r"), "");
  recorder.hear(startEvent());
  await recorder.flush();
  const append = host.append.bind(host);
  host.append = () => Promise.reject(new Error("full"));
  recorder.hear(stepEvent(1, 1));
  await assert.rejects(recorder.flush(), /full/);
  host.append = append;
  recorder.hear(stepEvent(2, 1));
  await recorder.flush();
  assert.equal((await readRun(host, "r"))!.events.length, 3);
});

Deno.test("a run that is discarded does not come back", async () => {
  const host = new FakeHost();
  const recorder = new Recorder(host, newRecord("r"), "");
  recorder.hear(startEvent());
  await recorder.flush();
  recorder.hear(stepEvent(1, 1)); // waits to be written
  const writing = recorder.flush();
  recorder.hear(stepEvent(2, 1));
  await recorder.discard();
  await writing;
  await new Promise((done) => setTimeout(done, 600));
  assert.deepEqual([...host.files.keys()], []);
});

Deno.test("runs are named by time and configuration", async () => {
  const host = new FakeHost();
  const now = new Date(2026, 10, 23, 22, 5, 3);
  const id = await newRunId(host, "examples/tiny/Lora 8-bit.yml", now);
  assert.equal(id, "2026-11-23-220503-tiny-lora-8-bit");
  await host.write(`runs/${id}/run.json`, "{}");
  assert.equal(await newRunId(host, "examples/tiny/Lora 8-bit.yml", now), `${id}-2`);
  assert.equal(await newRunId(host, "ß.yaml", now), "2026-11-23-220503-run");
});

Deno.test("a hidden tab is called slow only when it was", () => {
  assert.equal(slowdown([100, 100, 100], [90, 95, 100]), undefined);
  assert.equal(slowdown([900, 900], [100, 100, 100]), undefined); // too few to say
  assert.deepEqual(slowdown([900, 100, 800], [100, 100, 110]), { hidden: 800, visible: 100 });
});
