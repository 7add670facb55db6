// Text cut into lines, and the data set that is nothing but lines (`ds_type: text`).
import { dataError, MAX_ROW_CHARACTERS, type SourceFile, type SourceRow } from "./row.ts";
import { textOf } from "./text.ts";

export interface Line {
  text: string;
  /** From 1. */
  number: number;
}

/** The lines of a text, without what ends them; a piece may hold any number of lines. */
export async function* linesOf(
  texts: AsyncIterable<string>,
  file: string,
): AsyncGenerator<Line[], void> {
  let number = 1;
  let unfinished: string[] = [], length = 0;
  for await (const text of texts) {
    const lines: Line[] = [];
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      let line = text.slice(start, end);
      if (unfinished.length > 0) {
        unfinished.push(line);
        line = unfinished.join("");
        unfinished = [];
        length = 0;
      }
      if (line.endsWith("\r")) line = line.slice(0, -1);
      lines.push({ text: line, number: number++ });
      start = end + 1;
    }
    if (start < text.length) {
      unfinished.push(text.slice(start));
      length += text.length - start;
      if (length > MAX_ROW_CHARACTERS) throw tooLong(file, number);
    }
    if (lines.length > 0) yield lines;
  }
  if (unfinished.length > 0) yield [{ text: unfinished.join(""), number }];
}

export function tooLong(file: string, line: number): Error {
  const limit = MAX_ROW_CHARACTERS / 2 ** 20;
  return dataError(
    `one row has more than ${limit} million characters; this is probably not the kind of file ` +
      "that it is read as, or a quote is never closed.",
    { file, line },
  );
}

/** A row for each line with anything in it, as `{text}`. */
export async function* readPlainText(file: SourceFile): AsyncGenerator<SourceRow[], void> {
  for await (const lines of linesOf(textOf(file), file.name)) {
    yield lines.filter(({ text }) => text.trim() !== "")
      .map(({ text, number }) => ({ value: { text }, file: file.name, line: number }));
  }
}
