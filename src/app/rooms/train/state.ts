// The run that this room shows, which is mostly the one that goes on: what it reports, and how it is
// started, paused and stopped.

import { computed, signal } from "@preact/signals";
import type { Override } from "../../../config/config.ts";
import type {
  EndEvent,
  ProgressEvent,
  RunEvent,
  SampleEvent,
  StepEvent,
} from "../../../train/events.ts";
import { WorkerError } from "../../client.ts";
import { engine } from "../../engine.ts";
import { duration } from "../../parts/format.ts";
import { messageOf } from "../../parts/notice.tsx";
import { configName, configText } from "../../state.ts";
import { text } from "../../text.ts";
import { heldRuns } from "../runs/read.ts";
import type { RunRecord } from "../runs/record.ts";
import { addEvent, type Curves, newCurves } from "./curves.ts";
import type { RunReport } from "./requests.ts";
import { cutOff, runningNow } from "./running.ts";
import { askBeforeLeaving, forgetStepTimes, keepAwake, noteStepTime } from "./watch.ts";

export type Phase =
  | "idle"
  | "preparing"
  | "running"
  | "pausing"
  | "paused"
  | "stopping"
  | "discarding";

/** What the run of this page is doing. */
export const phase = signal<Phase>("idle");
export const running = computed(() => phase.value !== "idle");
export const failure = signal("");
/** Said once something has ended that is no failure. */
export const notice = signal("");

/** The run that is shown. */
export const record = signal<RunRecord | undefined>();
/** It lies on the site, so it neither goes on here nor can it be discarded. */
export const onSite = signal(false);
/** The run that another tab trains. */
export const elsewhere = signal<string | undefined>();
export const notes = signal<string[]>([]);
export const samples = signal<SampleEvent[]>([]);
export const checkpoints = signal<{ step: number; path: string }[]>([]);
export const end = signal<EndEvent | undefined>();
export const preparing = signal<ProgressEvent | undefined>();
export const pausedAt = signal<{ step: number; loss?: number | undefined } | undefined>();
/** What a screen reader says; not every step. */
export const spoken = signal("");

/** Grows once per frame in which `curves` and `last` have changed, however many steps that were. */
export const version = signal(0);
export let curves: Curves = newCurves();
export let last: StepEvent | undefined;

let stopper: AbortController | undefined;

keepAwake(computed(() => phase.value !== "idle" && phase.value !== "paused"));
askBeforeLeaving(running);

/** Trains what the configuration says. `overrides` replace single keys of it. */
export async function startRun(overrides: Override[] = []): Promise<void> {
  await follow((options) => {
    const ask = { configText: configText.value, configName: configName.value, overrides };
    return engine().ask("train.start", ask, options);
  });
}

/** Goes on with a run that was cut off, stopped, or failed. */
export async function resumeRun(id: string): Promise<void> {
  await follow((options) => engine().ask("train.resume", { id }, options));
}

type Follow = { onReport: (event: RunEvent | RunReport) => void; signal: AbortSignal };

async function follow(ask: (options: Follow) => Promise<EndEvent>): Promise<void> {
  if (running.value) return;
  phase.value = "preparing";
  cutOff.value = undefined;
  failure.value = notice.value = "";
  preparing.value = undefined;
  forgetStepTimes();
  stopper = new AbortController();
  try {
    await ask({ onReport: hear, signal: stopper.signal });
    spoken.value = text.train.finished;
  } catch (error) {
    // A stop before the first step is no failure, and neither is what was thrown away on purpose.
    const doing = phase.peek();
    const meant = doing === "stopping" && error instanceof WorkerError && error.code === "train";
    if (doing === "discarding") clear();
    else if (meant && (record.value?.step ?? 0) === 0) {
      clear();
      notice.value = text.train.nothingKept;
    } else failure.value = messageOf(error);
    if (record.value?.steps === 0) clear(); // it came to nothing, and nothing is kept of it
  } finally {
    phase.value = "idle";
    pausedAt.value = undefined;
    runningNow.value = undefined;
  }
}

export async function control(action: "pause" | "goOn" | "step"): Promise<void> {
  phase.value = action === "goOn" ? "running" : "pausing";
  if (action === "goOn") pausedAt.value = undefined;
  await engine().ask("train.control", { action });
}

