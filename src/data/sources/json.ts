// Rows of JSON and JSON Lines files, with their line, so that a data set larger than memory can be
// read and a mistake in it can be pointed at.
import type { EftError } from "../../errors.ts";
import { jsonMistake } from "./json_mistake.ts";
import { linesOf, tooLong } from "./lines.ts";
import { dataError, describe, MAX_ROW_CHARACTERS, type SourceFile, type SourceRow } from "./row.ts";
import { textOf } from "./text.ts";

/** A file that begins with `[` is one JSON array of rows, any other is JSON Lines. */
export async function* readJson(file: SourceFile): AsyncGenerator<SourceRow[], void> {
  const texts = textOf(file);
  let before = "";
  while (before.trimStart() === "") {
    const next = await texts.next();
    if (next.done) {
      throw dataError("the file is empty; expected one JSON object per line.", { file: file.name });
    }
    before += next.value;
    if (before.length > MAX_ROW_CHARACTERS) throw tooLong(file.name, 1);
  }
  const all = (async function* () {
    yield before;
    yield* texts;
  })();
  const isArray = before.trimStart().startsWith("[");
  let count = 0;
  for await (const rows of isArray ? readArray(all, file.name) : readLines(all, file.name)) {
    count += rows.length;
    yield rows;
  }
  if (count === 0) {
    throw dataError("the array is empty; expected at least one row.", { file: file.name });
  }
}

async function* readLines(
  texts: AsyncIterable<string>,
  file: string,
): AsyncGenerator<SourceRow[], void> {
  for await (const lines of linesOf(texts, file)) {
    const rows: SourceRow[] = [];
    for (const { text, number } of lines) {
      if (text.trim() === "") continue;
      try {
        rows.push(toRow(text, { file, line: number, column: 1 }));
      } catch (error) {
        if (rows.length > 0) yield rows; // whoever wants only these never meets the mistake
        if (number === 1 && text.trim() === "{") throw spreadOut(file, error);
        throw error;
      }
    }
    yield rows;
  }
}

function spreadOut(file: string, cause: unknown): EftError {
  return dataError(
    "the file is one JSON object over several lines. Expected one object per line, or an array " +
      "of objects: [{...}, {...}].",
    { file, line: 1, column: 1 },
    cause,
  );
}

/** Cuts an array into its elements: counts brackets outside of strings, leaves the rest to JSON. */
async function* readArray(
  texts: AsyncIterable<string>,
  file: string,
): AsyncGenerator<SourceRow[], void> {
  let line = 1, lineStart = 0, offset = 0; // offsets are in UTF-16 units from the file's start
  let depth = 0, inString = false, escaped = false, closed = false, comma = false;
  let parts: string[] = [], length = 0;
  let begin: { file: string; line: number; column: number } | undefined;
  const here = (i: number) => ({ file, line, column: offset + i - lineStart + 1 });
  const fail = (message: string, i: number) => dataError(message, here(i));

  for await (const text of texts) {
    const rows: SourceRow[] = [];
    try {
      readPiece(text, rows);
    } catch (error) {
      if (rows.length > 0) yield rows;
      throw error;
    }
    yield rows;
  }
  if (!closed) {
    throw fail("the file ends inside its array; it may be cut off, expected a closing ].", 0);
  }

  function readPiece(text: string, rows: SourceRow[]): void {
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
          rows.push(toRow(parts.join(""), begin));
          parts = [];
          length = 0;
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
    if (begin) {
      parts.push(text.slice(start));
      length += text.length - start;
      if (length > MAX_ROW_CHARACTERS) throw tooLong(file, begin.line);
    }
    offset += text.length;
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
    const { at, message } = jsonMistake(text) ?? { at: 0, message: (error as Error).message };
    const lines = text.slice(0, at).split("\n");
    const column = lines.at(-1)!.length + (lines.length === 1 ? place.column : 1);
    throw dataError(
      `the row is not valid JSON: ${message}.`,
      { file: place.file, line: place.line + lines.length - 1, column },
      error,
    );
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw dataError(`expected an object with the row's fields, found ${describe(value)}.`, place);
  }
  return { value: value as Record<string, unknown>, file: place.file, line: place.line };
}
