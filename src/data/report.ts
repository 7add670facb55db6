// What became of the rows: counts, the rows that were left out and why, and remarks that may save a
// run. Shown by `train` and `preprocess`.
import { EftError } from "../errors.ts";
import { countTrained, IGNORE, type Sample } from "./sample.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Why a row was left out. */
export type DropReason = "tooLong" | "tooShort" | "untrained" | "duplicate" | "malformed";

export interface DroppedPlace {
  file: string;
  line: number;
  reason: DropReason;
  /** What exactly was wrong, for malformed rows. */
  detail?: string;
}

export interface DataReport {
  /** Rows read, of all data sets. */
  rows: number;
  /** Samples that were left out, of all data sets. */
  dropped: Record<DropReason, number>;
  /** The first of them, at most `MAX_PLACES`. */
  places: DroppedPlace[];
  /** Tokens of the training samples, and how many of them give a loss. */
  tokens: number;
  trainedTokens: number;
  /** Remarks on the data, each once. */
  notes: string[];
}

export const MAX_PLACES = 1000;

export function emptyReport(): DataReport {
  return {
    rows: 0,
    dropped: { tooLong: 0, tooShort: 0, untrained: 0, duplicate: 0, malformed: 0 },
    places: [],
    tokens: 0,
    trainedTokens: 0,
    notes: [],
  };
}

export function drop(report: DataReport, place: DroppedPlace): void {
  report.dropped[place.reason]++;
  if (report.places.length < MAX_PLACES) report.places.push(place);
}

export function addNote(report: DataReport, note: string): void {
  if (!report.notes.includes(note)) report.notes.push(note);
}

export function droppedCount({ dropped }: DataReport): number {
  return Object.values(dropped).reduce((sum, count) => sum + count, 0);
}

/** Counts the tokens of the training samples and looks for what spoils runs. */
export function examine(
  report: DataReport,
  train: readonly Sample[],
  tokenizer: Tokenizer,
  sequenceLen: number,
): void {
  const { bosId, eosId, specialIds } = tokenizer;
  let ends = 0, doubled = 0;
  for (const sample of train) {
    const { tokens, labels } = sample;
    report.tokens += tokens.length;
    report.trainedTokens += countTrained(sample);
    if (bosId !== undefined && tokens[0] === bosId && tokens[1] === bosId) doubled++;
    let last = labels.length - 1;
    while (last >= 0 && labels[last] === IGNORE) last--;
    if (last >= 0 && (labels[last] === eosId || specialIds.has(labels[last]!))) ends++;
    else if (last > 0 && specialIds.has(labels[last - 1]!)) ends++; // a line break may follow it
  }
  const samples = train.length + droppedCount(report);
  if (ends === 0) {
    addNote(
      report,
      "no training sample ends in a trained end-of-turn token: the model will not learn to stop. " +
        `The tokenizer's end token is ${tokenizer.eos ?? "not set"}; see \`special_tokens\`, ` +
        "`eot_tokens` and `train_on_eos`.",
    );
  }
  if (doubled > 0) {
    addNote(
      report,
      `${doubled} training samples begin with two ${tokenizer.bos} tokens: the text writes one and ` +
        "the tokenizer adds another. Take it out of the text or the template.",
    );
  }
  if (2 * report.dropped.tooLong > samples) {
    addNote(
      report,
      `${report.dropped.tooLong} of ${samples} samples are longer than sequence_len ` +
        `(${sequenceLen}) and left out; raise \`sequence_len\`, or set \`excess_length_strategy: ` +
        "truncate`.",
    );
  }
  if (2 * report.dropped.untrained > samples) {
    addNote(
      report,
      `${report.dropped.untrained} of ${samples} samples have no trained token and are left out; ` +
        "check the columns, the roles and what is masked with `eft preprocess --debug`.",
    );
  }
}

export function nothingLeft(
  key: string,
  config: { sequence_len: number; min_sample_len: number },
  { rows, dropped, places }: DataReport,
  before?: DataReport,
): EftError {
  const more = (name: DropReason) => dropped[name] - (before?.dropped[name] ?? 0);
  const malformed = more("malformed") > 0
    ? `, ${more("malformed")} are left out (${places.find((each) => each.detail)?.detail})`
    : "";
  return new EftError(
    "data",
    `no sample of \`${key}\` is left: of ${rows - (before?.rows ?? 0)} rows, ${more("tooLong")} ` +
      `samples are longer than sequence_len (${config.sequence_len}), ${
        more("tooShort")
      } shorter ` +
      `than min_sample_len (${config.min_sample_len}), ${
        more("untrained")
      } have nothing to train ` +
      `on${malformed}.`,
  );
}
