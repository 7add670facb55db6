// What the room of data knows: the kept files, the data sets of the configuration, and the one that
// is looked at. Whatever is changed about a data set of the configuration is changed in its text.

import { batch, signal } from "@preact/signals";
import type { DownloadProgress } from "../../../data/hub/settings.ts";
import type { Guess } from "../../../data/recognise.ts";
import type { DataSummary } from "../../../data/summary.ts";
import { readKeys, setKeys } from "../../config_edit.ts";
import { engine } from "../../engine.ts";
import type { DroppedFile } from "../../parts/drop.tsx";
import { messageOf } from "../../parts/notice.tsx";
import { configName, configText } from "../../state.ts";
import { text } from "../../text.ts";
import type { DataRequests, Entry, KeptFile, Preview } from "./requests.ts";

export type Key = "datasets" | "test_datasets" | "pretraining_dataset";
export const KEYS: Key[] = ["datasets", "test_datasets", "pretraining_dataset"];

/** A data set of the configuration; `at` is where it stands. */
export interface Configured {
  key: Key;
  index: number;
  at: (string | number)[];
  entry: Entry;
}

/** What is looked at: a data set of the configuration, or an entry that is not in it yet. */
export type Shown = Configured | { key?: undefined; index?: undefined; entry: Entry };

export const ROWS = 10;

export const files = signal<KeptFile[]>([]);
export const copying = signal<DataRequests["data.keep"]["report"] | undefined>(undefined);
export const failure = signal("");

export const configured = signal<Configured[]>([]);
export const valSetSize = signal(0);
/** Whether the text of the configuration is YAML, so that keys can be changed in it. */
export const readable = signal(true);
/** Why the last change of the configuration was not possible. */
export const editFailure = signal("");

export const shown = signal<Shown | undefined>(undefined);
export const from = signal(0);
export const preview = signal<Preview | undefined>(undefined);
/** Whether what is looked at may be downloaded, and how far that is. */
export const online = signal(false);
export const downloading = signal<DownloadProgress | undefined>(undefined);
export const previewFailure = signal("");
/** Formats that fit, from the first rows of the data set that is looked at. */
export const guesses = signal<Guess[]>([]);

export const checking = signal<Partial<DataRequests["data.check"]["report"]> | undefined>(
  undefined,
);
export const summary = signal<{ of: string; found: DataSummary } | undefined>(undefined);
export const checkFailure = signal("");

// ---- files -------------------------------------------------------------------------------------

let copy: AbortController | undefined;
let checkRun: AbortController | undefined;

export async function listFiles(): Promise<void> {
  try {
    files.value = await engine().ask("data.list", {});
  } catch (error) {
    failure.value = messageOf(error);
  }
}

/** Keeps what was dropped, folder by folder, and looks at the last of it. */
export async function keepFiles(dropped: DroppedFile[]): Promise<void> {
  failure.value = "";
  if (dropped.length === 0) {
    failure.value = text.data.nothingDropped;
    return;
  }
  const things = new Map<string, [string, File][]>();
  for (const [path, file] of dropped) {
    const [name, ...below] = path.split("/");
    things.set(name, [...things.get(name) ?? [], [below.join("/"), file]]);
  }
  const canceller = copy = new AbortController();
  const failures: string[] = [];
  let last: string | undefined;
  for (const [name, contents] of things) {
    if (canceller.signal.aborted) break;
    copying.value = { path: name, written: 0, total: 0 };
    try {
      const { path } = await engine().ask("data.keep", { name, files: contents }, {
        onReport: (report) => copying.value = report,
        signal: canceller.signal,
      });
      last = path;
    } catch (error) {
      if (!canceller.signal.aborted) failures.push(messageOf(error));
    }
  }
  copying.value = undefined;
  failure.value = failures.join("\n");
  await listFiles();
  if (last !== undefined) await look({ path: last });
}

export function cancelCopy(): void {
  copy?.abort();
}

export async function removeFile(name: string): Promise<void> {
  try {
    await engine().ask("data.remove", { name });
  } catch (error) {
    failure.value = messageOf(error);
  }
  if (shown.value?.key === undefined && shown.value?.entry.path === `data/${name}`) {
    shown.value = configured.value[0];
  } else if (shown.value) shown.value = { ...shown.value }; // it is read again, and found missing
  await listFiles();
}

// ---- the configuration -------------------------------------------------------------------------

/** Follows the text of the configuration; what is looked at changes with it. */
export async function followConfig(): Promise<void> {
  const keys = await readKeys().catch(() => undefined);
  batch(() => {
    readable.value = keys !== undefined;
    configured.value = keys === undefined ? [] : KEYS.flatMap((key) => entriesOf(key, keys[key]));
    valSetSize.value = Number(keys?.val_set_size ?? 0) || 0;
    const { key, index } = shown.value ?? {};
    if (shown.value !== undefined && key === undefined) return;
    shown.value = configured.value.find((each) => each.key === key && each.index === index) ??
      configured.value[0];
  });
}

