// What ReLoRA has merged into weights that are held in 4 or 8 bits. Codes would round each product away,
// so A and B of every restart are kept on the host: a weight is made anew of its values in the base's
// files and all of them, and what quantizing takes from it is never added to.

import { bytesToF32 } from "../files/dtype.ts";
import type { SafetensorsSet, TensorEntry, TensorToWrite } from "../files/safetensors.ts";
import { type Memory, Program } from "../gpu/program.ts";
import { sizeOf, type Tensor, tensor } from "../graph/graph.ts";
import { findTensor, isSaved } from "../model/weights.ts";
import { heldValues } from "../quant/dense.ts";
import {
  type Piece,
  pieceSize,
  Quantizer,
  type QuantizingScratch,
  quantizingScratch,
  type Stored,
  storedValues,
} from "../quant/quantize.ts";
import { readWeight } from "./base_weight.ts";
import type { AdaptedModule } from "./lora.ts";
import { mergePlan } from "./merge_kernel.ts";

/** Buffers that weights share while they are made anew, one piece after the other. */
export interface MergingScratch extends QuantizingScratch {
  down: Tensor;
  /** The rows of B that belong to a piece. */
  up: Tensor;
}

export function mergingScratch(modules: readonly AdaptedModule[]): MergingScratch {
  const most = (name: string, size: (module: AdaptedModule) => number) =>
    tensor(name, [Math.max(0, ...modules.map(size))], "f32", "state");
  return {
    ...quantizingScratch(modules.map(({ weight }) => weight)),
    down: most("merged A", ({ lowRank: { down } }) => sizeOf(down)),
    up: most("merged B", ({ weight, rank }) => pieceSize(weight) / weight.shape[1] * rank),
  };
}

/** A [R, K] and scale·B [N, R]. */
interface Product {
  down: Float32Array<ArrayBuffer>;
  up: Float32Array<ArrayBuffer>;
}

export class MergedBase {
  readonly #memory: Memory;
  readonly #modules: readonly AdaptedModule[];
  readonly #files: SafetensorsSet | undefined;
  readonly #scratch: MergingScratch;
  readonly #quantizer: Quantizer;
  /** What was merged into each module, the oldest first. */
  readonly #merged = new Map<AdaptedModule, Product[]>();

  /** The files stay open as long as this is used. */
  constructor(
    memory: Memory,
    modules: readonly AdaptedModule[],
    files: SafetensorsSet | undefined,
    scratch: MergingScratch,
  ) {
    this.#memory = memory;
    this.#modules = modules;
    this.#files = files;
    this.#scratch = scratch;
    this.#quantizer = new Quantizer(memory, scratch);
    for (const module of modules) this.#merged.set(module, []);
  }

  /** Adds what is trained now to every weight. */
  async merge(): Promise<void> {
    for (const [module, products] of this.#merged) products.push(await this.#product(module));
    await this.#rebuild();
  }

  /**
   * The values of a weight of the base, rows in pieces: those in the files, and all that was trained,
   * merged yet or not.
   */
  async *values(weight: Tensor): AsyncGenerator<Float32Array> {
    const module = this.#modules.find((module) => module.weight === weight);
    if (!module) {
      const { read } = await this.#original(weight);
      const step = 4 * pieceSize(weight);
      const bytes = 4 * sizeOf(weight);
      for (let at = 0; at < bytes; at += step) {
        yield bytesToF32(await read(at, Math.min(step, bytes - at)), "F32");
      }
      return;
    }
    const products = [...this.#merged.get(module)!, await this.#product(module)];
    for await (const piece of this.#pieces(module, products)) {
      const bytes = piece.elements * 4;
      const [values] = await this.#memory.read([{ tensor: piece.tensor, bytes }]);
      yield new Float32Array(values);
    }
  }

  /** What was merged, for a checkpoint. */
  tensors(): TensorToWrite[] {
    return [...this.#merged].flatMap(([module, products]) =>
      products.flatMap((product, i) =>
        (["down", "up"] as const).map((side) => {
          const { name, shape } = module.lowRank[side];
          const data = () => new Uint8Array(product[side].buffer);
          return { name: mergedName(i, name), dtype: "F32" as const, shape: [...shape], data };
        })
      )
    );
  }

  /** Takes what was merged from a checkpoint. */
  async restore(entries: ReadonlyMap<string, TensorEntry>): Promise<void> {
    for (const [module, products] of this.#merged) {
      products.length = 0;
      const { down, up } = module.lowRank;
      for (let i = 0; entries.has(mergedName(i, down.name)); i++) {
        const read = async ({ name }: Tensor) =>
          bytesToF32(await entries.get(mergedName(i, name))!.read(), "F32");
        products.push({ down: await read(down), up: await read(up) });
      }
    }
    await this.#rebuild();
  }

  async #rebuild(): Promise<void> {
    for (const [module, products] of this.#merged) {
      await this.#quantizer.quantizePieces(module.weight, this.#pieces(module, products));
    }
  }

  /** What a module's adapter is now. */
  async #product({ lowRank: { down, up, scale } }: AdaptedModule): Promise<Product> {
    const scaled = (await readWeight(this.#memory, up)).map((value) => scale * value);
    return { down: await readWeight(this.#memory, down), up: scaled };
  }

  /** The values of a weight in the files and the products, summed in f32 on the device. */
  async *#pieces(module: AdaptedModule, products: readonly Product[]): AsyncGenerator<Piece> {
    const { weight, rank } = module;
    const { queue } = this.#memory.device.gpu;
    const stored = await this.#original(weight);
    for await (const piece of this.#quantizer.pieces(weight, stored)) {
      const program = await this.#merging(module, piece);
      const [first, end] = [piece.first, piece.first + piece.elements]
        .map((element) => element / weight.shape[1] * rank);
      for (const { down, up } of products) {
        this.#memory.write(this.#scratch.down, down);
        this.#memory.write(this.#scratch.up, up.subarray(first, end));
        program.run();
      }
      await queue.onSubmittedWorkDone(); // each write is staged in memory
      yield piece;
    }
  }

  /** Adds the product in the shared buffers to a piece. */
  async #merging({ kind, weight, rank }: AdaptedModule, piece: Piece): Promise<Program> {
    const columns = weight.shape[1];
    const rows = piece.elements / columns;
    const part = (of: Tensor, shape: number[]): Tensor => ({
      ...tensor(of.name, shape, "f32", of.role),
      view: { of, offset: 0 },
    });
    const lowRank = {
      down: part(this.#scratch.down, [rank, columns]),
      up: part(this.#scratch.up, [rows, rank]),
      scale: 1,
    };
    const sum = { kind, rank, lowRank, weight: part(piece.tensor, [rows, columns]) };
    const program = new Program(this.#memory, mergePlan([sum], this.#memory.device.limits));
    await program.bind([]);
    return program;
  }

  /** A weight as its files have it, as F32; one that they hold in codes, as what those stand for. */
  async #original(weight: Tensor): Promise<Stored> {
    const { name, shape } = weight;
    if (isSaved(weight)) return storedValues(name, await heldValues(this.#files!, name, weight));
    const entry = findTensor(this.#files!, name, shape);
    const size = entry.bytes / sizeOf(weight);
    return {
      name,
      dtype: "F32",
      async read(offset = 0, length = 4 * sizeOf(weight) - offset) {
        const bytes = await entry.read(offset / 4 * size, length / 4 * size);
        return new Uint8Array(bytesToF32(bytes, entry.dtype).buffer);
      },
    };
  }
}

function mergedName(restart: number, name: string): string {
  return `merged.${restart}.${name}`;
}
