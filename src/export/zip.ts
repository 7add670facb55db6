// Files as one zip archive, made piece by piece. They are stored, not compressed: weights are noise to
// a compressor, and the texts beside them are small.

import { Zip, ZipPassThrough } from "fflate";
import { EftError } from "../errors.ts";
import type { FileToWrite } from "./merged_model.ts";

/** The archive's offsets have 32 bits. */
const mostBytes = 2 ** 32 - 2 ** 20;

/** The bytes of the archive. Throws an EftError when they are more than its format can hold. */
export async function* zipOf(files: readonly FileToWrite[]): AsyncGenerator<Uint8Array> {
  if (files.reduce((sum, { bytes }) => sum + bytes, 0) > mostBytes) {
    throw new EftError("output", "A zip holds at most 4 GiB. Save the files one by one.");
  }
  const ready: Uint8Array[] = [];
  const zip = new Zip((error, piece) => {
    if (error) throw error;
    ready.push(piece);
  });
  for (const { name, content } of files) {
    const entry = new ZipPassThrough(name);
    zip.add(entry);
    for await (const piece of content()) {
      entry.push(piece);
      yield* ready.splice(0);
    }
    entry.push(new Uint8Array(), true);
    yield* ready.splice(0);
  }
  zip.end();
  yield* ready;
}
