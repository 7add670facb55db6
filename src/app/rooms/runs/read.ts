// Reads what runs have left (record.ts), also runs that were cut off in the middle of a line.

import type { Host } from "../../../host/host.ts";
import type { RunEvent } from "../../../train/events.ts";
import { runFolder, runLock, type RunRecord } from "./record.ts";

/** The records of all runs, the newest first. */
export async function readRecords(host: Host): Promise<RunRecord[]> {
  if (await host.kind("runs") !== "folder") return [];
  const ids = await host.list("runs");
  const found = await Promise.all(ids.map((id) => readRecord(host, id)));
  // The site's runs (`eft ui`) do not say when they began; they are what the page was opened for.
  const began = ({ started = "~" }: RunRecord) => started;
  return found.filter((record) => record !== undefined).sort((a, b) =>
    began(a) < began(b) ? 1 : -1
  );
}

/** A run's record and events. */
export async function readRun(
  host: Host,
  id: string,
): Promise<{ record: RunRecord; events: RunEvent[] } | undefined> {
  const record = await readRecord(host, id);
  const lines = (await readText(host, `${runFolder(id)}/events.jsonl`)).split("\n");
  return record && { record, events: lines.flatMap((line) => parsed<RunEvent>(line)) };
}

/** The ids of the runs that somebody trains now: this page or another tab. */
export async function heldRuns(): Promise<Set<string>> {
  const { held = [] } = await navigator.locks?.query() ?? {}; // missing where a page is not safe
  const prefix = runLock("");
  const ids = held.flatMap(({ name = "" }) =>
    name.startsWith(prefix) ? [name.slice(prefix.length)] : []
  );
  return new Set(ids);
}

/** Undefined where there is no record that can be read. */
export async function readRecord(host: Host, id: string): Promise<RunRecord | undefined> {
  return parsed<RunRecord>(await readText(host, `${runFolder(id)}/run.json`))[0];
}

async function readText(host: Host, path: string): Promise<string> {
  return await host.kind(path) === "file" ? await host.readText(path) : "";
}

/** What is no JSON, such as a line that was cut off, is left out. */
function parsed<T>(text: string): T[] {
  try {
    return [JSON.parse(text)];
  } catch {
    return [];
  }
}
