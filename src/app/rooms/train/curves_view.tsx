// The curves of a run with one cursor for all, and what can be set and taken along of them.

import { computed, signal } from "@preact/signals";
import { curveFile, type Line } from "../../../export/curve.ts";
import { text } from "../../text.ts";
import { showBatch } from "./batch.tsx";
import { Chart, type Series } from "../../parts/chart.tsx";
import { type Curves, hasValues, type Measure, smooth, toCsv } from "./curves.ts";
import { saveFile } from "./save.ts";
import { curves, record, version } from "./state.ts";
import { shortNumber } from "../../parts/format.ts";

const smoothing = signal(0.6);
const log = signal(false);
const byTime = signal(false);
/** The row under the cursor. */
const cursor = signal<number | undefined>();

const words = text.train;

interface Drawn {
  measure: Measure;
  title: string;
  series: Series[];
}

/** What the charts draw; new columns each time, so that they see what has changed. */
const drawn = computed(() => {
  version.value;
  const x = [...byTime.value ? curves.seconds : curves.step];
  const charts: Drawn[] = [];
  const losses: Series[] = [
    { label: words.raw, values: [...curves.loss], color: "--curve-raw", width: 1 },
    {
      label: words.smoothed,
      values: smooth(curves.loss, smoothing.value),
      color: "--accent",
      width: 2,
    },
  ];
  if (hasValues(curves.eval_loss)) {
    losses.push({
      label: words.evaluation,
      values: [...curves.eval_loss],
      color: "--curve-evaluation",
      width: 2,
      points: true,
    });
  }
  charts.push({ measure: "loss", title: words.measures.loss, series: losses });
  const others: Measure[] = ["learning_rate", "grad_norm", "tokens_per_second", "loss_scale"];
  for (const measure of others.filter((each) => hasValues(curves[each]))) {
    const title = words.measures[measure];
    const values = [...curves[measure]];
    const series = [{ label: title, values, color: "--accent", width: 1.5 }];
    charts.push({ measure, title, series });
  }
  return { x, charts };
});

export function CurvesView() {
  const { x, charts } = drawn.value;
  if (x.length === 0) return <p class="quiet">{words.noCurves}</p>;
  return (
    <section aria-labelledby="curves-title">
      <div class="row between">
        <h3 id="curves-title">{words.curves}</h3>
        <Settings />
      </div>
      <div class="charts">
        {charts.map((chart) => <Figure key={chart.measure} x={x} {...chart} />)}
      </div>
      <Cursor />
      <p class="row">
        <button
          type="button"
          id="csv"
          onClick={() => saveFile(`${record.value!.id}.csv`, "text/csv", toCsv(curves))}
        >
          {words.csv}
        </button>
      </p>
    </section>
  );
}

function Settings() {
  return (
    <div class="row settings">
      <label class="row">
        {words.smoothing}
        <input
          id="smoothing"
          type="range"
          min="0"
          max="0.99"
          step="0.01"
          value={smoothing}
          onInput={({ currentTarget }) => smoothing.value = Number(currentTarget.value)}
        />
        <output class="figure">{smoothing.value.toFixed(2)}</output>
      </label>
      <label class="row">
        <input
          id="log-scale"
          type="checkbox"
          checked={log}
          onChange={({ currentTarget }) => log.value = currentTarget.checked}
        />
        {words.logScale}
      </label>
      <label class="row">
        {words.horizontal}
        <select
          id="across"
          onChange={({ currentTarget }) => byTime.value = currentTarget.value === "time"}
        >
          <option value="step" selected={!byTime.value}>{words.bySteps}</option>
          <option value="time" selected={byTime.value}>{words.byTime}</option>
        </select>
      </label>
    </div>
  );
}

function Figure({ measure, title, series, x }: Drawn & { x: number[] }) {
  const values = series[0].values.filter((value) => value !== null);
  const label = words.chart(
    title,
    shortNumber(values[0] ?? NaN),
    shortNumber(values.at(-1) ?? NaN),
    curves.step.at(-1)!,
  );
  return (
    <figure class={measure === "loss" ? "wide" : ""} data-measure={measure}>
      <figcaption class="row between">
        <span class="row">
          <strong>{title}</strong>
          {series.length > 1 &&
            series.map(({ label, color }) => (
              <span class={`key ${color.slice(2)}`} key={label}>{label}</span>
            ))}
        </span>
        <button
          type="button"
          class="plain small"
          aria-label={words.svg(title)}
          onClick={() => saveSvg({ measure, title, series }, x)}
        >
          {words.svgShort}
        </button>
      </figcaption>
      <Chart
        label={label}
        x={x}
        series={series}
        log={log.value}
        height={measure === "loss" ? 280 : 170}
        cursor={cursor}
        onPick={(row) => pick(row)}
      />
    </figure>
  );
}

/** The values under the cursor, and a slider that moves it by keyboard. */
function Cursor() {
  version.value;
  const rows = curves.step.length;
  const row = Math.min(cursor.value ?? rows - 1, rows - 1);
  const shown = (Object.keys(words.measures) as Measure[]).filter((measure) =>
    hasValues(curves[measure])
  );
  const valueText = [
    `${words.step} ${curves.step[row]}`,
    ...shown.map((measure) => `${words.measures[measure]} ${at(curves, measure, row)}`),
  ].join(", ");
  return (
    <div class="cursor card">
      <label class="field">
        {words.cursor}
        <input
          id="cursor"
          type="range"
          min="0"
          max={rows - 1}
          value={row}
          aria-valuetext={valueText}
          onInput={({ currentTarget }) => cursor.value = Number(currentTarget.value)}
        />
      </label>
      <dl>
        <div>
          <dt>{words.step}</dt>
          <dd>{curves.step[row]}</dd>
        </div>
        {shown.map((measure) => (
          <div key={measure}>
            <dt>{words.measures[measure]}</dt>
            <dd>{at(curves, measure, row)}</dd>
          </div>
        ))}
      </dl>
      <button type="button" id="show-batch" onClick={() => pick(row)}>
        {words.showBatch(Math.max(1, curves.step[row]))}
      </button>
    </div>
  );
}

function at(curves: Curves, measure: Measure, row: number): string {
  const value = curves[measure][row];
  return value === null || value === undefined ? words.none : shortNumber(value);
}

function pick(row: number): void {
  cursor.value = row;
  void showBatch(Math.max(1, curves.step[row])); // step 0 has an evaluation but no batch
}

/** How a line that has this colour on the screen looks on paper. */
const looks: Record<string, Line["look"]> = {
  "--accent": "main",
  "--curve-raw": "raw",
  "--curve-evaluation": "evaluation",
};

function saveSvg({ measure, title, series }: Drawn, x: number[]): void {
  const lines = series.map(({ label, color, values }): Line => ({
    name: label,
    look: looks[color],
    points: values.flatMap((value, row) => value === null ? [] : [[x[row], value]]),
  }));
  const across = byTime.value ? words.xSeconds : words.xStep;
  const svg = curveFile({ title, across, lines, log: log.value });
  saveFile(`${record.value!.id}-${measure}.svg`, "image/svg+xml", svg);
}
