// A curve of a run as SVG text that needs no script: one or two lines over the steps.

/** Points [step, value] in the order of their steps. */
export type Points = readonly (readonly [number, number])[];

export interface Line {
  name: string;
  points: Points;
}

const width = 640, height = 220;
const margin = { left: 64, right: 12, top: 12, bottom: 28 };

/** The second line is dashed, so that it is told apart without colour. */
export function curveSvg(title: string, lines: readonly Line[]): string {
  const points = lines.flatMap((line) => line.points).filter(([, value]) => Number.isFinite(value));
  if (points.length === 0) return "";
  const [firstStep, lastStep] = extent(points.map(([step]) => step));
  const [low, high] = extent(points.map(([, value]) => value));
  const room = { x: width - margin.left - margin.right, y: height - margin.top - margin.bottom };
  const x = (step: number) => margin.left + share(step, firstStep, lastStep) * room.x;
  const y = (value: number) => margin.top + (1 - share(value, low, high)) * room.y;
  const grid = ticks(low, high).map((value) => {
    const at = y(value).toFixed(1);
    return `<line class="grid" x1="${margin.left}" x2="${
      width - margin.right
    }" y1="${at}" y2="${at}"/>` +
      `<text x="${margin.left - 6}" y="${at}" dy="0.32em" text-anchor="end">${short(value)}</text>`;
  });
  const steps = [...new Set([firstStep, Math.round((firstStep + lastStep) / 2), lastStep])]
    .map((step) =>
      `<text x="${x(step).toFixed(1)}" y="${height - 8}" text-anchor="middle">${step}</text>`
    );
  const drawn = lines.map(({ points }, i) => {
    const finite = points.filter(([, value]) => Number.isFinite(value));
    const path = finite.map(([step, value], n) =>
      `${n === 0 ? "M" : "L"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`
    ).join("");
    const dots = finite.length <= 12
      ? finite.map(([step, value]) =>
        `<circle class="line${i}" cx="${x(step).toFixed(1)}" cy="${y(value).toFixed(1)}" r="2.5"/>`
      ).join("")
      : "";
    return `<path class="line${i}" d="${path}"/>${dots}`;
  });
  const last = lines.filter(({ points }) => points.length > 0)
    .map(({ name, points }) => `${name} ${short(points.at(-1)![1])}`).join(", ");
  const label = escapeHtml(`${title} over steps ${firstStep} to ${lastStep}, at the end ${last}`);
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}">` +
    `${grid.join("")}${steps.join("")}${drawn.join("")}</svg>`;
}

export function escapeHtml(text: string): string {
  const names: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replace(/[&<>"]/g, (character) => names[character]);
}

function extent(values: readonly number[]): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [low, high];
}

/** Where a value lies between two others; in the middle when they are the same. */
function share(value: number, low: number, high: number): number {
  return high > low ? (value - low) / (high - low) : 0.5;
}

/** About four round values. */
function ticks(low: number, high: number): number[] {
  if (!(high > low)) return [low];
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough)!;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
}

/** Four digits that matter. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}
