// Curves of a run as an SVG drawing that needs no script: in the report, and as a file of its own.

import { shortNumber } from "./short_number.ts";

export interface Line {
  name: string;
  look: keyof typeof looks;
  /** [place on the x axis, value], in the order of the places. */
  points: readonly (readonly [number, number])[];
}

export interface Curve {
  title: string;
  /** What the x axis counts: "Step". */
  across: string;
  lines: readonly Line[];
  /** Powers of ten at equal distances, without what is not positive. */
  log?: boolean;
}

/** Colours on paper, dashes in units of the drawing; told apart without colour too. */
const looks = {
  raw: { color: "#d9a58f", width: 1, dash: "none" },
  main: { color: "#a83c15", width: 2, dash: "none" },
  evaluation: { color: "#1b5e8a", width: 2, dash: "6 4" },
};

const [width, height] = [800, 320];
const edge = { left: 70, right: 16, top: 44, bottom: 44 };
const room = { x: width - edge.left - edge.right, y: height - edge.top - edge.bottom };
/** Lines of so few points have them marked. */
const fewPoints = 12;

/** The drawing as a file. */
export function curveFile(curve: Curve): string {
  return curveSvg(curve).replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"') + "\n";
}

/**
 * The drawing inside of a page, whose style sheet may set other colours (`color` of the classes that
 * are named as the looks). It is empty where there is no point.
 */
export function curveSvg({ title, across, lines, log = false }: Curve): string {
  const isDrawn = (value: number) => Number.isFinite(value) && (!log || value > 0);
  const drawn = lines
    .map((line) => ({ ...line, points: line.points.filter(([, value]) => isDrawn(value)) }))
    .filter(({ points }) => points.length > 0);
  if (drawn.length === 0) return "";
  const scale = log ? Math.log10 : (value: number) => value;
  const all = drawn.flatMap(({ points }) => points);
  const [low, high] = bounds(all.map(([, value]) => scale(value)));
  const places = all.map(([at]) => at);
  const [first, last] = bounds(places);
  const x = (at: number) => (edge.left + (at - first) / (last - first) * room.x).toFixed(1);
  const y = (value: number) =>
    (edge.top + (high - scale(value)) / (high - low) * room.y).toFixed(1);

  const rows = ticks(low, high, log).map((value) =>
    `<path class="grid" stroke="#d8d8d8" d="M${edge.left} ${y(value)}h${room.x}"/>` +
    label(edge.left - 8, Number(y(value)) + 4, "end", shortNumber(value))
  );
  const columns = ticks(first, last, false).filter(Number.isInteger).map((at) =>
    label(x(at), height - edge.bottom + 18, "middle", shortNumber(at))
  );
  const curves = drawn.map(({ look, points }) => {
    const path = points.map(([at, value]) => `${x(at)},${y(value)}`).join(" ");
    const dots = points.length > fewPoints
      ? []
      : points.map(([at, value]) =>
        `<circle fill="currentColor" cx="${x(at)}" cy="${y(value)}" r="2.5"/>`
      );
    return styled(look, `<polyline ${stroke(look)} points="${path}"/>${dots.join("")}`);
  });
  const ends = drawn.map(({ name, points }) => `${name} ${shortNumber(points.at(-1)![1])}`);
  const [from, to] = extent(places).map(shortNumber);
  const said = `${title}, ${across} ${from} to ${to}, at the end ${ends.join(", ")}`;
  return [
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(said)}" ` +
    `font-family="system-ui, sans-serif" font-size="12" fill="#444">`,
    `<rect class="paper" width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${edge.left}" y="24" font-size="16">${escapeHtml(title)}</text>`,
    ...rows,
    ...columns,
    label(edge.left + room.x / 2, height - 8, "middle", across),
    ...curves,
    ...drawn.length > 1 ? legend(drawn) : [],
    "</svg>",
  ].join("\n");
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

/** The names of the lines beside the title, from the right. */
function legend(lines: readonly Line[]): string[] {
  let at = width - edge.right;
  return lines.toReversed().map(({ name, look }) => {
    const words = label(at, 24, "end", name);
    at -= name.length * 7 + 8;
    const sample = styled(look, `<path ${stroke(look)} d="M${at} 20h-24"/>`);
    at -= 44;
    return sample + words;
  });
}

function styled(look: Line["look"], content: string): string {
  return `<g class="${look}" color="${looks[look].color}">${content}</g>`;
}

function stroke(look: Line["look"]): string {
  const { width, dash } = looks[look];
  return `fill="none" stroke="currentColor" stroke-width="${width}" stroke-dasharray="${dash}" ` +
    `stroke-linejoin="round"`;
}

function label(x: number | string, y: number, anchor: string, text: string): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}">${escapeHtml(text)}</text>`;
}

function extent(values: readonly number[]): [number, number] {
  return [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
}

/** The least and the greatest value, moved apart where they are the same. */
function bounds(values: readonly number[]): [number, number] {
  const [low, high] = extent(values);
  return low < high ? [low, high] : [low - 0.5, high + 0.5];
}

/** About five round numbers between two values; with `log` these are exponents of ten. */
function ticks(low: number, high: number, log: boolean): number[] {
  if (log && high - low > 1) {
    const step = Math.max(1, Math.round((high - low) / 6));
    return range(Math.ceil(low), high, step).map((exponent) => 10 ** exponent);
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
