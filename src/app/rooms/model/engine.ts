// Brings models into the browser's storage and says what they are.

import { isRepoName } from "../../../data/hub/repo.ts";
import { EftError } from "../../../errors.ts";
import type { BrowserHost } from "../../../host/browser.ts";
import type { Host } from "../../../host/host.ts";
import { inspectModel } from "../../../model/inspect.ts";
import { resolveModelFolder } from "../../../model/source.ts";
import { filesBelow, freePath, piecesOf } from "../../parts/kept_files.ts";
import type { Context, Handlers } from "../../protocol.ts";
import { chosenFiles } from "./dropped.ts";
import type { FileProgress, Kept, ModelRequests, ModelState } from "./requests.ts";

export const handlers: Handlers<ModelRequests> = {
  "model.describe": ({ name, revision }, { host }) => describe(host, name, revision),
  "model.import": ({ files }, context) => importModel(files, context),
  "model.download": async ({ name, revision }, { host, report, signal }) => {
    await resolveModelFolder(host, name, {
      revision,
      signal,
      onProgress: report,
      onFiles: (files) => report({ files }),
    });
    return {};
  },
  "model.list": (_, { host }) => list(host),
  "model.remove": async ({ path }, { host }) => {
    await host.remove(path);
    return {};
  },
};

async function describe(host: Host, name: string, revision?: string): Promise<ModelState> {
  let folder = name;
  if (await host.kind(name) === undefined) {
    if (!isRepoName(name)) return { state: "broken", problems: [`There is no folder ${name}.`] };
    try {
      folder = await resolveModelFolder(host, name, { revision, offline: true });
    } catch {
      return { state: "absent" };
    }
  }
  const { facts, problems } = await inspectModel(host, folder);
  return facts && problems.length === 0 ? { state: "ready", facts } : { state: "broken", problems };
}

let drops = 0;

async function importModel(
  files: ModelRequests["model.import"]["ask"]["files"],
  { host, report, signal }: Context<FileProgress>,
): Promise<ModelRequests["model.import"]["answer"]> {
  const chosen = chosenFiles(files);
  // Where the files can be looked at before any of them is copied.
  const source = `dropped/${++drops}`;
  host.mount(chosen.files.map(([name, file]) => [`${source}/${name}`, file]));
  const { facts, problems } = await inspectModel(host, source);
  if (!facts || problems.length > 0) return { problems };
  const path = await freePath(host, `models/${chosen.name}`);
  const partial = `${path}.partial`;
  await host.remove(partial);
  try {
    for (const [name, file] of chosen.files) {
      let done = 0;
      const pieces = piecesOf(file, signal, (bytes) => {
        report({ file: name, done: done += bytes, total: file.size });
      });
      await host.write(`${partial}/${name}`, pieces);
    }
    await host.rename(partial, path);
  } catch (cause) {
    await host.remove(partial);
    if (signal.aborted) throw new EftError("model", "The copy was stopped; nothing was kept.");
    throw new EftError(
      "model",
      `The model cannot be kept here (${(cause as Error).message}). Delete what you do not need ` +
        "below, and try again.",
      {},
      { cause },
    );
  }
  // With "./" it can never be taken for a name of the hub, even when it is deleted later.
  return { name: `./${path}`, facts };
}

// ---- what is kept ------------------------------------------------------------------------------

async function list(host: BrowserHost): Promise<Kept[]> {
  const kept: Kept[] = [];
  const add = async (kind: Kept["kind"], path: string, name: string) => {
    const { bytes, unfinished, weights } = await weigh(host, path);
    kept.push({ kind, path, name, bytes, unfinished: unfinished || (kind === "hub" && !weights) });
  };
  for (const name of await folders(host, "public/models")) {
    await add("site", `public/models/${name}`, `public/models/${name}`);
  }
  for (const name of await folders(host, "models")) {
    await add("own", `models/${name}`, `./models/${name}`);
  }
  const hub = `${host.cacheFolder}/hub`;
  for (const folder of await folders(host, hub)) {
    const [kind, ...name] = folder.split("--");
    await add(kind === "models" ? "hub" : "data", `${hub}/${folder}`, name.join("/"));
  }
  const urls = `${host.cacheFolder}/urls`;
  for (const folder of await folders(host, urls)) {
    const [name = folder] = (await host.list(`${urls}/${folder}`)).filter((each) =>
      each !== "headers.json"
    );
    await add("data", `${urls}/${folder}`, name);
  }
  return kept;
}

async function folders(host: Host, path: string): Promise<string[]> {
  return await host.kind(path) === "folder" ? await host.list(path) : [];
}

/** `unfinished`: an interrupted download or copy left it. `weights`: there are some. */
async function weigh(
  host: Host,
  folder: string,
): Promise<{ bytes: number; unfinished: boolean; weights: boolean }> {
  let bytes = 0, unfinished = folder.endsWith(".partial"), weights = false;
  for await (const { path, size } of filesBelow(host, folder)) {
    bytes += size;
    unfinished ||= path.endsWith(".partial");
    weights ||= path.endsWith(".safetensors");
  }
  return { bytes, unfinished, weights };
}
