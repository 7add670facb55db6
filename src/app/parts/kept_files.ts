// What rooms share that keep files in the browser's private file system: copying them in pieces, so
// that one larger than memory can be kept, under a name that is free; and weighing them.

import type { Host } from "../../host/host.ts";

/** Bytes that are in memory at once. */
const PIECE = 4 * 2 ** 20;

/** A file in pieces. `written` hears of each piece, in bytes, once it is taken. */
export async function* piecesOf(
  file: Blob,
  signal: AbortSignal,
  written: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < file.size; start += PIECE) {
    signal.throwIfAborted();
    const piece = new Uint8Array(await file.slice(start, start + PIECE).arrayBuffer());
    yield piece;
    written(piece.length);
  }
}

/** The path itself, or with a number before its `ending` when it is taken: nothing is overwritten. */
export async function freePath(host: Host, stem: string, ending = ""): Promise<string> {
  for (let number = 1;; number++) {
    const path = `${stem}${number === 1 ? "" : `-${number}`}${ending}`;
    if (await host.kind(path) === undefined) return path;
  }
}

/** The file at a path, or every file below it; sizes in bytes. */
export async function* filesBelow(
  host: Host,
  path: string,
): AsyncGenerator<{ path: string; size: number }> {
  if (await host.kind(path) === "folder") {
    for (const name of await host.list(path)) yield* filesBelow(host, `${path}/${name}`);
    return;
  }
  const file = await host.open(path);
  file.close();
  yield { path, size: file.size };
}

/** Bytes of a file, or of all files of a folder. */
export async function sizeOf(host: Host, path: string): Promise<number> {
  let bytes = 0;
  for await (const { size } of filesBelow(host, path)) bytes += size;
  return bytes;
}
