// Quantizing a weight on the device: floats go through one small buffer, piece by piece, and kernels
// leave codes and scales. They come from a file while the model is loaded, so that neither JavaScript
// nor the device holds a whole one; or an adapter has changed them on their way.

import EXACT from "../../shaders/exact_division.wgsl" with { type: "text" };
import fourBitSource from "../../shaders/quantize_4bit.wgsl" with { type: "text" };
import int8Source from "../../shaders/quantize_int8.wgsl" with { type: "text" };
import { assert, EftError } from "../errors.ts";
import type { TensorEntry } from "../files/safetensors.ts";
import { type Memory, Program } from "../gpu/program.ts";
import { type Dispatch, sizeOf, type Tensor, tensor } from "../graph/graph.ts";
import { linearDispatch, read, write } from "../graph/operations/kernel.ts";
import { dispatchesOnly } from "../graph/plan.ts";
import { expandWgsl } from "../graph/wgsl.ts";
import { bounds, codeOrder, dynamicMap } from "./four_bit.ts";
import type { FourBit } from "./format.ts";

/** Elements of a weight that are quantized at once, at most where rows allow. */
const pieceElements = 2 ** 21;

/**
 * Elements of a piece of `weight`; the last one may have less. It is whole rows, so many that the parts
 * of the next one begin on a boundary of 256 bytes.
 */
