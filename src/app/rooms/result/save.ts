// Writing to where a person wants it, in pieces: a file or a folder that they chose, or else the
// private file system, from where the browser downloads it. A write that ends early leaves nothing.

import { EftError } from "../../../errors.ts";
import type { FileToWrite } from "../../../export/merged_model.ts";
import type { BrowserHost } from "../../../host/browser.ts";
import { text } from "../../text.ts";
import type { Offer, SaveReport } from "./requests.ts";

export interface Content {
  name: string;
  content: AsyncIterable<Uint8Array>;
}

/** Milliseconds between two reports. */
const reportEvery = 100;

/** Counts bytes on their way and ends the way when the signal says so. */
export class Progress {
  readonly #total: number;
  readonly #report: (event: SaveReport) => void;
  readonly #signal: AbortSignal;
  #done = 0;
  #reported = 0;

  constructor(
    files: readonly FileToWrite[],
    report: (event: SaveReport) => void,
    signal: AbortSignal,
  ) {
    this.#total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#report = report;
    this.#signal = signal;
  }

  async *of({ name, content }: FileToWrite): AsyncGenerator<Uint8Array> {
    for await (const piece of content()) {
      this.#signal.throwIfAborted();
      yield piece;
      this.#done += piece.length;
      const now = performance.now();
      if (now - this.#reported < reportEvery) continue;
      this.#reported = now;
      this.#report({ name, done: this.#done, total: this.#total });
    }
    this.#signal.throwIfAborted();
  }
}

/** Writes into a file; it holds all of the content or what it held before. */
export async function saveFile(
  handle: FileSystemFileHandle,
  content: AsyncIterable<Uint8Array>,
): Promise<void> {
  await inWords(async () => {
    // The browser writes beside the file and moves it into place on close.
    const stream = await handle.createWritable();
    try {
      for await (const piece of content) await stream.write(piece as Uint8Array<ArrayBuffer>);
      await stream.close();
    } catch (error) {
      await stream.abort().catch(() => {}); // the first failure is the one to report
      // The chooser has made an empty file.
      if ((await handle.getFile()).size === 0) await remove(handle);
      throw error;
    }
  });
}

/** Writes into a new folder; it is there with all files, or not at all. */
export async function saveFolder(
  parent: FileSystemDirectoryHandle,
  name: string,
  files: readonly Content[],
): Promise<void> {
  await inWords(async () => {
    for await (const existing of parent.keys()) {
      if (existing === name) throw new EftError("output", text.result.exists(name));
    }
    const folder = await parent.getDirectoryHandle(name, { create: true });
    try {
      for (const file of files) {
        await saveFile(await folder.getFileHandle(file.name, { create: true }), file.content);
      }
    } catch (error) {
      await parent.removeEntry(name, { recursive: true });
      throw error;
    }
  });
}

/** Where files wait for their download, until the page is opened the next time. */
const waiting = "downloads";
let cleared: Promise<void> | undefined;

export async function offerFile(host: BrowserHost, { name, content }: Content): Promise<Offer> {
  await (cleared ??= host.remove(waiting));
  const path = `${waiting}/${name}`;
  await inWords(() => host.write(path, content));
  return { name, content: await host.blob(path) };
}

export async function offerFiles(
  host: BrowserHost,
  folder: string,
  files: readonly Content[],
): Promise<Offer[]> {
  const offers: Offer[] = [];
  try {
    for (const { name, content } of files) {
      const { content: blob } = await offerFile(host, { name: `${folder}/${name}`, content });
      offers.push({ name, content: blob });
    }
    return offers;
  } catch (error) {
    await host.remove(`${waiting}/${folder}`);
    throw error;
  }
}

/** Not every browser can remove a file by its handle. */
async function remove(handle: FileSystemFileHandle & { remove?(): Promise<void> }): Promise<void> {
  await handle.remove?.();
}

/** What the file system refuses, as a sentence. */
async function inWords<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    const name = cause instanceof DOMException ? cause.name : "";
    if (name === "QuotaExceededError") {
      throw new EftError("output", text.result.noRoom, {}, { cause });
    }
    if (/^(NotAllowed|NoModificationAllowed|InvalidState|Security)Error$/.test(name)) {
      throw new EftError("output", text.result.notAllowed, {}, { cause });
    }
    throw cause;
  }
}
