// What the form and the editor share: what the text says, what the engine finds in it, and how it is
// opened, replaced, saved and passed on.

import { effect, signal } from "@preact/signals";
import type { Finding } from "../../../config/config.ts";
import { readKeys } from "../../config_edit.ts";
import { engine, siteBase } from "../../engine.ts";
import { messageOf } from "../../parts/notice.tsx";
import { link } from "../../routes.ts";
import { configName, configSaved, configText } from "../../state.ts";
import { text } from "../../text.ts";
import type { Schema } from "./schema.ts";
import { pack, type Shared, unpack } from "./share.ts";

/** The configuration as data, as it was when its text was last YAML. */
export const values = signal<Record<string, unknown>>({});
/** Whether the text is no YAML for longer than it takes to type a key. */
export const broken = signal(false);
/** Undefined until the engine has answered. */
export const findings = signal<Finding[] | undefined>(undefined);
export const schema = signal<Schema | undefined>(undefined);
/** A configuration that waits for an answer, as it would replace one that is not saved. */
export const asked = signal<Shared | undefined>(undefined);
export const notice = signal<{ kind: "good" | "error"; text: string } | undefined>(undefined);
/** The link with this configuration, when it was asked for; it is removed when the text changes. */
export const sharedLink = signal("");

/** Milliseconds without a key before the engine is asked, and before YAML counts as broken. */
const pause = 250, patience = 600;

/** Follows the text while the room is shown; returns what ends that. */
export function followText(): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let breaking: typeof timer;
  let canceller = new AbortController();
  const stop = effect(() => {
    const ask = { configText: configText.value, configName: configName.value };
    sharedLink.value = "";
    clearTimeout(breaking);
    readKeys().then((read) => {
      if (ask.configText !== configText.peek()) return;
      if (read) [values.value, broken.value] = [read, false];
      else breaking = setTimeout(() => broken.value = true, patience);
    });
    clearTimeout(timer);
    canceller.abort();
    const { signal } = canceller = new AbortController();
    timer = setTimeout(async () => {
      try {
        const found = await engine().ask("config.check", ask, { signal });
        if (!signal.aborted) findings.value = found;
      } catch (error) {
        if (!signal.aborted) fail(error);
      }
    }, findings.peek() ? pause : 0);
  });
  if (!schema.peek()) loadSchema();
  return () => {
    stop();
    clearTimeout(timer);
    clearTimeout(breaking);
    canceller.abort();
  };
}

async function loadSchema(): Promise<void> {
  try {
    schema.value = await (await ofSite("config.schema.json")).json();
  } catch (error) {
    fail(error);
  }
}

async function ofSite(path: string): Promise<Response> {
  const answer = await fetch(new URL(path, siteBase));
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${answer.statusText}`);
  return answer;
}

export function fail(error: unknown): void {
  notice.value = { kind: "error", text: messageOf(error) };
}

// ---- another configuration -------------------------------------------------------------------

/** Takes a configuration; one that is not saved anywhere is not replaced without being asked. */
export function open(next: Shared): void {
  const unsaved = configText.value !== configSaved.value && configText.value.trim() !== "";
  if (unsaved && next.text !== configText.value) asked.value = next;
  else replace(next);
}

export function replace({ name, text: content }: Shared): void {
  asked.value = undefined;
  configName.value = name;
  configText.value = configSaved.value = content;
  notice.value = { kind: "good", text: text.config.opened(name) };
}

export async function openFiles(files: [path: string, file: Blob][]): Promise<void> {
  notice.value = undefined;
  try {
    if (files.length === 0) return;
    if (files.length > 1) throw new Error(text.config.oneFile);
    const [[name, file]] = files;
    const { readConfigFile } = await import("./read_file.ts");
    open({ name, text: await readConfigFile(name, file) });
  } catch (error) {
    fail(error);
  }
}

/** Takes the configuration of a link: what follows "#/config/". */
export async function openLink(packed: string): Promise<void> {
  // The address is that of the room again, so that a reload does not ask a second time.
  history.replaceState(null, "", link("config"));
  const shared = await unpack(packed);
  if (shared) open(shared);
  else notice.value = { kind: "error", text: text.config.badLink };
}

// ---- keeping and passing on ------------------------------------------------------------------

export async function save(): Promise<void> {
  notice.value = undefined;
  const content = configText.value;
  const file = configName.value.split("/").at(-1)!.replace(/(\.ya?ml)?$/, (end) => end || ".yml");
  try {
    if ("showSaveFilePicker" in globalThis) {
      const handle = await showSaveFilePicker({
        suggestedName: file,
        types: [{ description: "YAML", accept: { "text/yaml": [".yml", ".yaml"] } }],
      });
      const stream = await handle.createWritable();
      await stream.write(content);
      await stream.close();
      configName.value = handle.name;
    } else {
      const address = URL.createObjectURL(new Blob([content], { type: "text/yaml" }));
      Object.assign(document.createElement("a"), { href: address, download: file }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60_000);
    }
    configSaved.value = content;
    notice.value = { kind: "good", text: text.config.savedAs(configName.value.split("/").at(-1)!) };
  } catch (error) {
    if ((error as Error).name !== "AbortError") fail(error); // the person closed the dialog
  }
}

declare function showSaveFilePicker(options: {
  suggestedName: string;
  types: { description: string; accept: Record<string, string[]> }[];
}): Promise<FileSystemFileHandle>;

export async function share(): Promise<void> {
  notice.value = undefined;
  const packed = await pack({ name: configName.value, text: configText.value });
  const address = new URL(link("config", packed), location.href).href;
  sharedLink.value = address;
  try {
    await navigator.clipboard.writeText(address);
    notice.value = { kind: "good", text: text.config.shared };
  } catch {
    // Not allowed here; the link is shown for copying.
  }
}
