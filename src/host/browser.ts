// The host for a page or its worker: reads the files of the site, writes to the origin's private
// file system (OPFS) or, where that is missing, to memory, and offers the browser's own WebGPU.

import { EftError } from "../errors.ts";
import type { Engine, EngineName, Host, RandomAccessFile } from "./host.ts";

/** A place that files can be written to. Paths are normal: no "./", no empty parts. */
interface Store {
  kind(path: string): Promise<"file" | "folder" | undefined>;
  list(path: string): Promise<string[]>;
  file(path: string): Promise<Blob | undefined>;
  write(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  append(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  makeFolder(path: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** As `Host.lock`; what else can reach the path depends on where it is. */
  lock(path: string): Promise<(() => Promise<void>) | undefined>;
  /** Moves a file onto another place, whatever is there. */
  move(from: string, to: string): Promise<void>;
}

/** The host of a page also takes files that a person dropped or chose, and what they entered. */
export interface BrowserHost extends Host {
  /** Offers files under a path each, until the page is closed; they hide files of the same path. */
  mount(files: Iterable<[path: string, content: Blob]>): void;
  /** Whether something is there that was written, not only offered by the site or dropped. */
  isWritten(path: string): Promise<boolean>;
  /** Sets what `env` answers from now on. */
  setEnv(variables: Record<string, string>): void;
  /** A file as the page can offer it for download; its bytes are read only when they are needed. */
  blob(path: string): Promise<Blob>;
}

/**
 * A host that reads below `base`, the URL of the site. The site's `files.json` names every file
 * that it offers, as `{ path: size in bytes }`, since a web server can neither list nor be relied
 * on to answer 404.
 */
export async function browserHost(base: string): Promise<BrowserHost> {
  const store = await openPrivateFolder() ?? new MemoryStore();
  const site = await openSite(base);
  const mounted = new MemoryStore();
  let variables: Record<string, string> = {};

  async function blob(path: string): Promise<Blob> {
    const found = await mounted.file(normal(path)) ?? await store.file(normal(path)) ??
      await site.file(normal(path));
    if (!found) throw new Error(`there is no file ${path}`);
    return found;
  }

  async function move(from: string, to: string): Promise<void> {
    const kind = await store.kind(from);
    if (kind === undefined) throw new Error(`there is nothing at ${from} to rename`);
    if (kind === "file") return await store.move(from, to);
    await store.makeFolder(to);
    for (const name of await store.list(from)) await move(`${from}/${name}`, `${to}/${name}`);
    await store.remove(from);
  }

  async function kind(path: string): Promise<"file" | "folder" | undefined> {
    return await mounted.kind(normal(path)) ?? await store.kind(normal(path)) ??
      site.kind(normal(path));
  }

  return {
    name: "browser",
    cacheFolder: "cache",
    blob,
    env: (name) => variables[name],
    kind,

    mount(files) {
      for (const [path, content] of files) mounted.mount(normal(path), content);
    },

    isWritten: async (path) => await store.kind(normal(path)) !== undefined,

    setEnv(next) {
      variables = next;
    },

    async list(path) {
      if (await kind(path) !== "folder") throw new Error(`there is no folder ${path}`);
      const written = await store.kind(normal(path)) ? await store.list(normal(path)) : [];
      const dropped = await mounted.list(normal(path));
      return [...new Set([...dropped, ...written, ...site.list(normal(path))])].sort();
    },

    async readText(path) {
      const bytes = await (await blob(path)).arrayBuffer();
      try {
        return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
      } catch (cause) {
        throw new Error(`${path} is not UTF-8 text`, { cause });
      }
    },

    async readStream(path) {
      return (await blob(path)).stream() as ReadableStream<Uint8Array<ArrayBuffer>>;
    },

    async open(path) {
      const written = await mounted.file(normal(path)) ?? await store.file(normal(path));
      if (!written && site.isLarge(normal(path))) return site.open(normal(path));
      return new BlobFile(path, written ?? await blob(path));
    },

    async write(path, content) {
      await store.write(normal(path), typeof content === "string" ? encoded(content) : content);
    },

    append: (path, content) => store.append(normal(path), content),
    makeFolder: (path) => store.makeFolder(normal(path)),
    remove: (path) => store.remove(normal(path)),
    rename: (from, to) => move(normal(from), normal(to)),
    lock: (path) => store.lock(normal(path)),
    engines: (wanted) => Promise.resolve(engines(wanted)),
  };
}

class BlobFile implements RandomAccessFile {
  constructor(readonly path: string, readonly blob: Blob) {}

  get size(): number {
    return this.blob.size;
  }

  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (offset + length > this.size) {
      throw new Error(
        `${this.path} has ${this.size} bytes; bytes ${offset} to ` +
          `${offset + length} were asked for`,
      );
    }
    return new Uint8Array(await this.blob.slice(offset, offset + length).arrayBuffer());
  }

  close(): void {}
}

/** A file that the site's server gives in ranges. */
class RangeFile implements RandomAccessFile {
  constructor(readonly path: string, readonly url: URL, readonly size: number) {}

  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (length === 0) return new Uint8Array();
    const headers = { Range: `bytes=${offset}-${offset + length - 1}` };
    const answer = await fetch(this.url, { headers });
    if (!answer.ok) throw new Error(`${this.url}: ${answer.status} ${answer.statusText}`);
    let content = await answer.blob(); // of any size without taking memory for it
    // A server without ranges answers 200 with all of it.
    if (answer.status === 200) content = content.slice(offset, offset + length);
    if (content.size !== length) {
      throw new Error(`${this.path}: the server gave ${content.size} bytes instead of ${length}`);
    }
    return new Uint8Array(await content.arrayBuffer());
  }

  close(): void {}
}

function engines(wanted?: EngineName): Engine[] {
  if (wanted && wanted !== "browser") {
    throw new EftError("device", `the engine "${wanted}" exists only in Deno; use browser`);
  }
  if (!navigator.gpu) {
    throw new EftError(
      "device",
      "this browser offers no WebGPU here. Use a current Chrome, Edge, Safari or Firefox, over " +
        "https or on localhost",
    );
  }
  return [{ name: "browser", gpu: navigator.gpu }];
}

/** Bytes from which a file of the site is read in ranges, not whole. */
const largeFile = 16 * 2 ** 20;

// ---- the site ---------------------------------------------------------------------------------

async function openSite(base: string) {
  const response = await fetch(new URL("files.json", base));
  const sizes: Record<string, number> = response.ok ? await response.json() : {};
  const paths = Object.keys(sizes);
  const cache = new Map<string, Promise<Blob>>();

  /** public/ is the root of the built site, so that icons and manifests lie where browsers look. */
  const urlOf = (path: string) => new URL(encodeURI(path.replace(/^public\//, "")), base);

  async function download(path: string): Promise<Blob> {
    const url = urlOf(path);
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`${url}: ${answer.status} ${answer.statusText}`);
    const content = await answer.blob();
    if (content.size !== sizes[path]) {
      throw new Error(`${url} has ${content.size} bytes, but the site lists ${sizes[path]}`);
    }
    return content;
  }

  return {
    kind(path: string): "file" | "folder" | undefined {
      if (path in sizes) return "file";
      return this.list(path).length > 0 ? "folder" : undefined;
    },
    list(path: string): string[] {
      const prefix = path === "" ? "" : `${path}/`;
      const below = paths.filter((each) => each.startsWith(prefix));
      return below.map((each) => each.slice(prefix.length).split("/")[0]);
    },
    isLarge: (path: string) => sizes[path] > largeFile,
    open: (path: string) => new RangeFile(path, urlOf(path), sizes[path]),
    /** The whole file, kept: most of the site's are small, and readers come back for each tensor. */
    async file(path: string): Promise<Blob | undefined> {
      if (!(path in sizes)) return undefined;
      const pending = cache.get(path) ?? download(path);
      cache.set(path, pending);
      pending.catch(() => cache.delete(path));
      return await pending;
    },
  };
}

// ---- written files ----------------------------------------------------------------------------

class MemoryStore implements Store {
  #files = new Map<string, Blob>();
  #folders = new Set<string>();
  #locked = new Set<string>();

  kind(path: string): Promise<"file" | "folder" | undefined> {
    if (this.#files.has(path)) return Promise.resolve("file");
    return Promise.resolve(this.#folders.has(path) ? "folder" : undefined);
  }

  list(path: string): Promise<string[]> {
    const all = [...this.#files.keys(), ...this.#folders];
    const inside = all.filter((each) => each !== "" && parent(each) === path);
    return Promise.resolve(inside.map((each) => each.slice(path === "" ? 0 : path.length + 1)));
  }

  file(path: string): Promise<Blob | undefined> {
    return Promise.resolve(this.#files.get(path));
  }

  async write(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const chunk of chunks) parts.push(new Uint8Array(chunk));
    await this.makeFolder(parent(path));
    this.#files.set(path, new Blob(parts));
  }

  async append(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    await this.makeFolder(parent(path));
    for await (const chunk of chunks) {
      const before = this.#files.get(path) ?? new Blob();
      this.#files.set(path, new Blob([before, new Uint8Array(chunk)]));
    }
  }

  mount(path: string, content: Blob): void {
    for (let each = parent(path); each !== ""; each = parent(each)) this.#folders.add(each);
    this.#files.set(path, content);
  }

  makeFolder(path: string): Promise<void> {
    for (let each = path; each !== ""; each = parent(each)) this.#folders.add(each);
    return Promise.resolve();
  }

  async move(from: string, to: string): Promise<void> {
    await this.makeFolder(parent(to));
    this.#files.set(to, this.#files.get(from)!);
    this.#files.delete(from);
  }

  remove(path: string): Promise<void> {
    const isBelow = (each: string) => each === path || each.startsWith(`${path}/`);
    for (const each of [...this.#files.keys()]) if (isBelow(each)) this.#files.delete(each);
    for (const each of [...this.#folders]) if (isBelow(each)) this.#folders.delete(each);
    return Promise.resolve();
  }

  // deno-lint-ignore require-await
  async lock(path: string): Promise<(() => Promise<void>) | undefined> {
    if (this.#locked.has(path)) return undefined;
    this.#locked.add(path);
    return () => Promise.resolve(void this.#locked.delete(path));
  }
}

class PrivateFolder implements Store {
  constructor(readonly root: FileSystemDirectoryHandle) {}

  async kind(path: string): Promise<"file" | "folder" | undefined> {
    return await this.#folder(path) ? "folder" : await this.file(path) ? "file" : undefined;
  }

  async list(path: string): Promise<string[]> {
    const names: string[] = [];
    for await (const name of (await this.#folder(path))?.keys() ?? []) names.push(name);
    return names;
  }

  async file(path: string): Promise<Blob | undefined> {
    const folder = path === "" ? undefined : await this.#folder(parent(path));
    const handle = await folder?.getFileHandle(name(path)).catch(absent);
    return await handle?.getFile();
  }

  async write(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    if (!canWriteStreams()) return await this.#writeBeside(path, chunks);
    const isNew = await this.file(path) === undefined;
    // The platform writes beside the file and moves it into place on close.
    const stream = await (await this.#handle(path)).createWritable();
    try {
      for await (const chunk of chunks) await stream.write(chunk as Uint8Array<ArrayBuffer>);
      await stream.close();
    } catch (error) {
      await stream.abort().catch(() => {}); // the first failure is the one to report
      if (isNew) await this.remove(path); // creating the handle made an empty file
      throw error;
    }
  }

  /** `write` for Safari before 26, which has no `createWritable`. */
  async #writeBeside(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const beside = `${path}.writing`;
    await this.remove(beside);
    try {
      await this.append(beside, chunks);
      await this.move(beside, path);
    } catch (error) {
      await this.remove(beside);
      throw error;
    }
  }

  async append(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const handle = await this.#handle(path) as WorkerHandle;
    if (canWriteInPlace()) {
      // In place: nothing is copied first, and what arrived is kept even when the tab is closed.
      const file = await handle.createSyncAccessHandle();
      try {
        let at = file.getSize();
        for await (const chunk of chunks) {
          at += file.write(chunk as Uint8Array<ArrayBuffer>, { at });
        }
      } finally {
        file.close();
      }
      return;
    }
    const stream = await handle.createWritable({ keepExistingData: true });
    await stream.seek((await handle.getFile()).size);
    try {
      for await (const chunk of chunks) await stream.write(chunk as Uint8Array<ArrayBuffer>);
    } finally {
      await stream.close(); // also after a failure: what arrived stays
    }
  }

  async move(from: string, to: string): Promise<void> {
    const handle = await this.#handle(from) as MovableHandle;
    if (handle.move) {
      await handle.move((await this.#folder(parent(to), true))!, name(to));
    } else {
      await this.write(to, slices(await handle.getFile()));
      await this.remove(from);
    }
  }

  async makeFolder(path: string): Promise<void> {
    await this.#folder(path, true);
  }

  async remove(path: string): Promise<void> {
    const folder = await this.#folder(parent(path));
    await folder?.removeEntry(name(path), { recursive: true }).catch(absent);
  }

  /** Other tabs reach the folder too: the browser's lock ends with the tab or worker that has it. */
  lock(path: string): Promise<(() => Promise<void>) | undefined> {
    return new Promise((taken, failed) => {
      let giveUp: () => void;
      const released = navigator.locks.request(`eft ${path}`, { ifAvailable: true }, (lock) => {
        if (!lock) return taken(undefined);
        const held = new Promise<void>((done) => giveUp = done);
        taken(async () => {
          giveUp();
          await released;
        });
        return held;
      });
      released.catch(failed);
    });
  }

  async #handle(path: string): Promise<FileSystemFileHandle> {
    const folder = await this.#folder(parent(path), true);
    return await folder!.getFileHandle(name(path), { create: true });
  }

  async #folder(path: string, create = false): Promise<FileSystemDirectoryHandle | undefined> {
    let folder: FileSystemDirectoryHandle | undefined = this.root;
    for (const part of path.split("/").filter(Boolean)) {
      folder = create
        ? await folder.getDirectoryHandle(part, { create })
        : await folder.getDirectoryHandle(part).catch(absent);
      if (!folder) return undefined;
    }
    return folder;
  }
}

/** No copying; not in the standard's text yet, but in all three browser engines. */
interface MovableHandle extends FileSystemFileHandle {
  move?(folder: FileSystemDirectoryHandle, name: string): Promise<void>;
}

/** What a file offers in a worker only. */
interface WorkerHandle extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<{
    getSize(): number;
    /** Gives back how many bytes were written. */
    write(bytes: Uint8Array<ArrayBuffer>, options: { at: number }): number;
    close(): void;
  }>;
}

function canWriteStreams(): boolean {
  return "createWritable" in FileSystemFileHandle.prototype;
}

function canWriteInPlace(): boolean {
  return "createSyncAccessHandle" in FileSystemFileHandle.prototype;
}

/** The private file system, or undefined where it is missing, blocked, or cannot be written to. */
async function openPrivateFolder(): Promise<Store | undefined> {
  if (!globalThis.FileSystemFileHandle) return undefined;
  if (!canWriteStreams() && !canWriteInPlace()) return undefined;
  try {
    return new PrivateFolder(await navigator.storage.getDirectory());
  } catch {
    return undefined;
  }
}

/** Turns "nothing there" and "something of the other kind is there" into undefined. */
function absent(error: unknown): undefined {
  if (error instanceof DOMException && /^(NotFound|TypeMismatch)Error$/.test(error.name)) return;
  throw error;
}

function normal(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

function parent(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

function name(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** A blob in parts: not every browser can iterate over a stream. */
async function* slices(blob: Blob): AsyncGenerator<Uint8Array> {
  const step = 1 << 23;
  for (let start = 0; start < blob.size; start += step) {
    yield new Uint8Array(await blob.slice(start, start + step).arrayBuffer());
  }
}

async function* encoded(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text);
}
