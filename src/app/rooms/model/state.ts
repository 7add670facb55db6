// What the model room shows: the chosen model, the copy or download that goes on, and what is kept.

import { computed, signal } from "@preact/signals";
import { isRepoName } from "../../../data/hub/repo.ts";
import type { ModelFacts } from "../../../model/inspect.ts";
import { readKeys, setKeys } from "../../config_edit.ts";
import { engine } from "../../engine.ts";
import type { DroppedFile } from "../../parts/drop.tsx";
import { bytes } from "../../parts/format.ts";
import { messageOf } from "../../parts/notice.tsx";
import { configText } from "../../state.ts";
import { text } from "../../text.ts";
import { chosenFiles } from "./dropped.ts";
import type { FileProgress, Kept, ModelState } from "./requests.ts";

const words = text.model;

/** base_model of the configuration, and what is known of it. */
export const chosen = signal<{ name: string; revision?: string } | undefined>(undefined);
export const chosenState = signal<ModelState | "looking">("looking");

export interface Transfer {
  kind: "copy" | "download";
  title: string;
  files: { file: string; done: number; total: number | undefined }[];
  abort: AbortController;
}
export const transfer = signal<Transfer | undefined>(undefined);
export const message = signal<{ kind: "good" | "info" | "error"; lines: string[] } | undefined>(
  undefined,
);

export const kept = signal<Kept[]>([]);
export const storage = signal<{ usage: number; quota: number; persisted: boolean } | undefined>(
  undefined,
);
export const persistRefused = signal(false);

/** Bytes that arrived and bytes in all, where every file's size is known. */
export const transferred = computed(() => {
  const files = transfer.value?.files ?? [];
  return {
    done: files.reduce((sum, each) => sum + each.done, 0),
    total: files.reduce((sum, each) => sum + (each.total ?? NaN), 0),
  };
});

let looks = 0;

/** Reads which model the configuration names, and what it is. */
export async function look(): Promise<void> {
  const turn = ++looks; // a later look wins, whichever answers first
  const keys = await readKeys();
  const name = typeof keys?.base_model === "string" ? keys.base_model : undefined;
  const revision = typeof keys?.model_revision === "string" ? keys.model_revision : undefined;
  if (turn !== looks) return;
  if (name !== chosen.value?.name || revision !== chosen.value?.revision) {
    chosenState.value = "looking";
  }
  chosen.value = name === undefined ? undefined : { name, revision };
  if (name === undefined) return;
  let state: ModelState;
  try {
    state = await engine().ask("model.describe", { name, revision });
  } catch (error) {
    state = { state: "broken", problems: [messageOf(error)] };
  }
  if (turn === looks) chosenState.value = state;
}

export async function refresh(): Promise<void> {
  try {
    kept.value = await engine().ask("model.list", {});
  } catch (error) {
    fail(error);
  }
  await refreshStorage();
}

async function refreshStorage(): Promise<void> {
  const manager = navigator.storage;
  if (!manager?.estimate) return;
  const [{ usage = 0, quota = 0 }, persisted] = await Promise.all([
    manager.estimate(),
    manager.persisted(),
  ]);
  storage.value = { usage, quota, persisted };
}

/** Makes a model the base_model of the configuration. */
export async function choose(name: string, revision?: string, facts?: ModelFacts): Promise<void> {
  const keys = await readKeys();
  const isGptq = facts?.quantization?.method === "gptq";
  await setKeys([
    ["base_model", name],
    ["model_revision", revision || undefined],
    // The engine insists on this key for such a model, and refuses it for any other.
    ...(isGptq
      ? [["gptq", true]] as const
      : facts && keys?.gptq
      ? [["gptq", undefined]] as const
      : []),
  ].map(([key, value]) => [[key as string], value]));
  message.value = { kind: "good", lines: [words.chosenNow(name)] };
}

export async function importFiles(files: DroppedFile[]): Promise<void> {
  if (transfer.value) return;
  if (files.length === 0) return say("error", words.empty);
  const size = chosenFiles(files).files.reduce((sum, [, file]) => sum + file.size, 0);
  if (!await hasRoom(size)) return;
  await run("copy", words.checking, async (abort) => {
    const options = { signal: abort.signal, onReport: advance };
    const answer = await engine().ask("model.import", { files }, options);
    if ("problems" in answer) say("error", words.refused, ...answer.problems);
    else await choose(answer.name, undefined, answer.facts);
  });
}

export async function download(name: string, revision?: string): Promise<void> {
  if (transfer.value) return;
  if (!isRepoName(name) || !name.includes("/")) return say("error", words.hubBad(name));
  await run("download", words.downloading(name), async (abort) => {
    let refusal: Promise<void> | undefined;
    await engine().ask("model.download", { name, revision: revision || undefined }, {
      signal: abort.signal,
      onReport: (report) => {
        if (!("files" in report)) return advance(report);
        const files = report.files.map(({ file, size, here }) => (
          { file, done: here ? size : 0, total: size }
        ));
        transfer.value = { ...transfer.value!, files };
        const missing = report.files.reduce((sum, each) => sum + (each.here ? 0 : each.size), 0);
        refusal = hasRoom(missing).then((fits) => fits ? undefined : abort.abort("no room"));
      },
    });
    await refusal;
    const state = await engine().ask("model.describe", { name, revision });
    await choose(name, revision, state.state === "ready" ? state.facts : undefined);
  });
}

async function run(
  kind: Transfer["kind"],
  title: string,
  work: (abort: AbortController) => Promise<void>,
): Promise<void> {
  const abort = new AbortController();
  message.value = undefined;
  transfer.value = { kind, title, files: [], abort };
  try {
    await work(abort);
  } catch (error) {
    if (!abort.signal.aborted) fail(error);
    else if (abort.signal.reason !== "no room") {
      say("info", kind === "copy" ? words.stoppedCopy : words.stoppedDownload);
    }
  } finally {
    transfer.value = undefined;
    await Promise.all([refresh(), look()]);
  }
}

function advance(progress: FileProgress): void {
  const now = transfer.value;
  if (!now) return;
  askToPersist();
  const known = now.files.some(({ file }) => file === progress.file);
  const files = known
    ? now.files.map((each) => each.file === progress.file ? { ...each, ...progress } : each)
    : [...now.files, progress];
  const title = now.kind === "copy" ? words.copying(progress.file) : now.title;
  transfer.value = { ...now, title, files };
}

async function hasRoom(size: number): Promise<boolean> {
  await refreshStorage();
  if (!storage.value) return true;
  const left = storage.value.quota - storage.value.usage;
  if (size > left) say("error", words.noRoom(bytes(size), bytes(left)));
  return size <= left;
}

export async function remove(path: string): Promise<void> {
  try {
    await engine().ask("model.remove", { path });
  } catch (error) {
    fail(error);
  }
  await Promise.all([refresh(), look()]);
}

let hasAsked = false;

/** With the first bytes that are worth keeping. */
function askToPersist(): void {
  if (hasAsked || storage.value?.persisted) return;
  hasAsked = true;
  navigator.storage?.persist?.().then(refreshStorage, () => {});
}

export async function persist(): Promise<void> {
  persistRefused.value = !await navigator.storage.persist();
  await refreshStorage();
}

function say(kind: "info" | "error", ...lines: string[]): void {
  message.value = { kind, lines };
}

function fail(error: unknown): void {
  say("error", messageOf(error));
}

/** Looks again whenever the configuration changes, from now on. */
export function watchConfig(): () => void {
  return configText.subscribe(() => void look());
}
