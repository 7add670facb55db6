// Batches: rows of equal length made of samples, with what the model needs to keep packed samples
// apart (positions and segment starts) and targets already shifted by one.
import { assert } from "../errors.ts";
import { RandomStream } from "../random.ts";
import { BIN_SIZE, GROUP_SIZE, packFirstFit, packingEfficiency, packSequential } from "./pack.ts";
import { IGNORE, type Sample } from "./sample.ts";

/** One micro batch; every array has rows * length elements, row after row. */
export interface Batch {
  rows: number;
  length: number;
  tokens: Uint32Array<ArrayBuffer>;
  /**
   * The label of the next token of the same segment, or `IGNORE`. Axolotl shifts over the whole
   * row, so that with `train_on_inputs` the last token of a packed sample learns the first token of
   * the next; we never train across a seam.
   */
  targets: Int32Array<ArrayBuffer>;
  /** The index of the token within its sample; 0 for padding. */
  positions: Uint32Array<ArrayBuffer>;
  /**
   * The index within the row of the first token of the token's segment: a token attends to
   * `starts[t]..t`. Each padding token is a segment of its own.
   */
  starts: Uint32Array<ArrayBuffer>;
  /** Targets that are not `IGNORE`. */
  trainedTokens: number;
  /** Tokens that are not padding. */
  realTokens: number;
  sampleCount: number;
}

export interface BatchOptions {
  /** Rows per batch. */
  microBatchSize: number;
  sequenceLen: number;
  /** Put several samples into a row. */
  packing: boolean;
  /** Every row has `sequenceLen` tokens; otherwise as many as the longest of the batch. */
  padToSequenceLen: boolean;
  padId: number;
  seed: number;
  /** Keep the order of the samples (evaluation, `curriculum_sampling`). */
  sequential?: boolean;
  /** Pack neighbours only (`sample_packing_sequentially`); so does `sequential`. */
  packInOrder?: boolean;
  /** Rows of like length together, in no fixed order otherwise (`group_by_length`). */
  groupByLength?: boolean;
  /** `sample_packing_group_size` */
  packingGroup?: number;
  /** `sample_packing_bin_size` */
  packingBin?: number;
  /** Rows of other lengths are padded to a multiple of this, so that there are few shapes. */
  lengthMultiple?: number;
}

export class Batches {
  readonly #samples: readonly Sample[];
  readonly #options: Required<BatchOptions>;
  readonly #lengths: Uint32Array;
  #planned: { epoch: number; rows: number[][] } | undefined;

