// Small helpers that the operations share: grids, vector widths, and kernels from WGSL templates.

import type { Limits } from "../limits.ts";
import type { Binding, Dispatch, Tensor } from "../graph.ts";
import { expandWgsl } from "../wgsl.ts";

export const read = (tensor: Tensor, offset?: number, bytes?: number): Binding => ({
  tensor,
  access: "read",
  offset,
  bytes: wholeWords(bytes),
});

export const write = (tensor: Tensor, offset?: number, bytes?: number): Binding => ({
  tensor,
  access: "write",
  offset,
  bytes: wholeWords(bytes),
});

/** Bindings are whole words: an odd count of 16-bit elements is followed by padding. */
function wholeWords(bytes?: number): number | undefined {
  return bytes === undefined ? undefined : Math.ceil(bytes / 4) * 4;
}

/** Elements per thread: four where the innermost dimension allows it. */
export function widthOf(innermost: number): 1 | 4 {
  return innermost % 4 === 0 ? 4 : 1;
}

/** Folds a count of workgroups into two dimensions, as one dimension ends at 65535. */
export function grid(groups: number): [number, number, number] {
  if (groups <= 65535) return [groups, 1, 1];
  const x = 32768;
  return [x, Math.ceil(groups / x), 1];
}

/** A dispatch of a one-dimensional kernel over `threads` threads in workgroups of 64. */
export function linearDispatch(
  label: string,
  source: string,
  threads: number,
  bindings: Binding[],
  values: Record<string, number | string | boolean>,
): Dispatch {
  const workgroups = grid(Math.ceil(threads / 64));
  return {
    label,
    source: expandWgsl(source, { ...values, GROUPS_X: workgroups[0] }),
    workgroups,
    bindings,
  };
}

/** How threads share a row: one thread to a row on a CPU adapter, a cooperating group elsewhere. */
export function rowSharing(limits: Limits): { LANES: number; ROWS: number } {
  return limits.software ? { LANES: 1, ROWS: 8 } : { LANES: 64, ROWS: 1 };
}

/** A dispatch of a kernel that gives each of `rows` rows to a group of threads. */
export function rowDispatch(
  label: string,
  source: string,
  rows: number,
  limits: Limits,
  bindings: Binding[],
  values: Record<string, number | string | boolean>,
): Dispatch {
  const sharing = rowSharing(limits);
  const workgroups = grid(Math.ceil(rows / sharing.ROWS));
  return {
    label,
    source: expandWgsl(source, { ...values, ...sharing, GROUPS_X: workgroups[0] }),
    workgroups,
    bindings,
  };
}

/** A number as a WGSL f32 literal. */
export function literal(value: number): string {
  const text = Math.fround(value).toString();
  return /[.e]/.test(text) ? text : `${text}.0`;
}
