// What the start room knows: the adapter, runs of earlier visits, and the demo.

import { computed, signal } from "@preact/signals";
import { del, get, set } from "idb-keyval";
import { WorkerError } from "../../client.ts";
import { engine } from "../../engine.ts";
import { loadExamples } from "../../examples.ts";
import { messageOf } from "../../parts/notice.tsx";
import { go } from "../../routes.ts";
import { configName, configSaved, configText } from "../../state.ts";
import { heldRuns } from "../runs/read.ts";
import type { RunRecord } from "../runs/record.ts";
import { runningNow } from "../train/running.ts";
import type { AdapterReport } from "./requests.ts";

export const demo = "examples/tiny/lora.yml";

export const adapter = signal<AdapterReport | undefined>(undefined);
/** Why there is none: the browser lacks WebGPU, or WebGPU lacks a card. */
export const missing = signal<"webgpu" | "adapter" | undefined>(undefined);
export const failure = signal("");
/** Runs that were cut off and that nobody goes on with, the newest first. */
export const cutOff = signal<RunRecord[]>([]);
/** The last demo that left something to ask: at its end, or stopped and kept. */
export const learnt = signal<RunRecord | undefined>(undefined);
/** A run goes on, here or in another tab. */
export const busy = signal(false);
/** Whether a run of this page goes on. */
export const trainsHere = computed(() => runningNow.value !== undefined);
export const examplesFailed = signal(false);
/** The configuration that an example took the place of. */
export const aside = signal<{ name: string; text: string } | undefined>(undefined);

export async function look(): Promise<void> {
  loadExamples().catch(() => examplesFailed.value = true);
  get("config.aside").then((kept) => aside.value = kept, () => {});
  await findAdapter();
}

async function findAdapter(): Promise<void> {
  if (adapter.value) return;
  if (!("gpu" in navigator)) {
    missing.value = "webgpu";
    return;
  }
  try {
    adapter.value = await engine().ask("start.adapter", {});
  } catch (error) {
    if (error instanceof WorkerError && error.code === "device") missing.value = "adapter";
    else failure.value = messageOf(error);
  }
}

/** Looks at what runs have left. */
export async function findRuns(): Promise<void> {
  try {
    const records = await engine().ask("start.runs", {});
    const held = await heldRuns();
    busy.value = held.size > 0;
    cutOff.value = records.filter(({ id, state }) => state === "running" && !held.has(id));
    learnt.value = records.find(({ name, state, step }) =>
      name === demo && (state === "finished" || (state === "stopped" && step > 0))
    );
  } catch (error) {
    failure.value = messageOf(error);
  }
}

/** Trains the embedded model on the town. */
export async function tryNow(): Promise<void> {
  busy.value = true;
  try {
    await takeExample(demo);
    const { startRun } = await import("../train/state.ts");
    go("train");
    // Every step is shown from the first on, also where a step takes a second.
    await startRun([{ key: "logging_steps", value: "1" }]);
  } catch (error) {
    failure.value = messageOf(error);
  } finally {
    busy.value = false;
  }
}

export async function openInConfig(name: string): Promise<void> {
  try {
    await takeExample(name);
    go("config");
  } catch (error) {
    failure.value = messageOf(error);
  }
}

/** Makes an example the configuration; one that the person wrote is put aside, not lost. */
async function takeExample(name: string): Promise<void> {
  const found = await loadExamples();
  const example = found.find((each) => each.name === name);
  if (!example) throw new Error(`the site does not offer ${name}`);
  const isOwn = !found.some(({ text }) => text === configText.value) && configText.value !== "";
  if (isOwn) await putAside({ name: configName.value, text: configText.value });
  configText.value = configSaved.value = example.text;
  configName.value = name;
}

export async function takeBack(): Promise<void> {
  const { name, text } = aside.value!;
  configText.value = text;
  configName.value = name;
  await putAside(undefined);
}

async function putAside(what: { name: string; text: string } | undefined): Promise<void> {
  aside.value = what;
  await (what ? set("config.aside", what) : del("config.aside")).catch(() => {});
}
