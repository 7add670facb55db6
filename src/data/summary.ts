// What became of the data of a run, in numbers: shown by `eft preprocess` and by the page.
import { Batches, type BatchOptions } from "./batches.ts";
import type { Prepared } from "./prepare.ts";
import { droppedCount, type DroppedPlace, type DropReason } from "./report.ts";
import type { Sample } from "./sample.ts";

/** Left-out rows that are named one by one. */
const NAMED_ROWS = 10;

export const DROP_REASONS: Record<DropReason, string> = {
  tooLong: "longer than sequence_len",
  tooShort: "shorter than min_sample_len",
  untrained: "nothing to train on",
  duplicate: "seen before",
  malformed: "left out by the format",
};

/** How many samples have a length in [i * width, (i + 1) * width), for each i. */
export interface LengthHistogram {
  width: number;
  counts: number[];
}

export interface DataSummary {
  rows: number;
  /** How many rows were left out, and how many for each reason that occurs. */
  dropped: number;
  reasons: { words: string; count: number }[];
  /** The first of them. */
  places: { file: string; line: number; words: string }[];
  samples: number;
  evaluationSamples: number;
  tokens: number;
  trainedTokens: number;
  /** The longest sample, in tokens. */
  longest: number;
  sequenceLen: number;
  lengths: LengthHistogram;
  packing: boolean;
  /** The share of tokens that are not padding when samples are packed, and as configured. */
  packedEfficiency: number;
  efficiency: number;
  cached: boolean;
  notes: string[];
}

/** `bins`: at most so many bars of the histogram. */
export function summarise(data: Prepared, batching: BatchOptions, bins = 12): DataSummary {
  const { report, train, evaluation, cached } = data;
  const reasons = Object.entries(DROP_REASONS) as [DropReason, string][];
  const efficiency = (packing: boolean) =>
    new Batches(train, { ...batching, packing }).efficiency();
  return {
    rows: report.rows,
    dropped: droppedCount(report),
    reasons: reasons.map(([reason, words]) => ({ words, count: report.dropped[reason] }))
      .filter(({ count }) => count > 0),
    places: report.places.toSorted(byPlace).slice(0, NAMED_ROWS).map((
      { file, line, reason, detail },
    ) => ({
      file,
      line,
      words: detail ?? DROP_REASONS[reason],
    })),
    samples: train.length,
    evaluationSamples: evaluation.length,
    tokens: report.tokens,
    trainedTokens: report.trainedTokens,
    longest: longestOf(train),
    sequenceLen: batching.sequenceLen,
    lengths: lengthHistogram(train, bins),
    packing: batching.packing,
    packedEfficiency: efficiency(true),
    efficiency: efficiency(batching.packing),
    cached,
    notes: report.notes,
  };
}

/** The rows were shuffled before the first was left out. */
function byPlace(a: DroppedPlace, b: DroppedPlace): number {
  return a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1;
}

/** Lengths of the samples, in at most `bins` bins of equal width. */
export function lengthHistogram(samples: readonly Sample[], bins: number): LengthHistogram {
  const longest = longestOf(samples);
  const width = Math.max(1, Math.ceil((longest + 1) / bins));
  const counts = new Array<number>(Math.floor(longest / width) + 1).fill(0);
  for (const { tokens } of samples) counts[Math.floor(tokens.length / width)]!++;
  return { width, counts };
}

function longestOf(samples: readonly Sample[]): number {
  return samples.reduce((longest, { tokens }) => Math.max(longest, tokens.length), 0);
}
