// `split` as the datasets library reads it: names, slices in rows or percent, sums:
// train[:100], train[10%:20%], train+test[-50:].
import { nearest } from "../../config/nearest.ts";
import { EftError } from "../../errors.ts";

export interface SplitPart {
  name: string;
  from: number | undefined;
  to: number | undefined;
  percent: boolean;
}

export function parseSplit(text: string): SplitPart[] {
  return text.split("+").map((part) => {
    const match = /^\s*(\w[\w.-]*)\s*(?:\[\s*(-?[\d_]+)?(%)?\s*:\s*(-?[\d_]+)?(%)?\s*\])?\s*$/
      .exec(part);
    const [, name, from, fromPercent, to, toPercent] = match ?? [];
    const percent = Boolean(fromPercent || toPercent);
    const mixed = percent && ((from && !fromPercent) || (to && !toPercent));
    const number = (digits: string | undefined) =>
      digits === undefined ? undefined : Number(digits.replaceAll("_", ""));
    const numbers = [number(from), number(to)] as const;
    const outside = percent && numbers.some((each) => each !== undefined && Math.abs(each) > 100);
    if (!name || mixed || outside) {
      throw new EftError(
        "data",
        `split: cannot read ${JSON.stringify(text)}. Write a name with or without a slice, like ` +
          "train, train[:100], train[10%:20%], or a sum of them, like train+test.",
      );
    }
    return { name, from: numbers[0], to: numbers[1], percent };
  });
}

/** Whether the number of rows must be known to take the slice. */
export function needsCount({ from, to, percent }: SplitPart): boolean {
  return (from !== undefined || to !== undefined) && (percent || (from ?? 0) < 0 || (to ?? 0) < 0);
}

/** The slice in rows, [from, to); as with lists, what lies outside is cut off. */
export function sliceOf(part: SplitPart, count: number | undefined): [from: number, to: number] {
  if (part.from === undefined && part.to === undefined) return [0, Infinity];
  const rows = (value: number) => part.percent ? roundHalfEven((value * count!) / 100) : value;
  const at = (value: number | undefined, missing: number) => {
    if (value === undefined) return missing;
    const row = rows(value);
    return row < 0 ? Math.max(0, count! + row) : row;
  };
  return [at(part.from, 0), at(part.to, Infinity)];
}

/** As Python rounds. */
function roundHalfEven(value: number): number {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}

export function missingSplit(name: string, splits: Iterable<string>, path: string): EftError {
  const names = [...splits];
  const near = nearest(name, names);
  return new EftError(
    "data",
    `${path} has no split "${name}"; it has ${names.join(", ")}.` +
      (near ? ` Did you mean ${near}?` : " Set `split` to one of them."),
  );
}
