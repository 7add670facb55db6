// Chooses and builds the matrix product kernel of shaders/matmul.wgsl for one shape on one adapter.
// The kernel file states what is computed.

import { assert } from "../errors.ts";
import { formatName, groupsOf, partSpecs, type QuantFormat, wordsPerRow } from "../quant/format.ts";
import { expandWgsl } from "./wgsl.ts";
import template from "../../shaders/matmul.wgsl" with { type: "text" };

/** What is multiplied; letters and layouts as in shaders/matmul.wgsl. */
export interface MatmulShape {
  m: number;
  n: number;
  k: number;
  /** A is stored [K, M]. */
  transposeA?: boolean;
  /** B is stored [N, K], as the weight of a linear layer is. */
  transposeB?: boolean;
  bType?: "f32" | "f16" | "bf16";
  /** How A and C are stored, for the choice of a kernel; withHalves makes the kernel's WGSL so. */
  aType?: "f16";
  cType?: "f16";
  /** B is quantized, in place of `bType`: its codes are bound as B, its other parts after it. */
  bFormat?: QuantFormat;
  /** Row of the quantized weight at which the bound codes begin; the other parts are bound whole. */
  bRow?: number;
  /** Adds to C instead of overwriting it. */
  accumulate?: boolean;
  /** Adds a vector [N], bound after B. */
  bias?: boolean;
  alpha?: number;
  /** Elements from one line of A or C to the next, when they are ranges of a wider matrix. */
  lda?: number;
  ldc?: number;
  /** Element at which A or C starts. */
  aOffset?: number;
  cOffset?: number;
}

/** What the choice of a kernel needs to know about an adapter; `Limits` has it all. */
export interface DeviceProfile {
  /** The adapter is a CPU. */
  software: boolean;
  f16: boolean;
  /** Bytes. */
  maxWorkgroupStorage: number;
  maxInvocations: number;
  maxWorkgroupSizeX: number;
  adapter: string;
  /** Choices by `shapeKey` that go before the untuned ones. */
  kernels?: Record<string, KernelChoice>;
}

/**
 * A tile of C per workgroup: `lanesM` x `lanesN` invocations with `rows` x `columns` elements each.
 * "tile" passes A and B through workgroup memory, `depth` elements of K at a time; "rows" does not.
 * Every choice gives the same bits on one adapter.
 */
export interface KernelChoice {
  orientation: "rows" | "tile";
  lanesM: number;
  lanesN: number;
  rows: number;
  columns: number;
  depth: number;
}

export interface MatmulKernel {
  source: string;
  workgroups: [number, number, number];
  label: string;
}

/** Largest count of workgroups in one dimension that every adapter allows. */
const MAX_WORKGROUPS = 65535;

const STORED = { f32: ["f32", "vec4f"], f16: ["f16", "vec4<f16>"], bf16: ["u32", "vec2u"] };

