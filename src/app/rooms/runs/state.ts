// The runs that this browser keeps, and which of them are looked at together.

import { computed, signal } from "@preact/signals";
import type { RunEvent } from "../../../train/events.ts";
import { engine } from "../../engine.ts";
import { messageOf } from "../../parts/notice.tsx";
import { configName, configText } from "../../state.ts";
import type { Difference, ListedRun } from "./requests.ts";

/** Undefined until they have been read. */
export const runs = signal<ListedRun[] | undefined>(undefined);
export const selected = signal<string[]>([]);
/** The events of runs that were looked at. */
export const events = signal(new Map<string, RunEvent[]>());
export const configDifferences = signal<Difference[]>([]);
export const failure = signal("");

export const selectedRuns = computed(() =>
  selected.value.flatMap((id) => runs.value?.find((run) => run.id === id) ?? [])
);

/** Reads the list again, and what is needed of the runs that stay selected. */
export async function refresh(): Promise<void> {
  await trying(async () => {
    runs.value = await engine().ask("runs.list", {});
    events.value = new Map();
    await select(selected.value.filter((id) => runs.value!.some((run) => run.id === id)));
  });
}

export async function select(ids: string[]): Promise<void> {
  selected.value = ids;
  await trying(async () => {
    const unread = ids.filter((id) => !events.peek().has(id));
    const read = await Promise.all(unread.map((id) => engine().ask("runs.events", { id })));
    if (unread.length > 0) {
      events.value = new Map([...events.peek(), ...unread.map((id, i) => [id, read[i]] as const)]);
    }
    const found = ids.length < 2 ? [] : await engine().ask("runs.differences", { ids });
    if (selected.peek() === ids) configDifferences.value = found;
  });
}

export async function remove(id: string): Promise<void> {
  await trying(() => engine().ask("runs.delete", { id }));
  await refresh();
}

/** Makes a run's configuration that of the next run. Returns whether that worked. */
export async function takeConfig({ id, name }: ListedRun): Promise<boolean> {
  return await trying(async () => {
    configText.value = await engine().ask("runs.config", { id });
    configName.value = name;
  });
}

async function trying(action: () => Promise<void>): Promise<boolean> {
  failure.value = "";
  try {
    await action();
    return true;
  } catch (error) {
    failure.value = messageOf(error);
    return false;
  }
}