/** A list of data sets; Axolotl also takes a single one, and the name of one for pretraining. */
function entriesOf(key: Key, value: unknown): Configured[] {
  const isList = Array.isArray(value);
  return (isList ? value : value ? [value] : []).flatMap((each, index): Configured[] => {
    const entry = typeof each === "string" ? { path: each } : each as Entry | null;
    if (typeof entry?.path !== "string") return [];
    return [{ key, index, at: isList ? [key, index] : [key], entry }];
  });
}

/** An edit that says why it was not possible, for example within an alias of YAML. */
function edit<A extends unknown[]>(make: (...args: A) => Promise<void>) {
  return async (...args: A): Promise<void> => {
    editFailure.value = "";
    await make(...args).catch((error) => editFailure.value = text.data.notEdited(messageOf(error)));
  };
}

/** Makes the shown entry the only one to train on. */
export const trainOnly = edit(async () => {
  const { entry } = shown.value!;
  await setKeys(
    [["datasets"], ["pretraining_dataset"], ["streaming"]].map((path, i) =>
      i === 0 ? [path, [entry]] : [path, undefined]
    ),
  );
  await placed("datasets", 0);
});

/** Adds the shown entry to those that are trained or evaluated on. */
export const addTo = edit(async (key: "datasets" | "test_datasets") => {
  const { entry } = shown.value!;
  const entries = configured.value.filter((each) => each.key === key).map((each) => each.entry);
  const changes: [(string | number)[], unknown][] = [[[key], [...entries, entry]]];
  if (key === "test_datasets") changes.push([["val_set_size"], undefined]);
  await setKeys(changes);
  await placed(key, entries.length);
});

async function placed(key: Key, index: number): Promise<void> {
  await followConfig();
  shown.value = configured.value.find((each) => each.key === key && each.index === index);
}

export const takeOut = edit(async ({ key, at }: Configured) => {
  const isLast = configured.value.filter((each) => each.key === key).length === 1;
  await setKeys([[isLast ? [key] : at, undefined]]);
  await followConfig();
});

export const setValSetSize = edit((size: number) =>
  setKeys([[["val_set_size"], size > 0 ? size : undefined]])
);

/** Changes keys of the shown entry; undefined removes one. */
export const change = edit(async (keys: Record<string, unknown>) => {
  const now = shown.value!;
  if (now.key === undefined) {
    const entry = Object.entries({ ...now.entry, ...keys }).filter(([, each]) =>
      each !== undefined
    );
    shown.value = { entry: Object.fromEntries(entry) as Entry };
    return;
  }
  const isText = typeof (await readKeys())?.[now.key] === "string";
  await setKeys(
    isText
      ? [[now.at, { ...now.entry, ...keys }]]
      : Object.entries(keys).map(([name, value]) => [[...now.at, name], value]),
  );
});

// ---- looking -----------------------------------------------------------------------------------

/** Looks at a file that the configuration does not name, as its rows suggest. */
export async function look(entry: Entry): Promise<void> {
  const used = configured.value.find((each) => each.entry.path === entry.path);
  if (used) return show(used);
  let guessed = entry;
  try {
    const ask = { ...config(), entry, from: 0, count: ROWS, online: false };
    const answer = await engine().ask("data.preview", ask);
    guessed = { ...entry, ...answer.guesses[0]?.keys };
  } catch {
    // The look itself will say what is wrong.
  }
  show({ entry: guessed });
}

export function show(next: Shown): void {
  batch(() => {
    shown.value = next;
    from.value = 0;
    online.value = false;
    preview.value = undefined;
    guesses.value = [];
  });
}

let asked = 0;

/** Reads the rows that are looked at. */
export async function readPreview(): Promise<void> {
  const now = shown.value, start = from.value;
  const ask = { ...config(), online: online.value }; // read here, so that an effect follows it
  const number = ++asked;
  if (!now) {
    preview.value = undefined;
    return;
  }
  const { entry, key, index } = now;
  const place = key === undefined ? {} : { key, index };
  try {
    const found = await engine().ask("data.preview", {
      ...ask,
      ...place,
      entry,
      from: start,
      count: ROWS,
    }, { onReport: (report) => downloading.value = report });
    if (number !== asked) return; // something else is looked at by now
    batch(() => {
      preview.value = found;
      previewFailure.value = "";
      if (start === 0) guesses.value = found.guesses;
    });
  } catch (error) {
    if (number === asked) previewFailure.value = messageOf(error);
  } finally {
    if (number === asked) downloading.value = undefined;
  }
}

function config() {
  return { configText: configText.value, configName: configName.value };
}

// ---- all rows ----------------------------------------------------------------------------------

export async function checkAll(): Promise<void> {
  const canceller = checkRun = new AbortController();
  checking.value = {};
  checkFailure.value = "";
  summary.value = undefined;
  const ask = config();
  try {
    const found = await engine().ask("data.check", ask, {
      onReport: (report) => checking.value = report,
      signal: canceller.signal,
    });
    if (!canceller.signal.aborted) summary.value = { of: ask.configText, found };
  } catch (error) {
    if (!canceller.signal.aborted) checkFailure.value = messageOf(error);
  }
  checking.value = undefined;
}

export function cancelCheck(): void {
  checkRun?.abort();
}