  constructor(samples: readonly Sample[], options: BatchOptions) {
    assert(samples.length > 0, "batches of no samples");
    this.#samples = samples;
    this.#options = {
      sequential: false,
      packInOrder: false,
      groupByLength: false,
      packingGroup: GROUP_SIZE,
      packingBin: BIN_SIZE,
      lengthMultiple: 64,
      ...options,
    };
    this.#lengths = Uint32Array.from(samples, (sample) => sample.tokens.length);
    for (const length of this.#lengths) {
      assert(length <= options.sequenceLen, `a sample of ${length} tokens was not dropped`);
    }
  }

  /** The number of micro batches in epoch `epoch`; with packing, epochs may differ a little. */
  count(epoch = 0): number {
    return Math.ceil(this.#rows(epoch).length / this.#options.microBatchSize);
  }

  /** Optimizer steps in epoch `epoch`; the last of an epoch may cover fewer micro batches. */
  steps(gradientAccumulationSteps: number, epoch = 0): number {
    return Math.ceil(this.count(epoch) / gradientAccumulationSteps);
  }

  /** The share of tokens that are not padding when rows have `sequenceLen` tokens. */
  efficiency(epoch = 0): number {
    return packingEfficiency(this.#lengths, this.#options.sequenceLen, this.#rows(epoch));
  }

  /**
   * The lengths that batches of `epoch` have, ascending: the shapes a run must compile. The last
   * batch is filled up with rows of padding, so the number of rows never changes.
   */
  shapes(epoch = 0): number[] {
    const lengths = new Set<number>();
    for (let i = 0; i < this.count(epoch); i++) {
      lengths.add(this.#length(this.#batchRows(epoch, i)));
    }
    return [...lengths].sort((a, b) => a - b);
  }

  /** The micro batches of an epoch from number `skip` on, the same for the same seed. */
  *epoch(epoch: number, skip = 0): Generator<Batch, void, undefined> {
    const count = this.count(epoch);
    for (let i = skip; i < count; i++) yield this.#batch(this.#batchRows(epoch, i));
  }

  #batchRows(epoch: number, batch: number): number[][] {
    const { microBatchSize } = this.#options;
    return this.#rows(epoch).slice(batch * microBatchSize, (batch + 1) * microBatchSize);
  }

  /** Which samples stand in which row in this epoch. */
  #rows(epoch: number): number[][] {
    if (this.#planned?.epoch === epoch) return this.#planned.rows;
    const { packing, sequential, packInOrder, groupByLength, seed, sequenceLen } = this.#options;
    const { packingGroup, packingBin } = this.#options;
    const order = Uint32Array.from(this.#lengths, (_, i) => i);
    const random = new RandomStream(seed, epoch);
    if (!sequential) random.shuffle(order);
    let rows: number[][];
    if (!packing) {
      if (groupByLength && !sequential) this.#groupByLength(order);
      rows = Array.from(order, (index) => [index]);
    } else if (sequential || packInOrder) {
      rows = packSequential(this.#lengths, sequenceLen, order, packingBin);
    } else {
      rows = packFirstFit(this.#lengths, sequenceLen, order, packingGroup, packingBin);
      random.shuffle(rows); // first-fit decreasing leaves the long samples in front
    }
    this.#planned = { epoch, rows };
    return rows;
  }

  /**
   * Sorts within groups of 50 batches, longest first, and begins with the longest sample of all, so
   * that a lack of memory shows at once (transformers' LengthGroupedSampler).
   */
  #groupByLength(order: Uint32Array) {
    const lengths = this.#lengths, size = 50 * this.#options.microBatchSize;
    let longest = 0;
    for (let start = 0; start < order.length; start += size) {
      order.subarray(start, start + size).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
      if (lengths[order[start]!]! > lengths[order[longest]!]!) longest = start;
    }
    const first = order[0]!;
    order[0] = order[longest]!;
    order[longest] = first;
  }

  #length(rows: number[][]): number {
    const { padToSequenceLen, sequenceLen, lengthMultiple } = this.#options;
    if (padToSequenceLen) return sequenceLen;
    let longest = 1;
    for (const row of rows) {
      longest = Math.max(longest, row.reduce((sum, index) => sum + this.#lengths[index]!, 0));
    }
    return Math.min(Math.ceil(longest / lengthMultiple) * lengthMultiple, sequenceLen);
  }

  #batch(rowSamples: number[][]): Batch {
    const rows = this.#options.microBatchSize, length = this.#length(rowSamples);
    const size = rows * length;
    const batch: Batch = {
      rows,
      length,
      tokens: new Uint32Array(size).fill(this.#options.padId),
      targets: new Int32Array(size).fill(IGNORE),
      positions: new Uint32Array(size),
      starts: new Uint32Array(size),
      trainedTokens: 0,
      realTokens: 0,
      sampleCount: 0,
    };
    for (let row = 0; row < rows; row++) {
      let at = 0;
      for (const index of rowSamples[row] ?? []) {
        this.#place(batch, row * length, at, this.#samples[index]!);
        at += this.#lengths[index]!;
      }
      for (; at < length; at++) batch.starts[row * length + at] = at;
    }
    return batch;
  }

  /** Writes a sample into the row that begins at `row`, from column `start` on. */
  #place(batch: Batch, row: number, start: number, { tokens, labels }: Sample) {
    batch.tokens.set(tokens, row + start);
    batch.targets.set(labels.subarray(1), row + start);
    batch.starts.fill(start, row + start, row + start + tokens.length);
    for (let i = 0; i < tokens.length; i++) {
      batch.positions[row + start + i] = i;
      if (i > 0 && labels[i] !== IGNORE) batch.trainedTokens++;
    }
    batch.realTokens += tokens.length;
    batch.sampleCount++;
  }
}

/** The micro batches of one optimizer step; the loss is the mean over all their trained tokens. */
export interface AccumulationWindow {
  batches: Batch[];
  trainedTokens: number;
}

/** Groups micro batches by `gradient_accumulation_steps`; the last group may be shorter. */
export function* windows(
  batches: Iterable<Batch>,
  gradientAccumulationSteps: number,
): Generator<AccumulationWindow, void, undefined> {
  let group: AccumulationWindow = { batches: [], trainedTokens: 0 };
  for (const batch of batches) {
    group.batches.push(batch);
    group.trainedTokens += batch.trainedTokens;
    if (group.batches.length === gradientAccumulationSteps) {
      yield group;
      group = { batches: [], trainedTokens: 0 };
    }
  }
  if (group.batches.length > 0) yield group;
}

/** What made optimizer step `step` (from 1) of a run, and the pass over the data that it lay in. */
export function windowOfStep(
  batches: Batches,
  gradientAccumulationSteps: number,
  step: number,
): { pass: number; window: AccumulationWindow } {
  let pass = 0;
  let index = step - 1;
  for (;; pass++) {
    const steps = batches.steps(gradientAccumulationSteps, pass);
    if (index < steps) break;
    index -= steps;
  }
  const rest = batches.epoch(pass, index * gradientAccumulationSteps);
  const window = windows(rest, gradientAccumulationSteps).next().value;
  assert(window, `step ${step} has no batch`);
  return { pass, window };
}
