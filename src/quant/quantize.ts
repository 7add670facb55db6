// Quantizing a weight on the device: floats go through one small buffer, piece by piece, and kernels
// leave codes and scales. They come from a file while the model is loaded, so that neither JavaScript
// nor the device holds a whole one; or from the weight itself, changed by an adapter.

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

/** Elements of a weight that are quantized at once; a multiple of every block and every alignment. */
const pieceElements = 2 ** 21;
/** Pieces of int8 are whole rows: multiples of this many, so that bindings are aligned. */
const rowStep = 256;

/** Elements of a piece of `weight`; the last one may have less. */
export function pieceSize({ shape: [, columns], quantized }: Tensor): number {
  return quantized!.format.kind === "int8"
    ? Math.max(1, Math.floor(pieceElements / columns / rowStep)) * rowStep * columns
    : pieceElements;
}

const stored = {
  F32: { type: "f32", word: "f32", bytes: 4 },
  BF16: { type: "bf16", word: "u32", bytes: 2 },
  F16: { type: "f16", word: "u32", bytes: 2 },
};

/** Values that the kernels read: `elements` of a weight from `first` on, in a buffer of their own. */
export interface Piece {
  tensor: Tensor;
  first: number;
  elements: number;
  dtype: "F32" | "BF16" | "F16";
}

/** How many block maxima a weight has, where those are quantized themselves. */
export function wholeMaxima({ shape: [rows, columns], quantized }: Tensor): number | undefined {
  const { format } = quantized!;
  return format.kind === "nf4" || format.kind === "fp4"
    ? format.nested ? Math.ceil((rows * columns) / format.block) : undefined
    : undefined;
}

/** Makes the codes of a piece, and its maxima: in `maxima` where those are quantized afterwards. */
export function quantizeDispatch(weight: Tensor, piece: Piece, maxima?: Tensor): Dispatch {
  const { format } = weight.quantized!;
  assert(format.kind !== "grouped", `${weight.name}: GPTQ weights come quantized`);
  const { type, word } = stored[piece.dtype];
  const values = { TYPE: type, STORED: word };
  return format.kind === "int8"
    ? int8Dispatch(weight, piece, values)
    : fourBitDispatch(weight, format, piece, maxima ?? weight.quantized!.parts[1], values);
}

/** Quantizes the maxima of a whole weight (double quantization); its map must be there. */
export function nestDispatches(weight: Tensor, maxima: Tensor, BLOCKS: number): Dispatch[] {
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

export class Quantizer {
  readonly #memory: Memory;
  /** Buffers by name and size: what is on its way, and block maxima before they are nested. */
  readonly #scratch = new Map<string, Tensor>();

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  /** Fills the parts of `weight` from its tensor in a file. `progress` hears of bytes done. */
  async quantize(
    weight: Tensor,
    entry: Pick<TensorEntry, "name" | "dtype" | "read">,
    progress: (bytes: number) => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    const { dtype } = entry;
    if (dtype !== "F32" && dtype !== "BF16" && dtype !== "F16") {
      throw new EftError(
        "model",
        `The tensor ${entry.name} is stored as ${dtype}; quantizing takes F32, F16 and BF16.`,
      );
    }
    const { bytes: size } = stored[dtype];
    const count = sizeOf(weight);
    const step = pieceSize(weight);
    const tensor = this.#buffer("piece", "u32", Math.ceil(Math.min(step, count) * size / 4));
    const blocks = wholeMaxima(weight);
    const maxima = blocks === undefined ? undefined : this.#buffer("maxima", "f32", blocks);
    for (let first = 0; first < count; first += step) {
      const elements = Math.min(step, count - first);
      const bytes = await entry.read(first * size, elements * size);
      this.#memory.write(tensor, wholeWords(bytes));
      await this.#run([quantizeDispatch(weight, { tensor, first, elements, dtype }, maxima)]);
      await progress(bytes.length);
    }
    if (blocks === undefined) return;
    this.#memory.write(weight.quantized!.parts[2], dynamicMap());
    await this.#run(nestDispatches(weight, maxima!, blocks));
  }

  #buffer(name: string, dtype: "u32" | "f32", words: number): Tensor {
    const key = `${name} ${words}`;
    const made = this.#scratch.get(key) ?? tensor(name, [words], dtype, "state");
    this.#scratch.set(key, made);
    return made;
  }

  async #run(dispatches: Dispatch[]): Promise<void> {
    const program = new Program(this.#memory, dispatchesOnly("quantize", dispatches));
    await program.bind([]);
    program.run();
  }

  /** Gives back what quantizing needed beside the weights. */
  destroy(): void {
    this.#memory.release([...this.#scratch.values()]);
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
