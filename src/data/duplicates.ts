// Exact duplicates among samples: the same tokens with the same labels.
import type { Sample } from "./sample.ts";

export class SampleSet {
  readonly #byHash = new Map<number, Sample[]>();

  /** Adds a sample; false when the same one is there already. */
  add(sample: Sample): boolean {
    const hash = hashOf(sample);
    const found = this.#byHash.get(hash);
    if (!found) this.#byHash.set(hash, [sample]);
    else if (
      found.some((each) => same(each.tokens, sample.tokens) && same(each.labels, sample.labels))
    ) {
      return false;
    } else found.push(sample);
    return true;
  }
}

/** FNV-1a over the tokens. */
function hashOf({ tokens }: Sample): number {
  let hash = 0x811c9dc5;
  for (const token of tokens) hash = Math.imul(hash ^ token, 0x01000193);
  return hash >>> 0;
}

function same(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
