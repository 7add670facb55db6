// The plan of the configuration as it is now, and the step that was measured last.

import { effect, signal } from "@preact/signals";
import { get, set } from "idb-keyval";
import type { Measurement } from "../../../train/measure.ts";
import type { Saving } from "../../../train/savings.ts";
import { WorkerError } from "../../client.ts";
import { setKeys } from "../../config_edit.ts";
import type { Change } from "../../config_text.ts";
import { engine } from "../../engine.ts";
import { messageOf } from "../../parts/notice.tsx";
import { configName, configText } from "../../state.ts";
import { text } from "../../text.ts";
import type { PlanMade } from "./requests.ts";

export const plan = signal<PlanMade | undefined>(undefined);
/** Why there is no plan. */
export const problem = signal<{ code: string; message: string } | undefined>(undefined);
export const planning = signal(false);
export const savings = signal<Saving[] | undefined>(undefined);

export const measuring = signal("");
export const measured = signal<{ of: string; result: Measurement } | undefined>(undefined);
export const measureFailure = signal("");
/** Whether the person ended the last measurement. */
export const stopped = signal(false);

/** What the person says of the GPU's memory, in GiB; 0 where nothing is known. */
export const gpuMemory = signal(0);
get("plan.gpuMemory").then((kept) => gpuMemory.value = kept ?? 0, () => {});

export function keepGpuMemory(gib: number): void {
  gpuMemory.value = gib;
  set("plan.gpuMemory", gib).catch(() => {}); // a private window may have no database
}

/** Milliseconds without a change before it is planned again. */
const pause = 500;

/** Plans again whenever the configuration changes; returns what ends that. */
export function followPlan(): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let canceller = new AbortController();
  let isFirst = true; // what is there when the room opens is nobody's typing
  const stop = effect(() => {
    const ask = { configText: configText.value, configName: configName.value };
    clearTimeout(timer);
    canceller.abort();
    canceller = new AbortController();
    timer = setTimeout(() => make(ask, canceller.signal), isFirst ? 0 : pause);
    isFirst = false;
  });
  return () => {
    stop();
    clearTimeout(timer);
    canceller.abort();
    planning.value = false;
  };
}

async function make(
  ask: { configText: string; configName: string },
  signal: AbortSignal,
): Promise<void> {
  planning.value = true;
  try {
    const onReport = (made: PlanMade) => {
      if (signal.aborted) return;
      plan.value = made;
      savings.value = undefined;
      problem.value = undefined;
    };
    const found = await engine().ask("plan.make", ask, { onReport, signal });
    if (signal.aborted) return;
    savings.value = found;
  } catch (error) {
    if (signal.aborted) return;
    plan.value = undefined;
    const code = error instanceof WorkerError ? error.code : "internal";
    problem.value = { code, message: messageOf(error) };
  } finally {
    if (!signal.aborted) planning.value = false;
  }
}

/** Sets the keys of a saving in the configuration. */
export async function apply({ changes }: Saving): Promise<void> {
  await setKeys(changes.map(({ key, value }): Change => [[key], plain(value)]));
}

/** "true", "16", "0.5" as what they mean. */
function plain(value: string): unknown {
  if (value === "true" || value === "false") return value === "true";
  return value !== "" && !Number.isNaN(Number(value)) ? Number(value) : value;
}

let measureCanceller = new AbortController();

export async function measure(): Promise<void> {
  measureCanceller = new AbortController();
  const { signal } = measureCanceller;
  const ask = { configText: configText.value, configName: configName.value };
  measuring.value = text.plan.measuring;
  measureFailure.value = "";
  stopped.value = false;
  try {
    const result = await engine().ask("plan.measure", ask, {
      signal,
      onReport: ({ what, done, total }) => {
        const share = Math.round(100 * done / Math.max(1, total));
        if (measuring.value) measuring.value = `${text.plan.measuring}: ${what} ${share} %`;
      },
    });
    if (signal.aborted) stopped.value = true;
    else measured.value = { of: ask.configText, result };
  } catch (error) {
    if (signal.aborted) stopped.value = true;
    else measureFailure.value = messageOf(error);
  } finally {
    measuring.value = "";
  }
}

export function stopMeasuring(): void {
  measureCanceller.abort();
}
