// Where two answers differ, token by token: what is in both, in the same order, is the same; the rest
// of each is marked.

/** Cells of the table; two answers of 2000 tokens each need about so many. */
const mostCells = 4e6;

/**
 * For each of two sequences, whether its elements are outside a longest common subsequence. Answers
 * too long for the table are compared up to their first difference; all behind it is marked.
 */
export function differences(a: readonly string[], b: readonly string[]): [boolean[], boolean[]] {
  const marks: [boolean[], boolean[]] = [a.map(() => true), b.map(() => true)];
  const keep = (i: number, j: number) => {
    marks[0][i] = false;
    marks[1][j] = false;
  };
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) keep(start, start++);
  let endA = a.length, endB = b.length;
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) keep(--endA, --endB);
  const columns = endB - start + 1;
  if ((endA - start + 1) * columns > mostCells) return marks;
  // lengths[i][j]: how much the rests of a from i and of b from j have in common.
  const lengths = new Uint16Array((endA - start + 1) * columns);
  const at = (i: number, j: number) => (i - start) * columns + (j - start);
  for (let i = endA - 1; i >= start; i--) {
    for (let j = endB - 1; j >= start; j--) {
      lengths[at(i, j)] = a[i] === b[j]
        ? lengths[at(i + 1, j + 1)] + 1
        : Math.max(lengths[at(i + 1, j)], lengths[at(i, j + 1)]);
    }
  }
  for (let i = start, j = start; i < endA && j < endB;) {
    if (a[i] === b[j]) keep(i++, j++);
    else if (lengths[at(i + 1, j)] >= lengths[at(i, j + 1)]) i++;
    else j++;
  }
  return marks;
}