/** The kernel for a shape. Bindings: A, B and its further parts, the bias if any, C. */
export function matmulKernel(
  shape: MatmulShape,
  profile: DeviceProfile,
  choice: KernelChoice = profile.kernels?.[shapeKey(shape)] ?? untuned(shape, profile),
): MatmulKernel {
  const { m, n, k, transposeA = false, transposeB = false, bType = "f32", alpha = 1 } = shape;
  const { bFormat } = shape;
  const { aOffset = 0, cOffset = 0, ldc = n } = shape;
  const aLine = transposeA ? m : k;
  const bLine = transposeB ? k : n;
  const { lda = aLine } = shape;
  for (const size of [m, n, k]) assert(Number.isInteger(size) && size > 0, `matmul of ${size}`);
  assert(lda >= aLine && ldc >= n, "matmul: a line is shorter than what it holds");
  assert(bType !== "f16" || profile.f16, "matmul: this adapter has no f16");
  assert(fits(choice, profile), "matmul: the tile exceeds the limits of the adapter");

  const staged = choice.orientation === "tile";
  const { lanesM, lanesN, rows, columns, depth } = choice;
  const tileM = lanesM * rows;
  const tileN = lanesN * columns;
  assert(columns % 4 === 0, "matmul: columns come in fours");
  assert(rows % 4 === 0 || !(staged || transposeA), "matmul: rows come in fours");
  const stageable = tileM % 32 === 0 && tileN % 32 === 0 && depth % 4 === 0;
  assert(!staged || stageable, "matmul: staged tiles are multiples of 32 x 32 by 4");
  const tilesM = Math.ceil(m / tileM);
  const tilesN = Math.ceil(n / tileN);
  assert(tilesN <= MAX_WORKGROUPS, "matmul: too many columns for this tile");

  const aVector = [aLine, lda, aOffset].every((extent) => extent % 4 === 0);
  const bVector = bLine % 4 === 0;
  const pastK = k % (staged ? depth : 4) !== 0;
  const itemsA = transposeA ? depth * tileM / 4 : depth * tileM / 16;
  const itemsB = transposeB ? depth * tileN / 16 : depth * tileN / 4;

  const source = expandWgsl(template, {
    M: m,
    N: n,
    K: k,
    LDA: lda,
    LDC: ldc,
    A_OFFSET: aOffset,
    C_OFFSET: cOffset,
    A_T: transposeA,
    B_T: transposeB,
    A_LINE: aLine,
    B_LINE: bLine,
    A_PAST: transposeA ? m % tileM !== 0 : pastK,
    B_PAST: transposeB ? pastK : n % tileN !== 0,
    A_VECTOR: aVector,
    B_VECTOR: bVector,
    C_VECTOR: [n, ldc, cOffset].every((extent) => extent % 4 === 0),
    ...(bFormat ? decoderValues(bFormat, bLine, shape.bRow ?? 0) : plainValues),
    B_TYPE: bFormat?.kind ?? bType,
    B_STORED: bFormat ? "u32" : STORED[bType][bVector ? 1 : 0]!,
    M_GUARD: m % tileM !== 0,
    N_GUARD: n % tileN !== 0,
    BIAS: shape.bias ? 1 : 0,
    ACCUMULATE: shape.accumulate ?? false,
    ALPHA: literal(alpha),
    STAGED: staged,
    QUAD_ROWS: staged || transposeA,
    LANES_M: lanesM,
    LANES_N: lanesN,
    ROWS: rows,
    COLUMNS: columns,
    DEPTH: depth,
    TILE_M: tileM,
    TILE_N: tileN,
    ITEMS_A: itemsA,
    ITEMS_B: itemsB,
    LOADS_A: Math.ceil(itemsA / (lanesM * lanesN)),
    LOADS_B: Math.ceil(itemsB / (lanesM * lanesN)),
  });
  return {
    source,
    workgroups: [Math.min(tilesM, MAX_WORKGROUPS), tilesN, Math.ceil(tilesM / MAX_WORKGROUPS)],
    label: `matmul ${shapeKey(shape)}, ${describe(choice)}`,
  };
}

const plainValues = {
  B_ROW: 0,
  B_PARTS: 0,
  BLOCK: 0,
  NESTED: false,
  BITS: 0,
  MASK: 0,
  TAKEN: 0,
  WORDS: 0,
  GROUP: 0,
  GROUPS: 0,
  ORDERED: false,
  SCALES: "",
};

/** What a decoder must know of B; `columns` is the length of a weight's row. */
function decoderValues(format: QuantFormat, columns: number, row: number) {
  const values = { ...plainValues, B_ROW: row, B_PARTS: partSpecs(format, 1, columns).length - 1 };
  if (format.kind === "int8") return values;
  if (format.kind !== "grouped") return { ...values, BLOCK: format.block, NESTED: format.nested };
  return {
    ...values,
    BITS: format.bits,
    MASK: 2 ** format.bits - 1,
    TAKEN: format.bits * (columns % 4 === 0 ? 4 : 1),
    WORDS: wordsPerRow(format, columns),
    GROUP: format.group,
    GROUPS: groupsOf(format, columns),
    ORDERED: format.ordered,
    SCALES: format.scales,
  };
}

/** What decides the best choice: sizes, layouts, element type and alignment. */
export function shapeKey(shape: MatmulShape): string {
  const { m, n, k, transposeA, transposeB, bType = "f32" } = shape;
  const { lda = 0, ldc = 0, aOffset = 0, cOffset = 0 } = shape;
  const letters = (transposeA ? "T" : "N") + (transposeB ? "T" : "N");
  const aligned = [lda, ldc, aOffset, cOffset].every((extent) => extent % 4 === 0);
  const b = shape.bFormat ? formatName(shape.bFormat) : bType;
  const halves = (shape.aType ? " from f16" : "") + (shape.cType ? " to f16" : "");
  return `${letters} ${m}x${n}x${k} ${b}${halves}${aligned ? "" : " unaligned"}`;
}

/** Choices worth measuring for a shape; the first is the one used without a measurement. */
export function matmulCandidates(shape: MatmulShape, profile: DeviceProfile): KernelChoice[] {
  const first = untuned(shape, profile);
  const others = profile.software ? SOFTWARE : GRAPHICS;
  const useful = ({ lanesM, lanesN, rows, columns }: KernelChoice) =>
    lanesM * rows < 2 * Math.max(shape.m, 32) && lanesN * columns < 2 * Math.max(shape.n, 32);
  const names = new Set([describe(first)]);
  return [
    first,
    ...others.filter((choice) => {
      const name = describe(choice);
      if (names.has(name) || !useful(choice) || !fits(choice, profile)) return false;
      names.add(name);
      return true;
    }),
  ];
}

