// Rows of JSON and JSON Lines files, one at a time and with their line, so that a data set larger
// than memory can be read and a mistake in it can be pointed at.
import { EftError, type Place } from "../../errors.ts";
import type { Host } from "../../host/host.ts";

export interface SourceRow {
  value: Record<string, unknown>;
  file: string;
  /** The line on which the row begins, from 1. */
  line: number;
}

/**
 * The rows of a file, or of all .json and .jsonl files of a folder in the order of their names.
 * A file that begins with `[` is one JSON array, any other is JSON Lines.
 */
export async function* readRows(host: Host, path: string): AsyncGenerator<SourceRow, void> {
  const kind = await host.kind(path);
  if (kind === undefined) {
    throw new EftError(
      "data",
      `there is no data set at ${path}. Eft reads local .json and .jsonl files and folders of ` +
        "them; data sets of the Hugging Face hub are not supported yet, download the file first.",
    );
  }
  if (kind === "file") return yield* readFile(host, path);
  const names = (await host.list(path)).filter((name) => /\.jsonl?$/i.test(name));
  if (names.length === 0) {
    throw new EftError("data", `the folder ${path} holds no .json or .jsonl file.`);
  }
  for (const name of names) yield* readFile(host, `${path}/${name}`);
}

async function* readFile(host: Host, file: string): AsyncGenerator<SourceRow, void> {
  const texts = decode(host, file);
  let before = "";
  while (before.trimStart() === "") {
    const next = await texts.next();
    if (next.done) {
      throw new EftError("data", "the file is empty; expected one JSON object per line.", { file });
    }
    before += next.value;
  }
  const all = (async function* () {
    yield before;
    yield* texts;
  })();
  const isArray = before.trimStart().startsWith("[");
  let count = 0;
  for await (const row of isArray ? readArray(all, file) : readLines(all, file)) {
    count++;
    yield row;
  }
  if (count === 0) {
    throw new EftError("data", "the array is empty; expected at least one row.", { file });
  }
}

async function* decode(host: Host, file: string): AsyncGenerator<string, void> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    for await (const bytes of await host.readStream(file)) {
      yield decoder.decode(bytes, { stream: true });
    }
    yield decoder.decode();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new EftError("data", "the file is not text in UTF-8; convert it first.", { file }, {
      cause: error,
    });
  }
}

async function* readLines(texts: AsyncIterable<string>, file: string): AsyncGenerator<SourceRow> {
  let line = 1;
  let parts: string[] = []; // pieces of the unfinished line
  for await (const text of texts) {
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      parts.push(text.slice(start, end));
      yield* readLine(parts.join(""), file, line++);
      parts = [];
      start = end + 1;
    }
    parts.push(text.slice(start));
  }
  yield* readLine(parts.join(""), file, line);
}

function* readLine(text: string, file: string, line: number): Generator<SourceRow> {
  if (text.trim() !== "") yield toRow(text, { file, line, column: 1 });
}

/** Cuts an array into its elements: counts brackets outside of strings, leaves the rest to JSON. */
async function* readArray(texts: AsyncIterable<string>, file: string): AsyncGenerator<SourceRow> {
  let line = 1, lineStart = 0, offset = 0; // offsets are in UTF-16 units from the file's start
  let depth = 0, inString = false, escaped = false, closed = false, comma = false;
  let parts: string[] = [];
  let begin: { file: string; line: number; column: number } | undefined;
  const here = (i: number) => ({ file, line, column: offset + i - lineStart + 1 });
  const fail = (message: string, i: number) => new EftError("data", message, here(i));

  for await (const text of texts) {
    let start = 0; // of the unfinished element within `text`
    for (let i = 0; i < text.length; i++) {
      const character = text[i]!;
      if (character === "\n") {
        line++;
        lineStart = offset + i + 1;
      }
      if (inString) {
        if (escaped) escaped = false;
        else if (character === "\\") escaped = true;
        else if (character === '"') inString = false;
        continue;
      }
      if (character <= " ") continue;
      if (closed) throw fail("there is more text after the end of the array.", i);
      if (depth === 0) {
        depth = 1; // the opening bracket
        continue;
      }
      if (depth === 1 && (character === "," || character === "]")) {
        if (begin) {
          parts.push(text.slice(start, i));
          yield toRow(parts.join(""), begin);
          parts = [];
          begin = undefined;
        } else if (character === "," || comma) {
          throw fail(`expected a row, found "${character}".`, i);
        }
        comma = character === ",";
        closed = character === "]";
        continue;
      }
      if (!begin) {
        begin = here(i);
        start = i;
      }
      if (character === '"') inString = true;
      else if (character === "{" || character === "[") depth++;
      else if (character === "}" || character === "]") depth--;
    }
    if (begin) parts.push(text.slice(start));
    offset += text.length;
  }
  if (!closed) {
    throw fail("the file ends inside its array; it may be cut off, expected a closing ].", 0);
  }
}

/** Parses one row that begins at `place`. */
function toRow(
  text: string,
  place: { file: string; line: number; column: number },
): SourceRow {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = (error as Error).message;
    throw new EftError(
      "data",
      `the row is not valid JSON: ${reason.replace(/ in JSON at position.*| at line.*/, "")}.`,
      { ...place, ...locate(reason, text, place) },
      { cause: error },
    );
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new EftError(
      "data",
      `expected an object with the row's fields, found ${describe(value)}.`,
      place,
    );
  }
  return { value: value as Record<string, unknown>, file: place.file, line: place.line };
}

/** Where in the file a `JSON.parse` error lies, if its message tells a position. */
function locate(reason: string, text: string, place: { line: number; column: number }): Place {
  const position = /at position (\d+)/.exec(reason);
  if (!position && !/end of JSON/.test(reason)) return { column: undefined };
  const lines = text.slice(0, position ? Number(position[1]) : undefined).split("\n");
  const column = lines.at(-1)!.length + 1;
  if (lines.length === 1) return { column: place.column + column - 1 };
  return { line: place.line + lines.length - 1, column };
}

function describe(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}