export function pieceSize({ shape: [rows, columns], quantized }: Tensor): number {
  const { format } = quantized!;
  const boundary = "block" in format ? 64 * format.block : 256 * columns;
  const rowStep = boundary / gcd(boundary, columns);
  const step = Math.max(1, Math.floor(pieceElements / columns / rowStep)) * rowStep;
  return Math.min(step, rows) * columns;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

const stored = {
  F32: { type: "f32", word: "f32", bytes: 4 },
  BF16: { type: "bf16", word: "u32", bytes: 2 },
  F16: { type: "f16", word: "u32", bytes: 2 },
};

/** A weight in floats, wherever they are. */
export type Stored = Pick<TensorEntry, "name" | "dtype" | "read">;

export function storedValues(name: string, values: Float32Array<ArrayBuffer>): Stored {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const read = (offset = 0, length = bytes.length - offset) =>
    Promise.resolve(bytes.subarray(offset, offset + length));
  return { name, dtype: "F32", read };
}

/** Values that the kernels read: `elements` of a weight from `first` on, in a buffer of their own. */
export interface Piece {
  tensor: Tensor;
  first: number;
  elements: number;
  dtype: "F32" | "BF16" | "F16";
}

/** How many block maxima a weight has, where those are quantized themselves. */
function wholeMaxima({ shape: [rows, columns], quantized }: Tensor): number | undefined {
  const { format } = quantized!;
  return format.kind === "nf4" || format.kind === "fp4"
    ? format.nested ? Math.ceil((rows * columns) / format.block) : undefined
    : undefined;
}

/** Makes the codes of a piece, and its maxima: in `maxima` where those are quantized afterwards. */
function quantizeDispatch(weight: Tensor, piece: Piece, maxima?: Tensor): Dispatch {
  const { format } = weight.quantized!;
  assert(format.kind !== "grouped", `${weight.name}: GPTQ weights come quantized`);
  const { type, word } = stored[piece.dtype];
  const values = { TYPE: type, STORED: word };
  return format.kind === "int8"
    ? int8Dispatch(weight, piece, values)
    : fourBitDispatch(weight, format, piece, maxima ?? weight.quantized!.parts[1], values);
}

/** Quantizes the maxima of a whole weight (double quantization); its map must be there. */
function nestDispatches(weight: Tensor, maxima: Tensor, BLOCKS: number): Dispatch[] {
  const [, small, nested] = weight.quantized!.parts;
  return [
    {
      label: "mean",
      source: expandWgsl(fourBitSource, { KERNEL: "mean", EXACT, BLOCKS }),
      workgroups: [1, 1, 1],
      bindings: [read(maxima), write(nested)],
    },
    linearDispatch(
      "nest",
      fourBitSource,
      Math.ceil(BLOCKS / 256),
      [read(maxima), write(nested), write(small)],
      { KERNEL: "nest", EXACT, BLOCKS },
    ),
  ];
}

/** Buffers that weights share while they are quantized, one after the other. */
export interface QuantizingScratch {
  /** Floats on their way. */
  piece: Tensor;
  /** Block maxima of a whole weight, before they are quantized. */
  maxima: Tensor;
}

export function quantizingScratch(weights: readonly Tensor[]): QuantizingScratch {
  const most = (name: string, size: (weight: Tensor) => number) =>
    tensor(name, [Math.max(0, ...weights.map(size))], "f32", "state");
  return {
    piece: most("piece", pieceSize),
    maxima: most("maxima", (weight) => wholeMaxima(weight) ?? 0),
  };
}

export class Quantizer {
  readonly #memory: Memory;
  readonly #scratch: QuantizingScratch;

  constructor(memory: Memory, scratch: QuantizingScratch) {
    this.#memory = memory;
    this.#scratch = scratch;
  }

  /** Fills the parts of `weight` from its values in a file. `progress` hears of bytes done. */
  async quantize(
    weight: Tensor,
    entry: Stored,
    progress?: (bytes: number) => Promise<void>,
  ): Promise<void> {
    await this.quantizePieces(weight, this.pieces(weight, entry, progress));
  }

  /** The same from all pieces of it. */
  async quantizePieces(weight: Tensor, pieces: AsyncIterable<Piece>): Promise<void> {
    const { maxima } = this.#scratch;
    const blocks = wholeMaxima(weight);
    for await (const piece of pieces) {
      await this.#run([quantizeDispatch(weight, piece, blocks === undefined ? undefined : maxima)]);
    }
    if (blocks === undefined) return;
    this.#memory.write(weight.quantized!.parts[2], dynamicMap());
    await this.#run(nestDispatches(weight, maxima, blocks));
  }

  /** Brings a weight to the device; a piece is there until the next one is asked for. */
  async *pieces(
    weight: Tensor,
    { name, dtype, read }: Stored,
    progress: (bytes: number) => Promise<void> = () => Promise.resolve(),
  ): AsyncGenerator<Piece> {
    if (dtype !== "F32" && dtype !== "BF16" && dtype !== "F16") {
      throw new EftError(
        "model",
        `The tensor ${name} is stored as ${dtype}; quantizing takes F32, F16 and BF16.`,
      );
    }
    const { bytes: size } = stored[dtype];
    const { piece: tensor } = this.#scratch;
    const count = sizeOf(weight);
    const step = pieceSize(weight);
    for (let first = 0; first < count; first += step) {
      const elements = Math.min(step, count - first);
      const bytes = await read(first * size, elements * size);
      this.#memory.write(tensor, wholeWords(bytes));
      yield { tensor, first, elements, dtype };
      await progress(bytes.length);
    }
  }

  async #run(dispatches: Dispatch[]): Promise<void> {
    const program = new Program(this.#memory, dispatchesOnly("quantize", dispatches));
    await program.bind([]);
    program.run();
  }

  /** Gives back what quantizing needed beside the weights. */
  destroy(): void {
    this.#memory.release(Object.values(this.#scratch));
  }
}

function fourBitDispatch(
  { quantized }: Tensor,
  { kind, block }: FourBit,
  { tensor, first, elements }: Piece,
  maxima: Tensor,
  values: Record<string, string>,
): Dispatch {
  const blocks = Math.ceil(elements / block);
  const order = codeOrder[kind];
  const packed = (codes: readonly number[]) =>
    codes.reduce((word, code, i) => word + code * 16 ** i, 0);
  return linearDispatch("quantize", fourBitSource, blocks, [
    read(tensor),
    write(quantized!.parts[0], first / 2, elements / 2),
    write(maxima, first / block * 4, blocks * 4),
  ], {
    ...values,
    KERNEL: "codes",
    EXACT,
    COUNT: elements,
    BLOCK: block,
    RANK: [...bounds(kind)].map((bound) => `u32(v > f32(${bound}))`).join(" + "),
    ORDER_LOW: packed(order.slice(0, 8)),
    ORDER_HIGH: packed(order.slice(8)),
  });
}

function int8Dispatch(
  weight: Tensor,
  { tensor, first, elements }: Piece,
  values: Record<string, string>,
): Dispatch {
  const [codes, maxima] = weight.quantized!.parts;
  const K = weight.shape[1];
  const N = elements / K;
  const ROWS = K % 4 === 0 ? 1 : 4;
  return linearDispatch("quantize", int8Source, Math.ceil(N / ROWS), [
    read(tensor),
    write(codes, first, elements),
    write(maxima, first / K * 4, N * 4),
  ], { ...values, EXACT, N, K, ROWS, ROUNDED: true });
}

function wholeWords(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (bytes.length % 4 === 0) return bytes;
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  padded.set(bytes);
  return padded;
}
