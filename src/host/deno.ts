// The host for the terminal: files of the operating system, and WebGPU from wgpu (built into Deno)
// or from Dawn (the npm package `webgpu`, the engine inside Chrome).

import { EftError } from "../errors.ts";
import type { Engine, EngineName, Host, RandomAccessFile } from "./host.ts";

/** A host whose relative paths start at `root`. */
export function denoHost(root = "."): Host {
  const at = (path: string) => resolve(root, path);
  return {
    name: "deno",
    cacheFolder: cacheFolder(),
    env: (name) => Deno.env.get(name) || undefined,

    async kind(path) {
      try {
        return (await Deno.stat(at(path))).isDirectory ? "folder" : "file";
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw error;
      }
    },

    async list(path) {
      const names: string[] = [];
      for await (const entry of Deno.readDir(at(path))) names.push(entry.name);
      return names.sort();
    },

    async readText(path) {
      const bytes = await Deno.readFile(at(path)).catch((error) => {
        throw isAbsent(error) ? new Error(`there is no file ${path}`, { cause: error }) : error;
      });
      try {
        return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
      } catch (cause) {
        throw new Error(`${path} is not UTF-8 text`, { cause });
      }
    },

    async readStream(path) {
      return (await Deno.open(at(path))).readable;
    },

    async open(path) {
      const file = await Deno.open(at(path));
      return new DenoFile(path, file, (await file.stat()).size);
    },

    async write(path, content) {
      const target = at(path);
      const folder = parent(target);
      await Deno.mkdir(folder, { recursive: true });
      const random = crypto.randomUUID().slice(0, 8);
      const partial = `${folder}/.${target.slice(folder.length + 1)}.partial-${random}`;
      try {
        if (typeof content === "string") await Deno.writeTextFile(partial, content);
        else await writeChunks(partial, content, { write: true, createNew: true });
        await Deno.rename(partial, target);
      } catch (error) {
        await Deno.remove(partial).catch(() => {}); // the first failure is the one to report
        throw error;
      }
    },

    async append(path, content) {
      await Deno.mkdir(parent(at(path)), { recursive: true });
      await writeChunks(at(path), content, { append: true, create: true });
    },

    async makeFolder(path) {
      await Deno.mkdir(at(path), { recursive: true });
    },

    async remove(path) {
      try {
        await Deno.remove(at(path), { recursive: true });
      } catch (error) {
        if (!isAbsent(error)) throw error;
      }
    },

    async rename(from, to) {
      await Deno.rename(at(from), at(to));
    },

    lock: (path) => lock(at(path)),
    engines,
  };
}

/** The operating system's lock on a file beside `path`; it ends with the process that holds it. */
async function lock(path: string): Promise<(() => Promise<void>) | undefined> {
  const name = `${await Deno.realPath(path).catch(() => path)}.lock`;
  await Deno.mkdir(parent(name), { recursive: true });
  for (;;) {
    const file = await Deno.open(name, { write: true, create: true });
    if (!await file.tryLock(true)) {
      file.close();
      return undefined;
    }
    // Whoever held it may have removed the file in the meantime: then it is locked for no one else.
    const [own, there] = await Promise.all([file.stat(), Deno.stat(name).catch(() => undefined)]);
    if (there && own.ino === there.ino && own.dev === there.dev) {
      return async () => {
        await Deno.remove(name).catch(() => {}); // it means nothing without its lock
        file.close();
      };
    }
    file.close();
  }
}

class DenoFile implements RandomAccessFile {
  #queue: Promise<unknown> = Promise.resolve();

  constructor(readonly path: string, readonly file: Deno.FsFile, readonly size: number) {}

  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    // Seeking and reading are two calls on one cursor, so reads take turns.
    const result = this.#queue.then(() => this.#readNow(offset, length));
    this.#queue = result.catch(() => {});
    return result;
  }

  async #readNow(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (offset + length > this.size) throw endsBefore(this, offset, length);
    const bytes = new Uint8Array(length);
    await this.file.seek(offset, Deno.SeekMode.Start);
    for (let filled = 0; filled < length;) {
      const count = await this.file.read(bytes.subarray(filled));
      if (count === null) throw endsBefore(this, offset, length);
      filled += count;
    }
    return bytes;
  }

  close(): void {
    this.file.close();
  }
}

