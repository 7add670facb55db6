// Quantizing a weight on the device while it is loaded: pieces of the file go through one small
// buffer, kernels leave codes and scales. Neither JavaScript nor the device holds a whole model.

import EXACT from "../../shaders/exact_division.wgsl" with { type: "text" };
import fourBitSource from "../../shaders/quantize_4bit.wgsl" with { type: "text" };
import int8Source from "../../shaders/quantize_int8.wgsl" with { type: "text" };
import { assert, EftError } from "../errors.ts";
import type { Dtype } from "../files/dtype.ts";
import type { TensorEntry } from "../files/safetensors.ts";
import { type Memory, Program } from "../gpu/program.ts";
import { type Dispatch, type Tensor, tensor } from "../graph/graph.ts";
import { linearDispatch, read, write } from "../graph/operations/kernel.ts";
import { dispatchesOnly } from "../graph/plan.ts";
import { expandWgsl } from "../graph/wgsl.ts";
import { bounds, codeOrder, dynamicMap } from "./four_bit.ts";
import type { FourBit } from "./format.ts";

/** Elements of a weight that are quantized at once; a multiple of every block and every alignment. */
export const pieceElements = 2 ** 21;
/** Pieces of int8 are whole rows: multiples of this many, so that bindings are aligned. */
const rowStep = 256;

const stored: Partial<Record<Dtype, { type: string; word: string; bytes: number }>> = {
  F32: { type: "f32", word: "f32", bytes: 4 },
  BF16: { type: "bf16", word: "u32", bytes: 2 },
  F16: { type: "f16", word: "u32", bytes: 2 },
};

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
    entry: TensorEntry,
    progress: (bytes: number) => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    const { format } = weight.quantized!;
    const element = stored[entry.dtype];
    if (!element) {
      throw new EftError(
        "model",
        `The tensor ${entry.name} is stored as ${entry.dtype}; quantizing takes F32, F16 and BF16.`,
      );
    }
    assert(format.kind !== "grouped", `${weight.name}: GPTQ weights come quantized`);
    const [rows, columns] = weight.shape;
    const count = rows * columns;
    const step = format.kind === "int8"
      ? Math.max(1, Math.floor(pieceElements / columns / rowStep)) * rowStep * columns
      : pieceElements;
    const piece = this.#buffer("piece", "u32", Math.min(step, count) * element.bytes);
    for (let first = 0; first < count; first += step) {
      const elements = Math.min(step, count - first);
      const bytes = await entry.read(first * element.bytes, elements * element.bytes);
      this.#memory.write(piece, wholeWords(bytes));
      const values = { TYPE: element.type, STORED: element.word };
      const dispatch = format.kind === "int8"
        ? int8Dispatch(weight, piece, first, elements, values)
        : this.#codes(weight, format, piece, first, elements, values);
      await this.#run([dispatch]);
      await progress(bytes.length);
    }
    if (format.kind !== "int8" && format.nested) await this.#nest(weight, format);
  }

  #codes(
    weight: Tensor,
    format: FourBit,
    piece: Tensor,
    first: number,
    elements: number,
    values: Record<string, string | number>,
  ): Dispatch {
    const { parts } = weight.quantized!;
    const maxima = format.nested ? this.#maxima(weight, format) : parts[1];
    const blocks = Math.ceil(elements / format.block);
    const order = codeOrder[format.kind];
    const packed = (codes: readonly number[]) =>
      codes.reduce((word, code, i) => word + code * 16 ** i, 0);
    return linearDispatch("quantize", fourBitSource, blocks, [
      read(piece),
      write(parts[0], first / 2, elements / 2),
      write(maxima, first / format.block * 4, blocks * 4),
    ], {
      ...values,
      KERNEL: "codes",
      EXACT,
      COUNT: elements,
      BLOCK: format.block,
      RANK: [...bounds(format.kind)].map((bound) => `u32(v > f32(${bound}))`).join(" + "),
      ORDER_LOW: packed(order.slice(0, 8)),
      ORDER_HIGH: packed(order.slice(8)),
    });
  }

  async #nest(weight: Tensor, format: FourBit): Promise<void> {
    const [, small, nested] = weight.quantized!.parts;
    const maxima = this.#maxima(weight, format);
    const BLOCKS = maxima.shape[0];
    this.#memory.write(nested, dynamicMap());
    await this.#run([
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
    ]);
  }

  #maxima(weight: Tensor, format: FourBit): Tensor {
    const [rows, columns] = weight.shape;
    return this.#buffer("maxima", "f32", Math.ceil((rows * columns) / format.block) * 4);
  }

  #buffer(name: string, dtype: "u32" | "f32", bytes: number): Tensor {
    const words = Math.ceil(bytes / 4);
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

function int8Dispatch(
  weight: Tensor,
  piece: Tensor,
  first: number,
  elements: number,
  values: Record<string, string | number>,
): Dispatch {
  const [codes, maxima] = weight.quantized!.parts;
  const K = weight.shape[1];
  const N = elements / K;
  const ROWS = K % 4 === 0 ? 1 : 4;
  return linearDispatch("quantize", int8Source, Math.ceil(N / ROWS), [
    read(piece),
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
