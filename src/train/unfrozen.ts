// `unfrozen_parameters`: the tensors, and rows of tensors, that a full fine-tuning trains. The
// patterns are Axolotl's: matched from the start of a name, a period is a period, and a range of
// rows may follow in brackets.

import { EftError } from "../errors.ts";
import type { Rows } from "../graph/operations/clear_rows.ts";

interface Pattern {
  name: RegExp;
  rows?: readonly [start: number, end: number | undefined];
}

export class Unfrozen {
  readonly #patterns: Pattern[];

  constructor(patterns: readonly string[]) {
    this.#patterns = patterns.map(parse);
  }

  /** Whether anything of this tensor is trained. */
  trains(name: string): boolean {
    return this.#patterns.some((pattern) => pattern.name.test(name));
  }

  /**
   * The rows of a trained tensor that stay as they are. A pattern without a range does not widen
   * those with one, as in Axolotl. Throws an EftError("config") for a range outside the tensor.
   */
  frozenRows(name: string, rows: number): Rows[] {
    const ranges = this.#patterns.flatMap((pattern) =>
      pattern.rows && pattern.name.test(name) ? [pattern.rows] : []
    );
    if (ranges.length === 0) return [];
    const frozen: Rows[] = [];
    let from = 0;
    for (const [start, end = rows] of [...ranges].sort((a, b) => a[0] - b[0])) {
      if (end > rows || start >= end) {
        throw new EftError(
          "config",
          `unfrozen_parameters: rows [${start}:${end}] are not in ${name}, which has ${rows}.`,
        );
      }
      if (start > from) frozen.push([from, start]);
      from = Math.max(from, end);
    }
    if (from < rows) frozen.push([from, rows]);
    return frozen;
  }
}

function parse(text: string): Pattern {
  const [, base, start, colon, end] = /^(.+?)(?:\[(\d*)(?:(:)(\d*))?\])?$/.exec(text)!;
  const name = new RegExp(`^(?:${base.replace(/\\?\.(?!\+)/g, "\\.")})`);
  if (start === undefined) return { name };
  if (!colon) return start === "" ? { name } : { name, rows: [Number(start), Number(start) + 1] };
  return { name, rows: [Number(start || 0), end ? Number(end) : undefined] };
}
