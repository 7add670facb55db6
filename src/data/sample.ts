// A sample is one tokenised document or exchange: what training, packing and batching work on.

/** The label of a token that is not trained on. */
export const IGNORE = -100;

export interface Sample {
  /** [T] token ids. */
  tokens: Int32Array;
  /** [T] the same ids where the token is trained on, `IGNORE` elsewhere; not shifted. */
  labels: Int32Array;
}

/** Joins parts, each trained or not, into one sample. */
export function makeSample(...parts: { ids: ArrayLike<number>; trained: boolean }[]): Sample {
  const length = parts.reduce((sum, part) => sum + part.ids.length, 0);
  const tokens = new Int32Array(length), labels = new Int32Array(length).fill(IGNORE);
  let at = 0;
  for (const { ids, trained } of parts) {
    tokens.set(ids, at);
    if (trained) labels.set(ids, at);
    at += ids.length;
  }
  return { tokens, labels };
}

/** How many tokens of a sample give a loss; the first never does, since nothing precedes it. */
export function countTrained(sample: Sample): number {
  let count = 0;
  for (let i = 1; i < sample.labels.length; i++) if (sample.labels[i] !== IGNORE) count++;
  return count;
}
