// The numbers of a run as columns: what is drawn, listed and downloaded.

import type { RunEvent } from "../../../train/events.ts";

type Column = (number | null)[];

/** One row for each step that something was reported of; null where a column has no value. */
export interface Curves {
  step: number[];
  /** Seconds of training up to here, without pauses, evaluation and saving. */
  seconds: number[];
  epoch: Column;
  loss: Column;
  eval_loss: Column;
  learning_rate: Column;
  grad_norm: Column;
  tokens_per_second: Column;
  loss_scale: Column;
}

export type Measure = Exclude<keyof Curves, "step" | "seconds" | "epoch">;

const measures: Measure[] = [
  "loss",
  "eval_loss",
  "learning_rate",
  "grad_norm",
  "tokens_per_second",
  "loss_scale",
];

export function newCurves(): Curves {
  return {
    step: [],
    seconds: [],
    epoch: [],
    loss: [],
    eval_loss: [],
    learning_rate: [],
    grad_norm: [],
    tokens_per_second: [],
    loss_scale: [],
  };
}

/** Takes an event; returns whether it had numbers. */
export function addEvent(curves: Curves, event: RunEvent): boolean {
  if (event.event !== "step" && event.event !== "eval") return false;
  const { step, seconds } = curves;
  let row = step.length - 1;
  if (row < 0 || step[row] !== event.step) {
    const before = row >= 0 ? { step: step[row], seconds: seconds[row] } : { step: 0, seconds: 0 };
    row++;
    step[row] = event.step;
    const stepSeconds = event.event === "step" ? event.step_ms / 1000 : 0;
    seconds[row] = before.seconds + stepSeconds * (event.step - before.step);
    for (const name of measures) curves[name][row] = null;
  }
  curves.epoch[row] = event.epoch;
  const values = event as unknown as Record<string, number | undefined>;
  for (const name of measures) {
    const value = values[name];
    if (value !== undefined) curves[name][row] = value;
  }
  return true;
}

/** Whether a column has any value. */
export function hasValues(column: Column): boolean {
  return column.some((value) => value !== null);
}

/**
 * Exponential moving average, m = w m + (1 - w) v, divided by 1 - wⁿ so that the first values are not
 * pulled to zero. Gaps stay gaps.
 */
export function smooth(values: Column, weight: number): Column {
  let mean = 0;
  let kept = 1;
  return values.map((value) => {
    if (value === null) return null;
    mean = weight * mean + (1 - weight) * value;
    kept *= weight;
    return mean / (1 - kept);
  });
}

/** All points, one line to a step; RFC 4180. */
export function toCsv(curves: Curves): string {
  const columns = [
    "step",
    "epoch",
    "seconds",
    ...measures.filter((name) => hasValues(curves[name])),
  ];
  const lines = curves.step.map((_, row) =>
    columns.map((name) => curves[name as keyof Curves][row] ?? "").join(",")
  );
  return [columns.join(","), ...lines].map((line) => line + "\r\n").join("");
}
