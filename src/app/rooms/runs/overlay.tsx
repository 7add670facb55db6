// The curves of several runs in one drawing, step by step.

import { useEffect, useRef } from "preact/hooks";
import uPlot, { type AlignedData, type Series } from "uplot";
import "uplot/dist/uPlot.min.css";
import type { RunEvent } from "../../../train/events.ts";

export interface Curve {
  name: string;
  /** Ascending steps with the value at each. */
  points: [step: number, value: number][];
}

/** The values of a run that can be compared. */
export type Measure = "loss" | "eval_loss" | "learning_rate" | "grad_norm" | "tokens_per_second";

export function pointsOf(events: readonly RunEvent[], measure: Measure): Curve["points"] {
  return events.flatMap((event): Curve["points"] => {
    if (event.event !== "step" && event.event !== "eval") return [];
    const value = (event as unknown as Record<Measure, number | undefined>)[measure];
    return value === undefined ? [] : [[event.step, value]];
  });
}

// Told apart by their dashes too, not by colour alone.
const dashes = [[], [8, 4], [2, 3], [10, 3, 2, 3]];
const hues = [18, 210, 145, 280, 45, 330, 180, 100];

export function Overlay({ curves, log, label }: { curves: Curve[]; log: boolean; label: string }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = box.current!;
    const style = getComputedStyle(element);
    const series = curves.map(({ name }, i): Series => ({
      label: name,
      stroke: `hsl(${hues[i % hues.length]} 65% 50%)`,
      dash: dashes[i % dashes.length],
      width: 2,
      spanGaps: true,
    }));
    const axis = { stroke: style.color, grid: { stroke: style.borderColor } };
    const plot = new uPlot(
      {
        width: element.clientWidth,
        height: 300,
        series: [{ label: "step" }, ...series],
        scales: { x: { time: false }, y: { distr: log ? 3 : 1 } },
        axes: [axis, { ...axis, size: 60 }],
      },
      joined(curves),
      element,
    );
    const observer = new ResizeObserver(() =>
      plot.setSize({ width: element.clientWidth, height: 300 })
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [curves, log]);
  return <div class="overlay" ref={box} role="img" aria-label={label} />;
}

function joined(curves: Curve[]): AlignedData {
  if (curves.length === 0) return [[]];
  return uPlot.join(curves.map(({ points }) => [
    points.map(([step]) => step),
    points.map(([, value]) => value),
  ]));
}
