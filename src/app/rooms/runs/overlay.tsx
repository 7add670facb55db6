// The curves of several runs in one drawing, step by step, and their values under its cursor.

import { signal } from "@preact/signals";
import type { RunEvent } from "../../../train/events.ts";
import { Chart } from "../../parts/chart.tsx";
import { shortNumber } from "../../parts/format.ts";
import { text } from "../../text.ts";
import { addEvent, type Curves, type Measure, newCurves } from "../train/curves.ts";

export interface RunCurve {
  id: string;
  name: string;
  curves: Curves;
}

export function curvesOf(events: readonly RunEvent[]): Curves {
  const curves = newCurves();
  for (const event of events) addEvent(curves, event);
  return curves;
}

const colors = 6;
// Told apart by their dashes too, not by colour alone.
const dashes = [[], [8, 4], [2, 3], [10, 3, 2, 3]];

interface OverlayProps {
  runs: readonly RunCurve[];
  measure: Measure;
  log: boolean;
  label: string;
}

export function Overlay({ runs, measure, log, label }: OverlayProps) {
  const x = [...new Set(runs.flatMap(({ curves }) => curves.step))].sort((a, b) => a - b);
  const series = runs.map(({ id, curves }, i) => {
    const values = new Map(curves.step.map((step, row) => [step, curves[measure][row]]));
    return {
      label: id,
      values: x.map((step) => values.get(step) ?? null),
      color: colorOf(i),
      dash: dashes[i % dashes.length],
      width: 2,
      points: measure === "eval_loss",
    };
  });
  const row = Math.min(cursor.value ?? x.length - 1, x.length - 1);
  return (
    <figure class="overlay card">
      <figcaption class="row">
        <span class="quiet">{text.runs.atStep(x[row])}</span>
        {runs.map(({ id, name }, i) => (
          <span key={id} class="key">
            <svg viewBox="0 0 32 6" width="32" height="6" aria-hidden="true">
              <path
                d="M0 3h32"
                class={`run-${i % colors}`}
                stroke-width="3"
                stroke-dasharray={dashes[i % dashes.length].join(" ")}
              />
            </svg>
            {name} <strong>{lastValue(series[i].values.slice(0, row + 1))}</strong>
          </span>
        ))}
      </figcaption>
      <Chart label={label} x={x} series={series} log={log} height={300} cursor={cursor} />
    </figure>
  );
}

const cursor = signal<number | undefined>();

/** The newest number of a column, as text. */
export function lastValue(values: readonly (number | null)[]): string {
  const value = values.findLast((value) => value !== null);
  return typeof value === "number" ? shortNumber(value) : text.runs.none;
}

function colorOf(run: number): string {
  return `--run-${run % colors}`;
}
