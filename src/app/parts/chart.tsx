// A curve chart. Charts with the same rows share one cursor, which is the index of a row.

import type { Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { color, onNewColors } from "./colors.ts";
import { shortNumber } from "./format.ts";

export interface Series {
  label: string;
  values: readonly (number | null)[];
  /** A variable of the style sheet: "--accent". */
  color: string;
  width: number;
  /** Lengths of dashes and gaps; whole by default. */
  dash?: number[];
  /** Draw the points too, for values that come rarely. */
  points?: boolean;
}

export interface ChartProps {
  /** What a screen reader says of the drawing. */
  label: string;
  x: readonly number[];
  series: readonly Series[];
  log: boolean;
  height: number;
  cursor: Signal<number | undefined>;
  /** A click on a row. */
  onPick?: (row: number) => void;
}

export function Chart({ label, x, series, log, height, cursor, onPick }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const pick = useRef(onPick);
  pick.current = onPick;

  useEffect(() => {
    const element = box.current!;
    const made = new uPlot(options(), data(), element);
    plot.current = made;
    const resized = new ResizeObserver(() => {
      const { clientWidth } = element;
      if (clientWidth !== made.width && clientWidth > 0) {
        made.setSize({ width: clientWidth, height });
      }
    });
    resized.observe(element);
    const endColors = onNewColors(() => made.redraw(false));
    made.over.addEventListener("click", ({ clientX }) => {
      // The cursor follows a frame later.
      pick.current?.(made.posToIdx(clientX - made.over.getBoundingClientRect().left));
    });
    // The cursor of the other charts, or of the slider, is drawn here too.
    const endCursor = cursor.subscribe((row) => {
      if (row === made.cursor.idx || row === undefined) return;
      const at = made.data[0][row];
      if (at !== undefined) made.setCursor({ left: made.valToPos(at, "x"), top: -10 }, false);
    });
    return () => {
      resized.disconnect();
      endColors();
      endCursor();
      made.destroy();
    };
  }, [log, series.map((each) => each.label).join()]);

  useEffect(() => plot.current!.setData(data()), [x, ...series.map(({ values }) => values)]);

  function data(): uPlot.AlignedData {
    // The scale of powers of ten has no place for zero.
    const drawn = series.map(({ values }) =>
      log ? values.map((value) => value !== null && value > 0 ? value : null) : values
    );
    return [x, ...drawn] as unknown as uPlot.AlignedData;
  }

  function options(): uPlot.Options {
    const axis = {
      stroke: () => color("--quiet"),
      grid: { stroke: () => color("--line"), width: 1 },
      ticks: { stroke: () => color("--line"), width: 1, size: 4 },
      font: "12px system-ui, sans-serif",
    };
    return {
      width: box.current!.clientWidth,
      height,
      padding: [8, 12, 0, 0],
      legend: { show: false },
      scales: {
        x: { time: false, range: (_, from, to) => [from, to > from ? to : from + 1] },
        y: { distr: log ? 3 : 1 },
      },
      axes: [
        {
          ...axis,
          size: 28,
          grid: { show: false },
          values: (_, splits) => splits.map((at) => Number.isInteger(at) ? shortNumber(at) : ""),
        },
        {
          ...axis,
          size: 64,
          values: (_, splits) => splits.map((split) => split === null ? "" : shortNumber(split)),
        },
      ],
      series: [
        {},
        ...series.map(({ label, color: variable, width, dash, points }) => ({
          label,
          ...(dash ? { dash } : {}),
          stroke: () => color(variable),
          width,
          spanGaps: true,
          points: { show: points === true, size: 6, fill: () => color(variable) },
        })),
      ],
      cursor: {
        drag: { x: false, y: false },
        y: false,
        points: { size: 7, fill: (self, i) => (self.series[i].stroke as () => string)() },
      },
      hooks: {
        setCursor: [({ cursor: { idx, left } }) => {
          if (typeof idx === "number" && left! >= 0) cursor.value = idx;
        }],
      },
    };
  }

  return <div class="chart" ref={box} role="img" aria-label={label} />;
}