export function stop(): void {
  phase.value = "stopping";
  stopper?.abort();
}

/** Throws a run away, also one that goes on. */
export async function discard(id: string): Promise<void> {
  if (running.value) phase.value = "discarding";
  try {
    await engine().ask("train.discard", { id });
    clear();
    cutOff.value = undefined;
    notice.value = text.train.discarded;
  } catch (error) {
    failure.value = messageOf(error);
  }
}

/** Shows a run that is kept; without an id, the newest. Returns whether there is one. */
export async function openRun(id?: string): Promise<boolean> {
  const found = await engine().ask("train.open", id === undefined ? {} : { id });
  if (running.value) return true; // one was started in the meantime
  if (found) {
    show(found.record, found.events);
    onSite.value = found.onSite;
  }
  return found !== undefined;
}

/** Looks which run another tab trains. */
export async function lookElsewhere(): Promise<void> {
  const [first] = await heldRuns();
  elsewhere.value = running.value ? undefined : first;
}

function clear(): void {
  record.value = undefined;
  show(undefined, []);
}

function show(of: RunRecord | undefined, events: readonly RunEvent[]): void {
  record.value = of;
  onSite.value = false;
  curves = newCurves();
  last = undefined;
  notes.value = [];
  samples.value = [];
  checkpoints.value = [];
  end.value = undefined;
  for (const event of events) take(event);
  touch();
  if (of) void listCheckpoints(of.id);
}

/** A report of the run that goes on. */
function hear(event: RunEvent | RunReport): void {
  if (event.event === "run") {
    if (event.events) show(event.record, event.events);
    else record.value = event.record;
    return;
  }
  take(event);
  switch (event.event) {
    case "start":
      preparing.value = undefined;
      record.value = { ...record.value!, steps: event.steps, step: event.resumed_from_step ?? 0 };
      touch();
      break;
    case "progress":
      preparing.value = event.done < event.total ? event : undefined;
      break;
    case "step":
      if (phase.value === "preparing") phase.value = "running";
      noteStepTime(event.step_ms);
      touch();
      say(event);
      break;
    case "eval":
      touch();
      break;
    case "pause":
      if (phase.value === "stopping" || phase.value === "discarding") break;
      phase.value = "paused";
      pausedAt.value = event;
      spoken.value = text.train.pausedAfter(event.step, event.loss?.toFixed(3));
      break;
    case "checkpoint":
      void listCheckpoints(record.value!.id);
  }
}

/** What is the same for a report and for an event that was kept. */
function take(event: RunEvent): void {
  addEvent(curves, event);
  switch (event.event) {
    case "step":
      last = event;
      break;
    case "note":
      if (!notes.value.includes(event.text)) notes.value = [...notes.value, event.text];
      break;
    case "sample":
      samples.value = [...samples.value, event];
      break;
    case "end":
      end.value = event;
  }
}

let waiting = false;

/** Shows the numbers in a frame to come: steps may be faster, and many points take long to draw. */
function touch(): void {
  if (waiting) return;
  waiting = true;
  const rest = Math.min(1000, curves.step.length / 50);
  setTimeout(() => requestAnimationFrame(draw), rest);
}

function draw(): void {
  waiting = false;
  version.value++;
  const { value: of } = record;
  if (!running.value || !of) return;
  runningNow.value = { step: last?.step ?? of.step, steps: of.steps, loss: last?.loss };
}

/** Checkpoints come and go (save_total_limit), so the folder is asked. */
async function listCheckpoints(id: string): Promise<void> {
  const found = await engine().ask("train.checkpoints", { id }).catch(() => []);
  if (record.value?.id === id) checkpoints.value = found;
}

/** Milliseconds between two sentences about steps. */
const silence = 20_000;
let spokenAt = 0;

function say({ step, loss, seconds_left }: StepEvent): void {
  if (performance.now() - spokenAt < silence) return;
  spokenAt = performance.now();
  const steps = record.value?.steps ?? 0;
  spoken.value = text.train.spoken(step, steps, loss.toFixed(3), duration(seconds_left));
}
