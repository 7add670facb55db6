// Whether a browser has slowed a hidden tab, as measured: workers with a GPU are mostly left alone, so
// nothing is said on suspicion.

/** Fewer reports than this say nothing about a tab. */
const enough = 3;
/** A step that takes this much longer is not chance. */
const muchLonger = 1.5;

/** The medians of two lists of milliseconds, if the first is much larger. */
export function slowdown(
  hidden: readonly number[],
  visible: readonly number[],
): { hidden: number; visible: number } | undefined {
  if (hidden.length < enough || visible.length < enough) return undefined;
  const [slow, usual] = [median(hidden), median(visible)];
  return slow > muchLonger * usual ? { hidden: slow, visible: usual } : undefined;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
