// The start values of an adapter, as PEFT gives them; and those that depend on the base's weights.

import type { Memory } from "../gpu/program.ts";
import { sizeOf, type Tensor } from "../graph/graph.ts";
import { RandomStream } from "../random.ts";
import { plusProduct, readWeight, writeWeight } from "./base_weight.ts";
import { leadingQr, leadingSingular, randomizedSingular } from "./decompose.ts";
import { loftqStart } from "./loftq.ts";
import { type AdaptedModule, type Lora, startsAgain } from "./lora.ts";
import { changesBase, type Initialization } from "./settings.ts";

/** Streams of random numbers for A begin here, those for other start values there. */
const streamsOfA = 0x2000;
const otherStreams = 0x2_0000;
/** Distance between the streams of one start and the next (ReLoRA). */
const streamsOfStart = 0x4_0000;

/**
 * Gives every tensor of a new adapter its start value; the base's weights must be on the device.
 * PiSSA, OLoRA and LoftQ change the base. The same seed gives the same values.
 */
export async function initializeAdapter(memory: Memory, lora: Lora, seed: number): Promise<void> {
  drawLowRank(memory, lora, seed);
  await prepareFrozen(memory, lora);
  for (const { base, copy } of lora.copies) {
    memory.write(copy, await readWeight(memory, base));
  }
  for (const { base, rows, tokens } of lora.rows) {
    const table = await readWeight(memory, base);
    const C = base.shape[1];
    const values = new Float32Array(sizeOf(rows));
    tokens.forEach((token, i) => values.set(table.subarray(token * C, (token + 1) * C), i * C));
    memory.write(rows, values);
  }
  await startFromBase(memory, lora, seed);
}

/** Starts every linear layer from its weight, where the initialization does that, and changes the base. */
export async function startFromBase(memory: Memory, lora: Lora, seed: number): Promise<void> {
  if (!changesBase(lora.settings)) return;
  let stream = otherStreams;
  for (const module of lora.modules) {
    const random = new RandomStream(seed, stream++);
    if (module.kind === "embedding") continue; // starts as usual, as in PEFT
    const weight = await readWeight(memory, module.weight);
    await takeOutOfBase(memory, lora, module, startOf(module, lora, weight, random));
  }
}

/** Starts a module beside what is left of its weight; the export needs to know what was taken out. */
export async function takeOutOfBase(
  memory: Memory,
  lora: Lora,
  { weight, lowRank: { down, up } }: AdaptedModule,
  start: Start,
): Promise<void> {
  memory.write(down, start.down);
  memory.write(up, start.up);
  if (!startsAgain(lora)) {
    lora.startValues.set(down.name, start.down);
    lora.startValues.set(up.name, start.up);
  }
  await writeWeight(memory, weight, start.rest);
}

/** A [R, K] and B [N, R] that a module starts with, and the weight [N, K] that they stand beside. */
export interface Start {
  down: Float32Array<ArrayBuffer>;
  up: Float32Array<ArrayBuffer>;
  rest: Float32Array<ArrayBuffer>;
}

/** What a module starts with, by the values of its weight. */
export function startOf(
  { rank, lowRank: { scale }, weight: { shape } }: AdaptedModule,
  { settings }: Lora,
  weight: Float32Array,
  random: RandomStream,
): Start {
  const kind = settings.initialization!;
  if (kind.kind === "loftq") return loftqStart(weight, shape, rank, kind);
  const { down, up } = startFromWeight(weight, shape, { rank, scale }, kind, random);
  return { down, up, rest: plusProduct(weight, down, up, -scale) };
}

/** What is fixed once the base is loaded: lengths of rows (DoRA), places of tokens. */
export async function prepareFrozen(memory: Memory, lora: Lora): Promise<void> {
  for (const { weight, lowRank } of lora.modules) {
    if (!lowRank.magnitude) continue;
    const values = await readWeight(memory, weight);
    const [N, K] = weight.shape;
    const squares = Float64Array.from({ length: N }, (_, n) => {
      let sum = 0;
      for (let k = 0; k < K; k++) sum += values[n * K + k] ** 2;
      return sum;
    });
    memory.write(lowRank.magnitude.squares, Float32Array.from(squares));
    // Right while B is zero; a loaded adapter brings its own.
    memory.write(lowRank.magnitude.vector, Float32Array.from(squares, Math.sqrt));
  }
  for (const { tokens, slots, index } of lora.rows) {
    const places = new Uint32Array(sizeOf(slots)).fill(tokens.length);
    tokens.forEach((token, i) => places[token] = i);
    memory.write(slots, places);
    memory.write(index, Uint32Array.from(tokens));
  }
}

/**
 * Draws A and B of every module anew; `start` counts the draws of a run. By default A is from
 * U(±1/√inputs), as PyTorch's kaiming_uniform(a = √5), and B zero; an embedding's A is zero and B
 * normal.
 */
export function drawLowRank(memory: Memory, lora: Lora, seed: number, start = 0): void {
  const offset = start * streamsOfStart;
  const kind = lora.settings.initialization?.kind ?? "default";
  let streamOfA = streamsOfA + offset;
  let otherStream = otherStreams + 0x1_0000 + offset;
  const fill = (tensor: Tensor, draw: () => number) => {
    const values = new Float32Array(sizeOf(tensor));
    for (let i = 0; i < values.length; i++) values[i] = draw();
    memory.write(tensor, values);
  };
  const zero = () => 0;
  for (const { kind: module, rank, lowRank: { down, up } } of lora.modules) {
    if (module === "embedding") {
      const random = new RandomStream(seed, otherStream++);
      fill(down, kind === "random" ? () => random.normal() : zero);
      fill(up, () => random.normal());
      continue;
    }
    const random = new RandomStream(seed, streamOfA++);
    const bound = 1 / Math.sqrt(down.shape[1]);
    const uniform = (width: number, source: RandomStream) => () =>
      (source.uniform() * 2 - 1) * width;
    fill(down, kind === "gaussian" ? () => random.normal() / rank : uniform(bound, random));
    const other = new RandomStream(seed, otherStream++);
    fill(up, kind === "random" ? uniform(1 / Math.sqrt(rank), other) : zero);
  }
}

/** A and B of PiSSA (Meng et al. 2024, arXiv:2404.02948) or OLoRA (Büyükakyüz 2024, arXiv:2406.01775). */
export function startFromWeight(
  weight: Float32Array,
  [N, K]: readonly number[],
  { rank, scale }: { rank: number; scale: number },
  kind: Initialization,
  random: RandomStream,
): { down: Float32Array<ArrayBuffer>; up: Float32Array<ArrayBuffer> } {
  const down = new Float32Array(rank * K);
  const up = new Float32Array(N * rank);
  if (kind.kind === "olora") {
    const { q, r } = leadingQr(weight, N, K, rank);
    down.set(r);
    up.set(q);
    return { down, up };
  }
  const { left, values, right } = kind.kind === "pissa_niter"
    ? randomizedSingular(weight, N, K, rank, kind.iterations, random)
    : leadingSingular(weight, N, K, rank);
  for (let i = 0; i < rank; i++) {
    const root = Math.sqrt(values[i] / scale);
    for (let k = 0; k < K; k++) down[i * K + k] = root * right[i][k];
    for (let n = 0; n < N; n++) up[n * rank + i] = root * left[i][n];
  }
  return { down, up };
}