/** A name for reports. */
export function describe({ orientation, lanesM, lanesN, rows, columns, depth }: KernelChoice) {
  const tile = `${lanesM}x${lanesN} lanes of ${rows}x${columns}`;
  return orientation === "tile" ? `${tile} by ${depth}` : tile;
}

type Four = [lanesM: number, lanesN: number, rows: number, columns: number];

const inRegisters = (...[lanesM, lanesN, rows, columns]: Four): KernelChoice => //
({ orientation: "rows", lanesM, lanesN, rows, columns, depth: 4 });

const inWorkgroup = (depth: number, ...[lanesM, lanesN, rows, columns]: Four): KernelChoice => //
({ orientation: "tile", lanesM, lanesN, rows, columns, depth });

/** From the largest to the smallest; each needs at most 16 KiB and 256 invocations. */
const TILES: KernelChoice[] = [
  inWorkgroup(16, 16, 16, 8, 8), // 128 x 128
  inWorkgroup(16, 16, 16, 8, 4), // 128 x 64
  inWorkgroup(16, 8, 16, 8, 8), // 64 x 128
  inWorkgroup(16, 16, 16, 4, 4), // 64 x 64
  inWorkgroup(16, 8, 8, 8, 8),
  inWorkgroup(16, 8, 8, 8, 4), // 64 x 32
  inWorkgroup(16, 8, 8, 4, 8), // 32 x 64
  inWorkgroup(32, 8, 8, 4, 4), // 32 x 32
];

const GRAPHICS: KernelChoice[] = [
  ...TILES,
  inRegisters(8, 8, 4, 4),
  inRegisters(8, 8, 8, 4),
  inRegisters(4, 16, 4, 4),
  inRegisters(4, 16, 4, 8),
];

const SOFTWARE: KernelChoice[] = [
  inRegisters(8, 1, 8, 8),
  inRegisters(1, 8, 8, 8),
  inRegisters(8, 1, 8, 16),
  inRegisters(8, 1, 16, 16),
  inRegisters(8, 1, 4, 8),
  inRegisters(1, 8, 4, 8),
];

/** Workgroups that keep a GPU busy; where a tile gives fewer, a smaller one is better. */
const BUSY = 128;

/** Operations for which a CPU adapter's longer compilation is soon repaid. */
const LARGE = 2 ** 28;

function untuned(shape: MatmulShape, profile: DeviceProfile): KernelChoice {
  const { m, n } = shape;
  if (profile.software) {
    // 16 x 16 is a quarter faster than 8 x 8, and takes four times as long to compile (0.4 s).
    if (m >= 128 && n >= 128 && 2 * m * n * shape.k >= LARGE) return inRegisters(8, 1, 16, 16);
    // Lanes go along the longer side; one invocation covers a short one.
    const rows = m <= 4 ? 4 : 8;
    const columns = n <= 4 ? 4 : 8;
    return m >= n || m >= 64 ? inRegisters(8, 1, rows, columns) : inRegisters(1, 8, rows, columns);
  }
  const possible = TILES.filter((choice) => fits(choice, profile));
  const enough = ({ lanesM, lanesN, rows, columns }: KernelChoice) => {
    const tileM = lanesM * rows;
    const tileN = lanesN * columns;
    const tiles = Math.ceil(m / tileM) * Math.ceil(n / tileN);
    return tileM <= Math.max(m, 32) && tileN <= Math.max(n, 32) && tiles >= BUSY;
  };
  return possible.find(enough) ?? possible.at(-1) ?? inRegisters(4, 4, 4, 4);
}

function fits(choice: KernelChoice, profile: DeviceProfile): boolean {
  const { orientation, lanesM, lanesN, rows, columns, depth } = choice;
  const bytes = orientation === "tile" ? 4 * depth * (lanesM * rows + lanesN * columns) : 0;
  const lanes = lanesM * lanesN;
  return bytes <= profile.maxWorkgroupStorage &&
    lanes <= Math.min(profile.maxInvocations, profile.maxWorkgroupSizeX);
}

/** A WGSL literal of an f32. */
function literal(value: number): string {
  assert(Number.isFinite(value), `matmul: alpha is ${value}`);
  const text = String(Math.fround(value));
  return /[.e]/.test(text) ? `${text}f` : `${text}.0f`;
}
