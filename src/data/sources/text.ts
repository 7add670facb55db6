// The text of a file, piece by piece: unpacks gzip, and says where bytes are not UTF-8. The platform's
// own DecompressionStream takes gzip of one member only.

import {
  Z_BUF_ERROR,
  Z_NO_FLUSH,
  Z_STREAM_END,
  zlibInflate,
  zlibInflateInit2,
  zlibInflateReset,
  ZStream,
} from "pako";
import { dataError, type SourceFile, unreadable } from "./row.ts";

/** The bytes of a file, unpacked if they are gzip, which its first bytes tell. */
export async function* bytesOf(file: SourceFile): AsyncGenerator<Uint8Array, void> {
  const source = readable(chunksOf(await file.stream()), file.name);
  try {
    const first: Uint8Array[] = [];
    for (let length = 0; length < 4;) {
      const { value, done } = await source.next();
      if (done) break;
      first.push(value);
      length += value.length;
    }
    const head = concat(first);
    refuseContainers(head, file.name);
    if (head[0] !== 0x1f || head[1] !== 0x8b) {
      if (head.length > 0) yield head;
      yield* source;
      return;
    }
    yield* gunzip(head, source, file.name);
  } finally {
    await source.return(undefined);
  }
}

const NO_ROWS = "Give a file of rows: JSON, JSONL, CSV, TSV, Parquet or text.";

/** Begins of files that are no text, and what to do with them. */
const CONTAINERS: [bytes: number[], name: string, advice: string][] = [
  [[0x28, 0xb5, 0x2f, 0xfd], "packed with zstd", "Unpack it (zstd -d), or pack it with gzip."],
  [[0x42, 0x5a, 0x68], "packed with bzip2", "Unpack it (bunzip2), or pack it with gzip."],
  [[0xfd, 0x37, 0x7a, 0x58], "packed with xz", "Unpack it (unxz), or pack it with gzip."],
  [[0x50, 0x4b, 0x03, 0x04], "a zip archive", "Unpack it and name the file inside."],
  [[0x50, 0x41, 0x52, 0x31], "a Parquet file", "Set `ds_type: parquet`."],
  [[0x41, 0x52, 0x52, 0x4f], "an Arrow file", "Save it as Parquet: dataset.to_parquet(...)."],
  [[0x89, 0x50, 0x4e, 0x47], "a PNG image", NO_ROWS],
  [[0xff, 0xd8, 0xff], "a JPEG image", NO_ROWS],
  [[0x47, 0x49, 0x46, 0x38], "a GIF image", NO_ROWS],
  [[0x25, 0x50, 0x44, 0x46], "a PDF document", NO_ROWS],
  [[0xff, 0xfe], "text in UTF-16", "Save it as UTF-8."],
  [[0xfe, 0xff], "text in UTF-16", "Save it as UTF-8."],
];

function refuseContainers(head: Uint8Array, file: string): void {
  for (const [bytes, name, advice] of CONTAINERS) {
    if (bytes.every((byte, i) => head[i] === byte)) {
      throw dataError(`the file is ${name}. ${advice}`, { file });
    }
  }
}

/** A gzip file may have several members one after another, as `cat a.gz b.gz` leaves it. */
async function* gunzip(
  head: Uint8Array,
  source: AsyncIterable<Uint8Array>,
  file: string,
): AsyncGenerator<Uint8Array, void> {
  const stream = new ZStream();
  zlibInflateInit2(stream, gzipOnly);
  let ended = false;
  const unpack = function* (packed: Uint8Array) {
    Object.assign(stream, { input: packed, next_in: 0, avail_in: packed.length });
    do {
      if (ended) zlibInflateReset(stream);
      const output = new Uint8Array(outputBytes);
      Object.assign(stream, { output, next_out: 0, avail_out: output.length });
      const status = zlibInflate(stream, Z_NO_FLUSH);
      if (status < 0 && status !== Z_BUF_ERROR) throw broken(stream.msg);
      ended = status === Z_STREAM_END;
      if (stream.next_out > 0) yield output.subarray(0, stream.next_out);
    } while (stream.avail_in > 0 || (stream.avail_out === 0 && !ended));
  };
  const broken = (reason: string) =>
    dataError(
      `the gzip data is damaged, cut off, or followed by something else (${reason}). Get the ` +
        "file again, or unpack it with gunzip.",
      { file },
    );
  yield* unpack(head);
  for await (const packed of source) if (packed.length > 0) yield* unpack(packed);
  if (!ended) throw broken("unexpected end of file");
}

/** zlib's window bits for gzip and nothing else. */
const gzipOnly = 31;
/** Bytes that are unpacked at once. */
const outputBytes = 2 ** 16;

async function* readable<T>(chunks: AsyncIterable<T>, file: string): AsyncGenerator<T, void> {
  try {
    yield* chunks;
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

/** Not every browser can iterate over a stream. */
async function* chunksOf<T>(stream: ReadableStream<T>): AsyncGenerator<T, void> {
  const reader = stream.getReader();
  let ended = false;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      yield value;
    }
    ended = true;
  } catch (error) {
    ended = true;
    throw error;
  } finally {
    if (!ended) await reader.cancel().catch(() => {}); // the reader gave up; nothing to report
  }
}

/** The text of a file in UTF-8, without its byte order mark. */
export async function* textOf(file: SourceFile): AsyncGenerator<string, void> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const decode = (bytes?: Uint8Array): string | undefined => {
    try {
      return bytes ? decoder.decode(bytes, { stream: true }) : decoder.decode();
    } catch {
      return undefined;
    }
  };
  for await (const bytes of bytesOf(file)) {
    const text = decode(bytes);
    if (text === undefined) throw await notUtf8(file);
    if (text !== "") yield text;
  }
  const rest = decode();
  if (rest === undefined) throw await notUtf8(file);
  if (rest !== "") yield rest;
}

/** Reads the file again to find the first byte that is not UTF-8. */
async function notUtf8(file: SourceFile): Promise<Error> {
  let offset = 0, line = 1, column = 1;
  // How many bytes of the character are to come, and what the next may be (the WHATWG decoder).
  let needed = 0, least = 0x80, most = 0xbf;
  for await (const bytes of bytesOf(file)) {
    for (const byte of bytes) {
      if (needed > 0) {
        if (byte < least || byte > most) return wrongByte(byte);
        needed--;
        least = 0x80;
        most = 0xbf;
      } else if (byte < 0x80) {
        if (byte === 0x0a) {
          line++;
          column = 0;
        }
        column++;
      } else {
        if (byte < 0xc2 || byte > 0xf4) return wrongByte(byte);
        needed = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
        least = byte === 0xe0 ? 0xa0 : byte === 0xf0 ? 0x90 : 0x80;
        most = byte === 0xed ? 0x9f : byte === 0xf4 ? 0x8f : 0xbf;
        column++;
      }
      offset++;
    }
  }
  return dataError("the file ends inside a character; it may be cut off.", {
    file: file.name,
    line,
    column,
  });

  function wrongByte(byte: number): Error {
    const hex = byte.toString(16).padStart(2, "0");
    return dataError(
      `byte ${offset} (0x${hex}) is not UTF-8. Convert the file to UTF-8 first.`,
      { file: file.name, line, column },
    );
  }
}

function concat(parts: Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
