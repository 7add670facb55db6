// Trains in the worker, keeps a record of the run, and answers what is asked about it.

import { parse } from "yaml";
import { type Override, parseConfig, resolvedYaml } from "../../../config/config.ts";
import { EftError } from "../../../errors.ts";
import type { Host } from "../../../host/host.ts";
import { newestCheckpoint } from "../../../train/checkpoint.ts";
import { RunControl } from "../../../train/control.ts";
import type { EndEvent, RunEvent } from "../../../train/events.ts";
import { listCheckpoints } from "../../../train/output_folder.ts";
import { runTraining } from "../../../train/run.ts";
import type { Context, Handlers } from "../../protocol.ts";
import { text } from "../../text.ts";
import { runFolder, runLock, type RunRecord } from "../runs/record.ts";
import { historyAt } from "./history.ts";
import { readRecords, readRun } from "../runs/read.ts";
import { newRunId, Recorder } from "./recorder.ts";
import type { RunReport, TrainRequests } from "./requests.ts";
import { readRunData, type RunData, stepBatch } from "./step_batch.ts";

/** The run that goes on in this page. While there is one, the GPU is taken. */
export interface CurrentRun {
  id: string;
}

interface Current extends CurrentRun {
  control: RunControl;
  /** Its data, from when the model is on the device. */
  data?: RunData;
  over: Promise<unknown>;
  discarded: boolean;
}

let current: Current | undefined;
/** The data of the run that was last looked into. */
let known: { id: string; data: Promise<RunData> } | undefined;

export function currentRun(): CurrentRun | undefined {
  return current;
}

type RunContext = Context<RunEvent | RunReport>;

export const handlers: Handlers<TrainRequests> = {
  "train.start": start,
  "train.resume": resume,
  "train.control": ({ action }) => Promise.resolve(current?.control[action]()),
  "train.discard": ({ id }, { host }) => discard(host, id),
  "train.open": async ({ id }, { host }) => {
    const wanted = id ?? (await readRecords(host))[0]?.id;
    const found = wanted === undefined ? undefined : await readRun(host, wanted);
    return found && { ...found, onSite: !await host.isWritten(runFolder(found.record.id)) };
  },
  "train.checkpoints": ({ id }, { host }) => listCheckpoints(host, outputFolder(id)),
  "train.batch": async ({ id, step }, { host }) => stepBatch(await dataOf(host, id), step),
  "train.list": ({ path }, { host }) => listFiles(host, path),
  "train.file": ({ path }, { host }) => readWhole(host, path),
};

function outputFolder(id: string): string {
  return `${runFolder(id)}/output`;
}

async function start(
  { configText, configName, overrides }: TrainRequests["train.start"]["ask"],
  context: RunContext,
): Promise<EndEvent> {
  parseConfig(configText, configName, overrides); // a mistake is said before anything is written
  const now = new Date();
  const record: RunRecord = {
    id: await newRunId(context.host, configName, now),
    name: configName,
    started: now.toISOString(),
    state: "running",
    step: 0,
    steps: 0,
  };
  const config = resolvedYaml(configText, overrides, configName);
  return await train(new Recorder(context.host, record, config), config, [], context);
}

async function resume({ id }: { id: string }, context: RunContext): Promise<EndEvent> {
  const { host } = context;
  const found = await readRun(host, id);
  if (!found) throw new EftError("output", text.train.gone(id));
  const config = await host.readText(`${runFolder(id)}/config.yml`);
  const checkpoint = await newestCheckpoint(host, outputFolder(id), () => {});
  const progress = checkpoint?.progress;
  const events = historyAt(found.events, progress?.step ?? 0, progress?.log);
  const { message: _, ended: _e, ...record } = found.record;
  const recorder = new Recorder(host, { ...record, state: "running" }, config, events);
  const from = checkpoint ? [{ key: "resume_from_checkpoint", value: checkpoint.path }] : [];
  return await train(recorder, config, from, context);
}

