// What a run leaves, to be carried away: its files, a zip of them, the merged model, the report.

import { parseConfig } from "../../../config/config.ts";
import { type FileToWrite, openMergedModel } from "../../../export/merged_model.ts";
import { readReportSource, runReport } from "../../../export/report.ts";
import { zipOf } from "../../../export/zip.ts";
import type { BrowserHost } from "../../../host/browser.ts";
import type { Host } from "../../../host/host.ts";
import type { Handlers } from "../../protocol.ts";
import { readRecord } from "../runs/read.ts";
import { runFolder } from "../runs/record.ts";
import type { ResultFile, ResultRequests, ResultSummary, What } from "./requests.ts";
import { offerFile, offerFiles, Progress, saveFile, saveFolder } from "./save.ts";

/** What a run's folder and its output hold that is not part of the model. */
const recordNames = ["eft_config.yml", "trainer_state.json", "samples.jsonl", "kernels.json"];

export const handlers: Handlers<ResultRequests> = {
  "result.describe": ({ id }, { host }) => describe(host, id),

  "result.zip": async ({ id, into }, { host, report, signal }) => {
    const files = await resultFiles(host, id);
    const name = `${await nameOf(host, id)}.zip`;
    const content = new Progress(files, report, signal).of({
      name,
      bytes: 0, // not known before it is made
      content: () => zipOf(files),
    });
    if (!into) return await offerFile(host, { name, content });
    await saveFile(into, content);
  },

  "result.files": async ({ id, what, name, into }, { host, report, signal }) => {
    const { files, close } = await filesOf(host, id, what);
    try {
      const progress = new Progress(files, report, signal);
      const watched = files.map((file) => ({ name: file.name, content: progress.of(file) }));
      if (!into) return await offerFiles(host, name, watched);
      await saveFolder(into, name, watched);
      return [];
    } finally {
      close();
    }
  },

  "result.report": async ({ id }, { host }) => {
    const name = await nameOf(host, id);
    const eventsFile = `${runFolder(id)}/events.jsonl`;
    const source = await readReportSource(host, outputOf(id), { name, eventsFile });
    return { name: `${name}.html`, content: new Blob([runReport(source)], { type: "text/html" }) };
  },

  "result.file": ({ path }, { host }) => host.blob(path),
};

function outputOf(id: string): string {
  return `${runFolder(id)}/output`;
}

/** The run's name without what a file system may not like. */
async function nameOf(host: Host, id: string): Promise<string> {
  const record = await readRecord(host, id);
  const name = (record?.name ?? id).replace(/\.ya?ml$/, "");
  return name.replace(/^.*\//, "").replace(/[^\p{L}\p{N}._-]+/gu, "-") || "run";
}

async function describe(host: Host, id: string): Promise<ResultSummary | undefined> {
  const output = outputOf(id);
  // The last file of a result that is put in its place.
  if (await host.kind(`${output}/trainer_state.json`) !== "file") return undefined;
  const configFile = `${output}/eft_config.yml`;
  const { config } = parseConfig(await host.readText(configFile), configFile);
  const files = await list(host, output);
  const events = (await list(host, runFolder(id))).filter(({ name }) => name === "events.jsonl");
  const isAdapter = files.some(({ name }) => name === "adapter_model.safetensors");
  return {
    kind: isAdapter ? "adapter" : "model",
    name: await nameOf(host, id),
    base: config.base_model,
    files,
    records: [...files.filter(({ name }) => recordNames.includes(name)), ...events],
  };
}

async function filesOf(
  host: BrowserHost,
  id: string,
  what: What,
): Promise<{ files: FileToWrite[]; close(): void }> {
  if (what === "result") return { files: await resultFiles(host, id), close: () => {} };
  const output = outputOf(id);
  const configFile = `${output}/eft_config.yml`;
  const { config } = parseConfig(await host.readText(configFile), configFile);
  return await openMergedModel(host, config, output);
}

/** The files of a result, without its checkpoints. */
async function resultFiles(host: BrowserHost, id: string): Promise<FileToWrite[]> {
  const files = await list(host, outputOf(id));
  return files.map(({ name, path, size }) => ({
    name,
    bytes: size,
    async *content() {
      for await (const piece of await host.readStream(path)) yield piece;
    },
  }));
}

async function list(host: Host, folder: string): Promise<ResultFile[]> {
  const files: ResultFile[] = [];
  for (const name of await host.list(folder)) {
    const path = `${folder}/${name}`;
    if (await host.kind(path) !== "file") continue;
    const file = await host.open(path);
    files.push({ name, path, size: file.size });
    file.close();
  }
  return files;
}
