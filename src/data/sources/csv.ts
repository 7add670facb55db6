// Rows of CSV and TSV files. The cutting is papaparse's; streaming and lines are counted here.
import Papa from "papaparse";
import type { Place } from "../../errors.ts";
import { tooLong } from "./lines.ts";
import { dataError, MAX_ROW_CHARACTERS, type SourceFile, type SourceRow } from "./row.ts";
import { textOf } from "./text.ts";

interface Parsed {
  data: string[][];
  errors: { code: string; index?: number }[];
  meta: { cursor: number };
}

/**
 * A row for each record; the first record names the columns. All values are text: a column of
 * numbers stays as it is written. A record that is too short lacks its last fields (null).
 */
export async function* readCsv(
  file: SourceFile,
  delimiter?: string,
): AsyncGenerator<SourceRow[], void> {
  let columns: string[] | undefined;
  let line = 1;
  let buffer = "", attempt = 0; // text that holds no whole record yet; its length to try again at
  let settings: { delimiter: string; newline: "\n" | "\r" } | undefined;
  let rows: SourceRow[] = [];
  let count = 0;

  const take = (text: string, isLast: boolean): number => {
    settings ??= {
      delimiter: delimiter ?? findDelimiter(text),
      // Only files of very old programs end their lines with a lone CR.
      newline: text.includes("\r") && !text.includes("\n") ? "\r" : "\n",
    };
    let consumed = 0;
    const parser = new Papa.Parser({
      ...settings,
      step: (result: unknown) => {
        const { data, errors, meta } = result as Parsed;
        const first = line, begin = consumed;
        consumed = meta.cursor;
        line += countOf(text.slice(begin, consumed), settings!.newline);
        for (const error of errors) {
          const before = text.slice(begin, error.index ?? begin).split(settings!.newline);
          throw quoteError(error.code, {
            file: file.name,
            line: first + before.length - 1,
            column: before.at(-1)!.length,
          });
        }
        const record = data[0]!;
        const last = record.length - 1;
        if (record[last]!.endsWith("\r")) record[last] = record[last]!.slice(0, -1);
        if (last === 0 && record[0]!.trim() === "") return;
        if (columns) {
          rows.push(toRow(columns, record, file.name, first));
          count++;
        } else columns = checkColumns(record, file.name, first);
      },
    });
    parser.parse(text, 0, !isLast);
    return consumed;
  };

  const texts = textOf(file);
  for (let isLast = false; !isLast;) {
    const { value, done } = await texts.next();
    isLast = done === true;
    buffer += value ?? "";
    // The header tells delimiter and line ends, so it has to be whole.
    if (!isLast && !settings && !buffer.includes("\n") && buffer.length < 65_536) continue;
    // A record longer than a piece is not cut again until twice as much of it is there.
    if (!isLast && buffer.length < attempt) continue;
    rows = [];
    try {
      const consumed = buffer === "" ? 0 : take(buffer, isLast);
      buffer = buffer.slice(consumed);
      attempt = consumed === 0 ? 2 * buffer.length : 0;
    } catch (error) {
      if (rows.length > 0) yield rows;
      throw error;
    }
    if (rows.length > 0) yield rows;
    if (buffer.length > MAX_ROW_CHARACTERS) throw tooLong(file.name, line);
  }
  if (count > 0) return;
  throw dataError(
    columns
      ? "the file has column names but no rows."
      : "the file is empty; expected a line with the names of the columns.",
    { file: file.name },
  );
}

/** Spreadsheets of many countries write semicolons, and some .csv files are really TSV. */
function findDelimiter(text: string): string {
  const header = text.slice(0, text.search(/[\r\n]|$/));
  return [",", "\t", ";"].find((each) => header.includes(each)) ?? ",";
}

function checkColumns(record: string[], file: string, line: number): string[] {
  const twice = record.find((name, i) => record.indexOf(name) < i);
  if (twice === undefined) return record;
  throw dataError(`two columns are named ${JSON.stringify(twice)}.`, { file, line });
}

function toRow(columns: string[], record: string[], file: string, line: number): SourceRow {
  if (record.length > columns.length) {
    throw dataError(
      `the row has ${record.length} fields, but the header names ${columns.length} columns. ` +
        "A field that holds the delimiter must stand in double quotes.",
      { file, line },
    );
  }
  const entries = columns.map((name, i): [string, unknown] => [name, record[i] ?? null]);
  return { value: Object.fromEntries(entries), file, line };
}

function quoteError(code: string, place: Place): Error {
  return dataError(
    code === "MissingQuotes"
      ? "a quoted field begins here that is never closed; the file may be cut off."
      : "the quoted field that begins here goes on after its closing quote. A quote inside of a " +
        'quoted field is written twice: "".',
    place,
  );
}

function countOf(text: string, character: string): number {
  let count = 0;
  for (let at = text.indexOf(character); at >= 0; at = text.indexOf(character, at + 1)) count++;
  return count;
}