/** Trains while holding the lock by which other tabs know that the run goes on. */
async function train(
  recorder: Recorder,
  config: string,
  overrides: Override[],
  context: RunContext,
): Promise<EndEvent> {
  if (current) throw new EftError("train", text.train.busy);
  const { id } = recorder.record;
  const { promise: over, resolve: end } = Promise.withResolvers<void>();
  current = { id, control: new RunControl(), over, discarded: false };
  try {
    return await navigator.locks.request(runLock(id), { ifAvailable: true }, (lock) => {
      if (!lock) throw new EftError("train", text.train.elsewhere(recorder.record.name));
      return recorded(recorder, config, overrides, context, current!);
    });
  } finally {
    current = undefined;
    end();
  }
}

async function recorded(
  recorder: Recorder,
  config: string,
  overrides: Override[],
  { host, report, signal }: RunContext,
  self: Current,
): Promise<EndEvent> {
  const { record } = recorder;
  const tell = (withEvents: boolean) =>
    report({
      event: "run",
      record: { ...record },
      ...(withEvents ? { events: recorder.events } : {}),
    });
  const saving = savingOf(config);
  tell(true);
  try {
    const last = await runTraining(keepingEvents(host, recorder), {
      configText: config,
      configFile: record.name,
      overrides: [...saving, { key: "output_dir", value: outputFolder(record.id) }, ...overrides],
      signal,
      control: self.control,
      onEvent(event) {
        if (recorder.hear(event)) tell(true);
        report(event);
        if (event.event !== "start" || saving.length === 0) return;
        const steps = Math.max(1, Math.ceil(Number(saving[0].value) * event.steps));
        const note = { event: "note", text: text.train.saves(steps) } as const;
        recorder.hear(note);
        report(note);
      },
      before: ({ session: { config, tokenizer, trainBatches } }) => {
        self.data = { config, tokenizer, trainBatches };
        return Promise.resolve();
      },
    });
    await recorder.close(last.ended_by === "interrupt" ? "stopped" : "finished");
    return last;
  } catch (cause) {
    const error = named(cause);
    const isStopped = self.discarded || (signal.aborted && record.step === 0);
    // What came to nothing is not kept: a mistake before the start, or a stop before the first step.
    if (isStopped || record.steps === 0) await recorder.discard();
    else await recorder.close("failed", error instanceof Error ? error.message : String(error));
    throw error;
  } finally {
    tell(false);
  }
}

/** A checkpoint gets its name when the events before it are on disk, so that none is ever missing. */
function keepingEvents(host: Host, recorder: Recorder): Host {
  return {
    ...host,
    async rename(from, to) {
      await recorder.flush();
      await host.rename(from, to);
    },
  };
}

/**
 * How often to save where the configuration does not say: so that a closed tab loses little, and by
 * steps, so that the result does not depend on how fast this computer is.
 */
function savingOf(config: string): Override[] {
  const keys = Object.keys(parse(config) ?? {});
  if (keys.some((key) => /^(save_steps|saves_per_epoch|save_strategy)$/.test(key))) return [];
  // All of a model takes long to write.
  return [{ key: "save_steps", value: keys.includes("adapter") ? "0.05" : "0.2" }];
}

/** A full disk is nothing that a bug of ours does. */
function named(error: unknown): unknown {
  if (!(error instanceof DOMException) || error.name !== "QuotaExceededError") return error;
  return new EftError("output", text.train.full, {}, { cause: error });
}

async function discard(host: Host, id: string): Promise<void> {
  if (current?.id === id) {
    current.discarded = true;
    current.control.discard();
    await current.over; // it removes what it has written
  } else await host.remove(runFolder(id));
  if (known?.id === id) known = undefined;
}

async function dataOf(host: Host, id: string): Promise<RunData> {
  if (current?.id === id && current.data) return current.data;
  if (known?.id !== id) {
    const config = await host.readText(`${runFolder(id)}/config.yml`);
    const data = readRunData(host, config, id);
    known = { id, data };
    data.catch(() => known = undefined);
  }
  return await known!.data;
}

async function listFiles(host: Host, path: string): Promise<{ name: string; size: number }[]> {
  const files: { name: string; size: number }[] = [];
  for (const name of await host.list(path)) {
    if (await host.kind(`${path}/${name}`) !== "file") continue;
    const file = await host.open(`${path}/${name}`);
    files.push({ name, size: file.size });
    file.close();
  }
  return files;
}

async function readWhole(host: Host, path: string) {
  const file = await host.open(path);
  const bytes = await file.read(0, file.size);
  file.close();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const sha256 = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return { bytes, sha256 };
}
