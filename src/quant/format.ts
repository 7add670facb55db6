// The quantized forms a frozen matrix [N, K] is held in, and how many words each of their parts has.
// The decoders are in shaders/matmul.wgsl; a form is the same whether Eft quantized the weight itself
// or read it from a file.

/** How a matrix is held. */
export type QuantFormat = FourBit | Int8 | Grouped;

/**
 * bitsandbytes: a code of 16 values times the absolute maximum of its block, over the flattened
 * matrix (Dettmers et al. 2023, arXiv:2305.14314, section 3).
 */
export interface FourBit {
  kind: "nf4" | "fp4";
  /** Elements of a block. */
  block: number;
  /** Block maxima are 8-bit codes themselves, in blocks of 256 (double quantization). */
  nested: boolean;
}

/** Codes of -127 to 127 times the row's absolute maximum / 127 (Dettmers et al. 2022, arXiv:2208.07339). */
export interface Int8 {
  kind: "int8";
}

/**
 * GPTQ and AWQ: (code - zero) · scale, with a scale and a zero for each group of a row. Rows are bit
 * streams, low bits first, each row in whole words.
 */
export interface Grouped {
  kind: "grouped";
  bits: 2 | 3 | 4 | 8;
  /** Elements of a group; the whole row when it is K. */
  group: number;
  /** Groups are listed element by element (GPTQ's act-order), instead of following one another. */
  ordered: boolean;
  /** The 16-bit type of the scales. */
  scales: "f16" | "bf16";
}

/** Blocks of a block: how many maxima share one 8-bit scale. */
export const nestedBlock = 256;

/** Where the scales of the 8-bit codes begin: after the code book and the offset. */
export const nestedHeader = 257;

/** A buffer of a quantized matrix, in 32-bit words. */
export interface PartSpec {
  name: string;
  dtype: "u32" | "f32";
  words: number;
}

/** The parts of a matrix [rows, columns], in the order in which kernels bind them; codes first. */
export function partSpecs(format: QuantFormat, rows: number, columns: number): PartSpec[] {
  const elements = rows * columns;
  switch (format.kind) {
    case "int8":
      return [
        { name: "codes", dtype: "u32", words: Math.ceil(elements / 4) },
        { name: "maxima", dtype: "f32", words: rows },
      ];
    case "grouped": {
      const groups = groupsOf(format, columns);
      return [
        { name: "codes", dtype: "u32", words: rows * wordsPerRow(format, columns) },
        { name: "scales", dtype: "u32", words: rows * groups },
        ...(format.ordered ? [{ name: "groups", dtype: "u32" as const, words: columns }] : []),
      ];
    }
    default: {
      const blocks = Math.ceil(elements / format.block);
      const codes = { name: "codes", dtype: "u32" as const, words: Math.ceil(elements / 8) };
      if (!format.nested) return [codes, { name: "maxima", dtype: "f32", words: blocks }];
      return [
        codes,
        { name: "maxima", dtype: "u32", words: Math.ceil(blocks / 4) },
        { name: "nested", dtype: "f32", words: nestedHeader + Math.ceil(blocks / nestedBlock) },
      ];
    }
  }
}

export function groupsOf(format: Grouped, columns: number): number {
  return Math.ceil(columns / format.group);
}

export function wordsPerRow(format: Grouped, columns: number): number {
  return Math.ceil((columns * format.bits) / 32);
}

/** Bytes of the codes of one row; may be a fraction, where rows do not end on a byte. */
export function codeBytesPerRow(format: QuantFormat, columns: number): number {
  if (format.kind === "grouped") return 4 * wordsPerRow(format, columns);
  return format.kind === "int8" ? columns : columns / 2;
}

/** A name for keys and reports. */
export function formatName(format: QuantFormat): string {
  switch (format.kind) {
    case "int8":
      return "int8";
    case "grouped": {
      const order = format.ordered ? " ordered" : "";
      return `${format.bits}-bit groups of ${format.group}${order} ${format.scales}`;
    }
    default:
      return `${format.kind} blocks of ${format.block}${format.nested ? " nested" : ""}`;
  }
}
