// A host whose files live in memory, for tests that need no disk and no GPU.
import type { Engine, Host, RandomAccessFile } from "../src/host/host.ts";

export class FakeHost implements Host {
  readonly name = "deno";
  readonly cacheFolder = "cache";
  readonly variables: Record<string, string> = {};
  readonly files = new Map<string, Uint8Array<ArrayBuffer>>();
  /** Bytes per chunk of `readStream`; small values find seams in readers. */
  chunk = 7;

  constructor(files: Record<string, string | Uint8Array> = {}) {
    for (const [path, content] of Object.entries(files)) this.set(path, content);
  }

  set(path: string, content: string | Uint8Array): void {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    this.files.set(path, new Uint8Array(bytes));
  }

  bytes(path: string): Uint8Array<ArrayBuffer> {
    const found = this.files.get(path);
    if (!found) throw new Error(`no such file: ${path}`);
    return found;
  }

  kind(path: string): Promise<"file" | "folder" | undefined> {
    if (this.files.has(path)) return Promise.resolve("file");
    const isFolder = [...this.files.keys()].some((name) => name.startsWith(`${path}/`));
    return Promise.resolve(isFolder ? "folder" : undefined);
  }

  list(path: string): Promise<string[]> {
    const names = new Set<string>();
    for (const name of this.files.keys()) {
      if (name.startsWith(`${path}/`)) names.add(name.slice(path.length + 1).split("/")[0]!);
    }
    return Promise.resolve([...names].sort());
  }

  // deno-lint-ignore require-await
  async readText(path: string): Promise<string> {
    return new TextDecoder("utf-8", { fatal: true }).decode(this.bytes(path));
  }

  // deno-lint-ignore require-await
  async readStream(path: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const bytes = this.bytes(path), step = this.chunk;
    let at = 0;
    return new ReadableStream({
      pull(controller) {
        if (at >= bytes.length) return controller.close();
        controller.enqueue(bytes.slice(at, at + step));
        at += step;
      },
    });
  }

  // deno-lint-ignore require-await
  async open(path: string): Promise<RandomAccessFile> {
    const bytes = this.bytes(path);
    return {
      path,
      size: bytes.length,
      // deno-lint-ignore require-await
      async read(offset: number, length: number) {
        if (offset < 0 || offset + length > bytes.length) throw new Error("read past the end");
        return bytes.slice(offset, offset + length);
      },
      close() {},
    };
  }

  async write(path: string, content: string | AsyncIterable<Uint8Array>): Promise<void> {
    if (typeof content === "string") return this.set(path, content);
    const parts: number[] = [];
    for await (const part of content) for (const byte of part) parts.push(byte);
    this.set(path, new Uint8Array(parts));
  }

  async append(path: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const part of content) {
      const before = this.files.get(path) ?? new Uint8Array();
      const all = new Uint8Array(before.length + part.length);
      all.set(before);
      all.set(part, before.length);
      this.files.set(path, all);
    }
  }

  env(name: string): string | undefined {
    return this.variables[name];
  }

  makeFolder(): Promise<void> {
    return Promise.resolve();
  }

  remove(path: string): Promise<void> {
    for (const name of [...this.files.keys()]) {
      if (name === path || name.startsWith(`${path}/`)) this.files.delete(name);
    }
    return Promise.resolve();
  }

  // deno-lint-ignore require-await
  async rename(from: string, to: string): Promise<void> {
    this.set(to, this.bytes(from));
    this.files.delete(from);
  }

  lock(): Promise<() => Promise<void>> {
    return Promise.resolve(() => Promise.resolve());
  }

  engines(): Promise<Engine[]> {
    return Promise.resolve([]);
  }
}
