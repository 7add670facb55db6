// What Eft needs from the place it runs in. `deno.ts` and `browser.ts` implement it; nothing above
// this folder knows which of the two it has. Paths use "/" and are relative to the host's root (the
// working directory in Deno, the site's base URL or the private file system in the browser).

/** Read access to a file at any offset, so that a large file is never held whole. */
export interface RandomAccessFile {
  readonly path: string;
  /** Size in bytes. */
  readonly size: number;
  /** Reads exactly `length` bytes from `offset`; throws when the file ends before. */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  close(): void;
}

/** Which WebGPU implementation runs: wgpu (built into Deno), Dawn (npm `webgpu`), or the browser's. */
export type EngineName = "wgpu" | "dawn" | "browser";

export interface Engine {
  name: EngineName;
  gpu: GPU;
}

export interface Host {
  readonly name: "deno" | "browser";
  /** Where downloads are kept between runs. */
  readonly cacheFolder: string;
  /** A variable of the environment; a page has none. */
  env(name: string): string | undefined;
  /** "file", "folder", or undefined when nothing is there. */
  kind(path: string): Promise<"file" | "folder" | undefined>;
  /** Names (not paths) of the entries of a folder, sorted. */
  list(path: string): Promise<string[]>;
  /** Whole text of a file; throws a plain Error when it is missing or not UTF-8. */
  readText(path: string): Promise<string>;
  /** The bytes of a file as they arrive. */
  readStream(path: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
  open(path: string): Promise<RandomAccessFile>;
  /** Writes a file beside its place and renames it, so that the file is whole or absent. */
  write(path: string, content: string | AsyncIterable<Uint8Array>): Promise<void>;
  /**
   * Adds to the end of a file, or begins it. What arrived before `content` failed stays, so that a
   * download can go on later.
   */
  append(path: string, content: AsyncIterable<Uint8Array>): Promise<void>;
  makeFolder(path: string): Promise<void>;
  /** Removes a file or a folder with all it holds; nothing happens when it is absent. */
  remove(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /**
   * Takes the sole right to a path among all runs that can reach it; undefined when another has it.
   * The function that comes back gives it up, as does the end of the process or page, however it ends.
   */
  lock(path: string): Promise<(() => Promise<void>) | undefined>;
  /** WebGPU engines to try, the preferred one first. */
  engines(wanted?: EngineName): Promise<Engine[]>;
}
