import type { DataSummary } from "../../../data/summary.ts";
import type { DownloadProgress } from "../../../data/hub/settings.ts";
import type { Column, Guess } from "../../../data/recognise.ts";

/** One entry of `datasets`, as the configuration has it. */
export type Entry = { path: string; type?: unknown } & Record<string, unknown>;

export interface KeptFile {
  /** Below data/; a folder counts as one. */
  name: string;
  size: number;
  isFolder: boolean;
}

/** A value of a row, cut where it is long. */
export interface Cell {
  text: string;
  /** Characters before it was cut. */
  length: number;
}

export interface ShownSample {
  texts: string[];
  ids: number[];
  labels: number[];
  /** Tokens that give a loss. */
  trained: number;
  /** Why it is left out of training. */
  dropped?: string;
}

export interface ShownRow {
  file: string;
  line: number;
  /** By the name of the column. */
  cells: Record<string, Cell>;
  samples: ShownSample[];
  /** Samples of the row beyond those in `samples`. */
  moreSamples: number;
  /** Why it gives no sample. */
  problem?: string;
}

export interface Preview {
  columns: Column[];
  rows: ShownRow[];
  /** How many rows come before these. */
  from: number;
  /** Whether there are rows after these. */
  more: boolean;
  /** What ended the reading. */
  failure?: string;
  /** Formats that fit, the best first. */
  guesses: Guess[];
  /** Why rows were not made into tokens. */
  untokenized?: string;
  /** What would have to be downloaded first. */
  elsewhere?: "rows" | "tokenizer";
  /** Whether the tokenizer brings a chat template; unknown without a tokenizer. */
  hasTemplate?: boolean;
  notes: string[];
}

export interface DataRequests {
  "data.list": { ask: Record<never, never>; answer: KeptFile[] };
  /** Keeps one file, or one folder of files, below data/; refuses what holds no rows. */
  "data.keep": {
    ask: { name: string; files: [path: string, content: File][] };
    answer: { path: string };
    report: { path: string; written: number; total: number };
  };
  "data.remove": { ask: { name: string }; answer: void };
  /** `key` and `index` say where the entry stands in the configuration, if it stands there. */
  "data.preview": {
    ask: {
      configText: string;
      configName: string;
      entry: Entry;
      key?: string;
      index?: number;
      from: number;
      count: number;
      /** Whether data and tokenizer may be downloaded. */
      online: boolean;
    };
    answer: Preview;
    report: DownloadProgress;
  };
  /** Reads and tokenizes all data of the configuration. */
  "data.check": {
    ask: { configText: string; configName: string };
    answer: DataSummary;
    /** `total`: bytes of all files, where they are known. */
    report: { rows: number; read: number; total: number | undefined };
  };
}
