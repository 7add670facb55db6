// Reads what runs have left in the private file system, compares them, and deletes them.

import { parse, stringify } from "yaml";
import { EftError } from "../../../errors.ts";
import type { BrowserHost } from "../../../host/browser.ts";
import type { RunEvent } from "../../../train/events.ts";
import type { Handlers } from "../../protocol.ts";
import { differences } from "./differences.ts";
import { runFolder, runLock, type RunRecord } from "./record.ts";
import type { ListedRun, RunsRequests } from "./requests.ts";

export const handlers: Handlers<RunsRequests> = {
  "runs.list": (_, { host }) => listRuns(host),
  "runs.events": ({ id }, { host }) => readEvents(host, id),
  "runs.differences": async ({ ids }, { host }) => {
    const texts = await Promise.all(ids.map((id) => readConfig(host, id)));
    return differences(texts.map((text) => parse(text)))
      .map(({ key, values }) => ({ key, values: values.map(shown) }));
  },
  "runs.config": ({ id }, { host }) => readConfig(host, id),
  "runs.delete": ({ id }, { host }) => deleteRun(host, id),
};

async function listRuns(host: BrowserHost): Promise<ListedRun[]> {
  if (await host.kind("runs") !== "folder") return [];
  const held = await heldLocks();
  const runs: ListedRun[] = [];
  for (const id of await host.list("runs")) {
    const record = await readRecord(host, id);
    if (!record) continue;
    const folder = runFolder(id);
    runs.push({
      ...record,
      interrupted: record.state === "running" && !held.has(runLock(id)),
      onSite: !await host.isWritten(folder),
      bytes: await bytesBelow(host, folder),
    });
  }
  return runs.sort((a, b) => (b.started ?? "").localeCompare(a.started ?? ""));
}

/** A folder without a readable record is not a run, or one that was never begun. */
async function readRecord(host: BrowserHost, id: string): Promise<RunRecord | undefined> {
  try {
    return JSON.parse(await host.readText(`${runFolder(id)}/run.json`));
  } catch {
    return undefined;
  }
}

/** The names of the Web Locks that are held, here or in another tab. */
async function heldLocks(): Promise<Set<string | undefined>> {
  const { held = [] } = await navigator.locks.query();
  return new Set(held.map(({ name }) => name));
}

async function readEvents(host: BrowserHost, id: string): Promise<RunEvent[]> {
  const path = `${runFolder(id)}/events.jsonl`;
  if (await host.kind(path) !== "file") return [];
  const lines = (await host.readText(path)).split("\n");
  return lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as RunEvent];
    } catch {
      return []; // the last line of a run that was cut off
    }
  });
}

function readConfig(host: BrowserHost, id: string): Promise<string> {
  return host.readText(`${runFolder(id)}/config.yml`);
}

async function deleteRun(host: BrowserHost, id: string): Promise<void> {
  if ((await heldLocks()).has(runLock(id))) {
    throw new EftError("output", `The run ${id} is going on. Stop it before deleting it.`);
  }
  await host.remove(runFolder(id));
}

async function bytesBelow(host: BrowserHost, path: string): Promise<number> {
  let bytes = 0;
  for (const name of await host.list(path)) {
    const below = `${path}/${name}`;
    if (await host.kind(below) === "folder") bytes += await bytesBelow(host, below);
    else {
      const file = await host.open(below);
      bytes += file.size;
      file.close();
    }
  }
  return bytes;
}

function shown(value: unknown): string {
  return value === undefined ? "" : stringify(value).trim();
}