function endsBefore(file: RandomAccessFile, offset: number, length: number): Error {
  return new Error(
    `${file.path} has ${file.size} bytes; bytes ${offset} to ${offset + length} ` +
      "were asked for",
  );
}

async function writeChunks(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  options: Deno.OpenOptions,
): Promise<void> {
  const file = await Deno.open(path, options);
  try {
    for await (const chunk of chunks) {
      for (let done = 0; done < chunk.length;) done += await file.write(chunk.subarray(done));
    }
  } finally {
    file.close();
  }
}

function resolve(root: string, path: string): string {
  const isAbsolute = /^([/\\]|[A-Za-z]:[/\\])/.test(path);
  return isAbsolute ? path : `${root}/${path}`;
}

function parent(path: string): string {
  const end = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  return end > 0 ? path.slice(0, end) : path.slice(0, 1);
}

/** `EFT_HOME`, or a folder where the operating system wants caches to be. */
function cacheFolder(): string {
  const env = (name: string) => Deno.env.get(name) || undefined;
  const home = env("HOME") ?? env("USERPROFILE") ?? ".";
  const chosen = env("EFT_HOME");
  if (chosen) return chosen;
  if (Deno.build.os === "windows") return `${env("LOCALAPPDATA") ?? home}/eft/cache`;
  if (Deno.build.os === "darwin") return `${home}/Library/Caches/eft`;
  return `${env("XDG_CACHE_HOME") ?? `${home}/.cache`}/eft`;
}

function isAbsent(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
}

/** The engine that is asked for and no other; else Dawn where it has a real GPU, then wgpu. */
async function engines(wanted?: EngineName): Promise<Engine[]> {
  quietenVulkanLoader();
  if (wanted === "browser") {
    throw new EftError("device", 'the engine "browser" exists only in a page; use wgpu or dawn');
  }
  if (wanted === "dawn") {
    try {
      return [await loadDawn()];
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new EftError(
        "device",
        `the engine dawn does not load: ${why}. Run npm ci, or use --engine wgpu`,
        {},
        { cause },
      );
    }
  }
  const wgpu: Engine = { name: "wgpu", gpu: navigator.gpu };
  if (wanted === "wgpu") return [wgpu];
  // wgpu's answer is cheap and it has to start anyway. When all that it finds is a software
  // adapter, Dawn would find a software adapter too, or only print warnings about it.
  const adapter = await wgpu.gpu.requestAdapter();
  if (adapter?.info.isFallbackAdapter) return [wgpu];
  const dawn = await loadDawn().catch(() => undefined);
  const dawnAdapter = await dawn?.gpu.requestAdapter().catch(() => null);
  return dawn && dawnAdapter && !dawnAdapter.info.isFallbackAdapter ? [dawn, wgpu] : [wgpu];
}

let dawn: Promise<Engine> | undefined;

/** Loads Dawn once: a second instance in one process would only cost memory. */
function loadDawn(): Promise<Engine> {
  dawn ??= importDawn();
  return dawn;
}

async function importDawn(): Promise<Engine> {
  // Not a literal, so that the package's global types do not mix with those of Deno.
  const name: string = "webgpu";
  const { create, globals } = await import(name);
  for (const [key, value] of Object.entries(globals)) {
    if (!(key in globalThis)) {
      Object.defineProperty(globalThis, key, { value, configurable: true, writable: true });
    }
  }
  return { name: "dawn", gpu: create([]) };
}

/** Without this folder, drivers on Linux print an error that has no consequence for computing. */
function quietenVulkanLoader(): void {
  if (Deno.build.os !== "linux" || Deno.env.get("XDG_RUNTIME_DIR")) return;
  Deno.env.set("XDG_RUNTIME_DIR", Deno.env.get("TMPDIR") ?? "/tmp");
}
