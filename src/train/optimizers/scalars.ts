// The numbers that update kernels read, one row to a group, and what the host must remember to
// compute them: each group's count of steps, and whatever its optimizer keeps.

import { type Tensor, tensor } from "../../graph/graph.ts";
import type { ParameterGroup } from "../parameters.ts";
import { SCALARS_PER_ROW } from "./optimizer.ts";

/** What a checkpoint saves of the host's side, by group name. */
export type HostState = Record<string, { steps: number; kept: number[] }>;

/** The tensor that holds the rows of these groups. */
export function scalarsTensor(groups: readonly ParameterGroup[]): Tensor {
  return tensor("update scalars", [Math.max(1, groups.length) * SCALARS_PER_ROW], "f32", "input");
}

export class UpdateScalars {
  readonly #groups: readonly ParameterGroup[];
  #rows: { steps: number; kept: number[] }[];
  /** The rows before the last step. */
  #before: { steps: number; kept: number[] }[] = [];
  /** The least count of steps of a group that took part in the last step. */
  youngest = 0;

  constructor(groups: readonly ParameterGroup[]) {
    this.#groups = groups;
    this.#rows = groups.map(() => ({ steps: 0, kept: [] }));
  }

  /**
   * The tensor's content for the next step at this learning rate; groups that are not `active` have
   * no step. Several calls are several steps.
   */
  next(
    rate: number,
    active: (group: ParameterGroup) => boolean = () => true,
  ): Float32Array<ArrayBuffer> {
    const all = new Float32Array(Math.max(1, this.#groups.length) * SCALARS_PER_ROW);
    this.#before = structuredClone(this.#rows);
    this.youngest = Infinity;
    this.#groups.forEach((group, i) => {
      if (!active(group)) return;
      const row = this.#rows[i];
      const numbers = group.optimizer.scalars(++row.steps, rate * group.rateScale, row.kept);
      this.youngest = Math.min(this.youngest, row.steps);
      all.set(numbers, group.row * SCALARS_PER_ROW);
    });
    return all;
  }

  /** Forgets the last step, which the device has skipped. */
  takeBack(): void {
    this.#rows = this.#before;
  }

  /** Whether any group has had a step. */
  get begun(): boolean {
    return this.#rows.some(({ steps }) => steps > 0);
  }

  /** Counts the steps of every group from one again. */
  startAnew(): void {
    for (const row of this.#rows) Object.assign(row, { steps: 0, kept: [] });
  }

  save(): HostState {
    return Object.fromEntries(
      this.#groups.map(({ name }, i) => {
        const { steps, kept } = this.#rows[i];
        return [name, { steps, kept: [...kept] }];
      }),
    );
  }

  restore(state: HostState): void {
    this.#groups.forEach(({ name }, i) => {
      const saved = state[name];
      if (saved) this.#rows[i] = { steps: saved.steps, kept: [...saved.kept] };
    });
  }
}
