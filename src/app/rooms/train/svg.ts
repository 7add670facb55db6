// Draws a curve as an SVG file of its own, from the data and not from the pixels on the screen.

import { shortNumber } from "../../parts/format.ts";

export interface Line {
  label: string;
  values: readonly (number | null)[];
  color: string;
  width: number;
}

const [width, height] = [800, 400];
const edge = { left: 70, right: 16, top: 44, bottom: 44 };

/** `x` ascends; `log` draws powers of ten at equal distances and leaves out what is not positive. */
export function curveSvg(
  { title, xLabel, x, lines, log }: {
    title: string;
    xLabel: string;
    x: readonly number[];
    lines: readonly Line[];
    log: boolean;
  },
): string {
  const scale = log ? Math.log10 : (value: number) => value;
  const isDrawn = (value: number | null): value is number =>
    value !== null && Number.isFinite(value) && (!log || value > 0);
  const [low, high] = bounds(lines.flatMap(({ values }) => values.filter(isDrawn)).map(scale));
  const [first, last] = bounds(x);
  const atX = (value: number) =>
    edge.left + (value - first) / (last - first) * (width - edge.left - edge.right);
  const atY = (value: number) =>
    height - edge.bottom - (scale(value) - low) / (high - low) * (height - edge.top - edge.bottom);
  const paths = lines.map(({ values, color, width }) => {
    const points = values.flatMap((value, i) =>
      isDrawn(value) ? [`${atX(x[i]).toFixed(2)},${atY(value).toFixed(2)}`] : []
    );
    return `<polyline fill="none" stroke="${color}" stroke-width="${width}" ` +
      `stroke-linejoin="round" points="${points.join(" ")}"/>`;
  });
  const yTicks = ticks(low, high, log).map((value) => {
    const y = atY(value).toFixed(2);
    return `<path stroke="#d8d8d8" d="M${edge.left} ${y}H${width - edge.right}"/>` +
      `<text x="${edge.left - 8}" y="${y}" dy="4" text-anchor="end">${shortNumber(value)}</text>`;
  });
  const xTicks = ticks(first, last, false).map((value) =>
    `<text x="${atX(value).toFixed(2)}" y="${height - edge.bottom + 18}" ` +
    `text-anchor="middle">${shortNumber(value)}</text>`
  );
  let at = width - edge.right;
  const legend = lines.length < 2 ? [] : [...lines].reverse().map(({ label, color }) => {
    const text = `<text x="${at}" y="24" text-anchor="end" fill="${color}">${
      escaped(label)
    }</text>`;
    at -= label.length * 7 + 20;
    return text;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ` +
    `font-family="system-ui, sans-serif" font-size="12" fill="#444">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${edge.left}" y="24" font-size="16" fill="#111">${escaped(title)}</text>`,
    ...yTicks,
    ...xTicks,
    `<text x="${(edge.left + width - edge.right) / 2}" y="${height - 8}" ` +
    `text-anchor="middle">${escaped(xLabel)}</text>`,
    ...paths,
    ...legend,
    "</svg>\n",
  ].join("\n");
}

/** The least and the greatest value, never the same. */
function bounds(values: readonly number[]): [number, number] {
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  if (low > high) return [0, 1];
  return low < high ? [low, high] : [low - 0.5, high + 0.5];
}

/** Round numbers between two values; with `log` these are exponents of ten. */
function ticks(low: number, high: number, log: boolean): number[] {
  if (log && high - low > 1) {
    const first = Math.ceil(low);
    const step = Math.max(1, Math.round((high - low) / 6));
    return range(first, high, step).map((exponent) => 10 ** exponent);
  }
  const [from, to] = log ? [10 ** low, 10 ** high] : [low, high];
  const rough = (to - from) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough)!;
  return range(Math.ceil(from / step - 1e-9) * step, to, step);
}

function range(first: number, last: number, step: number): number[] {
  const count = Math.floor((last - first) / step + 1e-9) + 1;
  return Array.from({ length: Math.max(0, count) }, (_, i) => first + i * step);
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
}
