// Sample packing: putting several short samples into one row of `sequence_len` tokens, so that less
// is computed on padding. Axolotl packs first-fit in sampler order; sorting each group by length
// first (first-fit decreasing) fills rows better and costs nothing but the order within an epoch.
import { assert } from "../errors.ts";

/** Samples are packed within groups of this many, as in Axolotl (`sample_packing_group_size`). */
export const GROUP_SIZE = 100_000;
/** No bin holds more samples than this, as in Axolotl (`sample_packing_bin_size`). */
export const BIN_SIZE = 200;

/**
 * First-fit decreasing: bins of indices into `lengths` whose lengths add up to at most `capacity`.
 * `order` lists the indices to pack; it decides the groups and the order of equal lengths.
 */
export function packFirstFit(
  lengths: ArrayLike<number>,
  capacity: number,
  order: ArrayLike<number>,
  groupSize = GROUP_SIZE,
  binSize = BIN_SIZE,
): number[][] {
  const bins: number[][] = [];
  for (let start = 0; start < order.length; start += groupSize) {
    const end = Math.min(start + groupSize, order.length);
    const sorted = byDecreasingLength(lengths, capacity, order, start, end);
    packGroup(lengths, capacity, sorted, binSize, bins);
  }
  return bins;
}

/** Next-fit: keeps the order of the samples; a bin is closed when the next sample does not fit. */
export function packSequential(
  lengths: ArrayLike<number>,
  capacity: number,
  order: ArrayLike<number>,
  binSize = BIN_SIZE,
): number[][] {
  const bins: number[][] = [];
  let room = -1;
  for (let i = 0; i < order.length; i++) {
    const index = order[i]!;
    const length = checkedLength(lengths, index, capacity);
    if (length > room || bins.at(-1)!.length >= binSize) {
      bins.push([]);
      room = capacity;
    }
    bins.at(-1)!.push(index);
    room -= length;
  }
  return bins;
}

/** The share of the bins' tokens that are not padding, from 0 to 1. */
export function packingEfficiency(
  lengths: ArrayLike<number>,
  capacity: number,
  bins: number[][],
): number {
  let used = 0;
  for (const bin of bins) for (const index of bin) used += lengths[index]!;
  return bins.length === 0 ? 1 : used / (bins.length * capacity);
}

function checkedLength(lengths: ArrayLike<number>, index: number, capacity: number): number {
  const length = lengths[index]!;
  assert(length <= capacity, `sample ${index} has ${length} tokens, a row holds ${capacity}`);
  return length;
}

/** Counting sort, stable; `order[start..end)` by length, longest first. */
function byDecreasingLength(
  lengths: ArrayLike<number>,
  capacity: number,
  order: ArrayLike<number>,
  start: number,
  end: number,
): Uint32Array {
  const place = new Uint32Array(capacity + 2);
  for (let i = start; i < end; i++) {
    place[capacity - checkedLength(lengths, order[i]!, capacity) + 1]!++;
  }
  for (let i = 1; i < place.length; i++) place[i]! += place[i - 1]!;
  const sorted = new Uint32Array(end - start);
  for (let i = start; i < end; i++) sorted[place[capacity - lengths[order[i]!]!]!++] = order[i]!;
  return sorted;
}

/**
 * Puts each sample into the first bin with room, found in a tree whose leaves are the bins' room
 * and whose inner nodes are the largest room below them.
 */
function packGroup(
  lengths: ArrayLike<number>,
  capacity: number,
  order: Uint32Array,
  binSize: number,
  bins: number[][],
) {
  let leaves = 1;
  while (leaves < order.length) leaves *= 2;
  const room = new Int32Array(2 * leaves).fill(capacity);
  const firstBin = bins.length;
  for (const index of order) {
    const length = lengths[index]!;
    let node = 1;
    while (node < leaves) node = room[2 * node]! >= length ? 2 * node : 2 * node + 1;
    const bin = firstBin + node - leaves;
    if (bin === bins.length) bins.push([]);
    bins[bin]!.push(index);
    room[node] = bins[bin]!.length < binSize ? room[node]! - length : -1; // -1 is full
    for (node >>= 1; node > 0; node >>= 1) {
      room[node] = Math.max(room[2 * node]!, room[2 * node + 1]!);
    }
  }
}
