// The first look at a data set: a few rows as they are, and what becomes of each. Unlike the
// preparation of a run it goes on after a row that is wrong, so that a person sees all of them.
import type { Config } from "../config/config.ts";
import { EftError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { formatContext, openReader } from "./dataset.ts";
import { type DatasetKeys, DroppedRow, type RowReader } from "./formats/format.ts";
import { fit } from "./prepare.ts";
import type { DropReason } from "./report.ts";
import type { Sample } from "./sample.ts";
import {
  type DatasetSource,
  readRows,
  type SourceOptions,
  type SourceRow,
} from "./sources/rows.ts";
import type { Tokenizer } from "./tokenizer.ts";

export interface SomeRows {
  rows: SourceRow[];
  /** Whether there are rows after these. */
  more: boolean;
  /** What ended the reading before. */
  failure?: EftError;
}

/** The rows with the numbers `from` to `from + count`, counted from 0. */
export async function readSomeRows(
  host: Host,
  dataset: DatasetSource,
  from: number,
  count: number,
  options: SourceOptions = {},
): Promise<SomeRows> {
  const rows: SourceRow[] = [];
  let number = 0;
  try {
    for await (const row of readRows(host, dataset, options)) {
      if (number++ < from) continue;
      if (rows.length === count) return { rows, more: true };
      rows.push(row);
    }
  } catch (error) {
    if (!(error instanceof EftError)) throw error;
    return { rows, more: false, failure: error };
  }
  return { rows, more: false };
}

export interface TokenizedRow {
  samples: { sample: Sample; dropped?: DropReason }[];
  /** Why the row gives no sample. */
  problem?: string;
}

/** What training would make of these rows; throws an EftError where the format itself is wrong. */
export async function tokenizeRows(
  host: Host,
  config: Config,
  tokenizer: Tokenizer,
  dataset: DatasetKeys,
  rows: readonly SourceRow[],
  note: (text: string) => void = () => {},
): Promise<TokenizedRow[]> {
  if (rows.length === 0) return [];
  const context = await formatContext(host, config, tokenizer, dataset, note);
  const reader = openReader(context, rows[0]!);
  return rows.map((row) => tokenizeOne(reader, row, config));
}

function tokenizeOne(reader: RowReader, row: SourceRow, config: Config): TokenizedRow {
  const { file, line } = row;
  try {
    const samples = reader.tokenize(row).map((sample) => {
      const fitted = fit({ sample, file, line }, config);
      return typeof fitted === "string" ? { sample, dropped: fitted } : { sample: fitted };
    });
    return samples.length > 0 ? { samples } : { samples, problem: "the row holds no text" };
  } catch (error) {
    if (error instanceof DroppedRow) return { samples: [], problem: error.message };
    if (error instanceof EftError && error.code === "data") {
      return { samples: [], problem: error.message };
    }
    throw error;
  }
}
