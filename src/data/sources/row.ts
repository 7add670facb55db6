// What every reader of a data set gives and takes: rows with their place, and files by name.
import { EftError, type Place } from "../../errors.ts";
import type { Host, RandomAccessFile } from "../../host/host.ts";

export interface SourceRow {
  value: Record<string, unknown>;
  /** The file's name for a person: its path, its address, or repository and path. */
  file: string;
  /** The line on which the row begins, from 1; in Parquet, which has no lines, its number. */
  line: number;
}

/** A file that may have to be downloaded before it is read. */
export interface SourceFile {
  /** As in `SourceRow.file`. */
  name: string;
  /** The bytes from the beginning; may be called again. */
  stream(): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
  open(): Promise<RandomAccessFile>;
}

/** Text longer than this in one row is taken for a mistake, such as a quote that is never closed. */
export const MAX_ROW_CHARACTERS = 1 << 26;

export function dataError(message: string, place: Place, cause?: unknown): EftError {
  return new EftError("data", message, place, { cause });
}

/** What the operating system or the browser says, as an error for a person. */
export function unreadable(file: string, cause: unknown): EftError {
  if (cause instanceof EftError) return cause;
  return dataError(`it cannot be read (${(cause as Error).message}).`, { file }, cause);
}

/** A file of the host; `path` may be known only later. */
export function hostFile(
  host: Host,
  name: string,
  path: () => Promise<string> = () => Promise.resolve(name),
): SourceFile {
  const reading = async <T>(read: (path: string) => Promise<T>): Promise<T> => {
    try {
      const found = await path();
      if (await host.kind(found) === "file") return await read(found);
    } catch (cause) {
      throw unreadable(name, cause);
    }
    throw dataError("there is no such file.", { file: name });
  };
  return {
    name,
    stream: () => reading((found) => host.readStream(found)),
    open: () => reading((found) => host.open(found)),
  };
}

/** The value as JSON would call it, with its article. */
export function describe(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}
