// Reads what runs have left in the private file system, compares them, and deletes them.

import { parse, stringify } from "yaml";
import { EftError } from "../../../errors.ts";
import type { BrowserHost } from "../../../host/browser.ts";
import { sizeOf } from "../../parts/kept_files.ts";
import type { Handlers } from "../../protocol.ts";
import { differences } from "./differences.ts";
import { heldRuns, readRecords, readRun } from "./read.ts";
import { runFolder } from "./record.ts";
import type { ListedRun, RunsRequests } from "./requests.ts";

export const handlers: Handlers<RunsRequests> = {
  "runs.list": (_, { host }) => listRuns(host),
  "runs.events": async ({ id }, { host }) => (await readRun(host, id))?.events ?? [],
  "runs.differences": async ({ ids }, { host }) => {
    const texts = await Promise.all(ids.map((id) => readConfig(host, id)));
    return differences(texts.map((text) => parse(text)))
      .map(({ key, values }) => ({ key, values: values.map(shown) }));
  },
  "runs.config": ({ id }, { host }) => readConfig(host, id),
  "runs.delete": ({ id }, { host }) => deleteRun(host, id),
};

async function listRuns(host: BrowserHost): Promise<ListedRun[]> {
  const records = await readRecords(host);
  const held = await heldRuns();
  return await Promise.all(records.map(async (record): Promise<ListedRun> => {
    const folder = runFolder(record.id);
    return {
      ...record,
      interrupted: record.state === "running" && !held.has(record.id),
      onSite: !await host.isWritten(folder),
      bytes: await sizeOf(host, folder),
    };
  }));
}

function readConfig(host: BrowserHost, id: string): Promise<string> {
  return host.readText(`${runFolder(id)}/config.yml`);
}

async function deleteRun(host: BrowserHost, id: string): Promise<void> {
  if ((await heldRuns()).has(id)) {
    throw new EftError("output", `The run ${id} is going on. Stop it before deleting it.`);
  }
  await host.remove(runFolder(id));
}

function shown(value: unknown): string {
  return value === undefined ? "" : stringify(value).trim();
}
