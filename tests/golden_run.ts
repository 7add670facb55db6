// Runs on the batches that a golden script recorded, step by step, for comparison with the losses,
// gradient norms and weights that PyTorch found there.

import type { AccumulationWindow, Batch } from "../src/data/batches.ts";
import { bytesToF32 } from "../src/files/dtype.ts";
import { openSafetensors } from "../src/files/safetensors.ts";
import { Memory, type Program } from "../src/gpu/program.ts";
import { sizeOf, type Tensor } from "../src/graph/graph.ts";
import { firstScaler, scalerTensor } from "../src/graph/loss_scaler.ts";
import { plan } from "../src/graph/plan.ts";
import { packStep, statisticsTensor, stepTensor } from "../src/graph/step_scalars.ts";
import { denoHost } from "../src/host/deno.ts";
import { batchInputs } from "../src/model/forward.ts";
import type { Model } from "../src/model/model.ts";
import { microStepGraph, type StepState, updateGraph } from "../src/train/graphs.ts";
import { adamw } from "../src/train/optimizers/adamw.ts";
import { scalarsTensor, UpdateScalars } from "../src/train/optimizers/scalars.ts";
import { decays, groupParameters, type ParameterGroup } from "../src/train/parameters.ts";
import { sortByToken } from "../src/train/trainer.ts";
import { testDevice } from "./device.ts";

export const golden = "tests/golden";

/** What a script found in each step. */
export interface Recorded {
  losses: number[];
  grad_norms: number[];
  learning_rates: number[];
}

export function json<T>(path: string): T {
  return JSON.parse(Deno.readTextFileSync(path));
}

/** The micro batches of a batches.json, `accumulation` to an optimizer step. */
export function windowsOf(path: string, accumulation = 1): AccumulationWindow[] {
  const { micro_batches: micro } = json<{ micro_batches: MicroBatch[] }>(path);
  return Array.from({ length: micro.length / accumulation }, (_, step) => {
    const batches = micro.slice(step * accumulation, (step + 1) * accumulation).map(batchOf);
    return { batches, trainedTokens: batches.reduce((sum, each) => sum + each.trainedTokens, 0) };
  });
}

interface MicroBatch {
  input_ids: number[][];
  labels: number[][];
}

/** Rows of one sample each; the last position has no target. */
function batchOf({ input_ids, labels }: MicroBatch): Batch {
  const [rows, length] = [input_ids.length, input_ids[0].length];
  const tokens = Uint32Array.from(input_ids.flat());
  const targets = Int32Array.from(labels.flatMap((row) => [...row.slice(1), -100]));
  return {
    rows,
    length,
    tokens,
    targets,
    positions: tokens.map((_, at) => at % length),
    starts: new Uint32Array(tokens.length),
    trainedTokens: targets.filter((target) => target >= 0).length,
    realTokens: tokens.length,
    sampleCount: rows,
  };
}

export interface GoldenOptions {
  recompute?: boolean | undefined;
  epsilon?: number | undefined;
  /** Activations in f16, with loss scaling. */
  half?: boolean | undefined;
}

/** A model that trains with AdamW, weight decay 0.01 and gradients clipped to 1. */
export class GoldenRun {
  readonly memory: Memory;
  readonly groups: ParameterGroup[];
  readonly updates: UpdateScalars;
  readonly #scalars: Tensor;
  readonly #state: StepState = { step: stepTensor(), statistics: statisticsTensor() };
  readonly #inputs: ReturnType<typeof batchInputs>;
  #micro!: Program;
  #update!: Program;
  #steps = 0;
  #microSteps = 0;

  private constructor(memory: Memory, groups: ParameterGroup[], { rows, length }: Batch) {
    this.memory = memory;
    this.groups = groups;
    this.updates = new UpdateScalars(groups);
    this.#scalars = scalarsTensor(groups);
    this.#inputs = batchInputs(rows, length);
  }

  /** Compiles the steps for batches like this one; the weights are the caller's to load. */
  static async compile(
    model: Model,
    trained: ReadonlyMap<string, Tensor>,
    batch: Batch,
    { recompute = false, epsilon = 1e-8, half = false }: GoldenOptions = {},
  ): Promise<GoldenRun> {
    const device = await testDevice();
    const { limits } = device;
    const optimizer = adamw({ beta1: 0.9, beta2: 0.999, epsilon, warmupSteps: 0, args: {} });
    const groups = groupParameters(
      trained,
      (name) => ({ optimizer, weightDecay: decays(name) ? 0.01 : 0, rateScale: 1 }),
      limits,
    );
    const run = new GoldenRun(new Memory(device), groups, batch);
    if (half) {
      model.activations = "f16";
      run.#state.scaler = scalerTensor();
      run.memory.write(run.#state.scaler, firstScaler);
    }
    const { graph } = microStepGraph(model, run.#inputs, run.#state, limits, { recompute });
    const update = { groups, scalars: run.#scalars, maxGradNorm: 1 };
    [run.#micro, run.#update] = await run.memory.compile([
      plan("micro", graph, limits),
      plan("update", updateGraph(update, run.#state, limits), limits),
    ]);
    return run;
  }

  step({ batches, trainedTokens }: AccumulationWindow, rate: number): void {
    const { memory } = this;
    const inputs = this.#inputs;
    for (const { tokens, positions, starts, targets } of batches) {
      memory.write(inputs.tokens, tokens);
      memory.write(inputs.positions, positions);
      memory.write(inputs.starts, starts);
      memory.write(inputs.targets, targets);
      const { order, runs } = sortByToken(tokens);
      memory.write(inputs.order, order);
      memory.write(inputs.runs, runs);
      const numbers = { lossScale: 1 / trainedTokens, slot: this.#steps, seed: 1 };
      memory.write(this.#state.step, packStep({ ...numbers, microStep: this.#microSteps++ }));
      this.#micro.run();
    }
    memory.write(this.#scalars, this.updates.next(rate));
    this.#update.run();
    this.#steps++;
  }

  /** The largest relative differences of losses and gradient norms. */
  async compare(recorded: Recorded): Promise<{ losses: number; norms: number }> {
    const [bytes] = await this.memory.read([{ tensor: this.#state.statistics }]);
    const found = new Float32Array(bytes);
    const column = (at: number) => recorded.losses.map((_, step) => found[4 * step + at]);
    return {
      losses: worstOf(column(0), recorded.losses),
      norms: worstOf(column(1), recorded.grad_norms),
    };
  }

  /** How far tensors are from those of a file at most, which has them and no others. */
  async distance(trained: ReadonlyMap<string, Tensor>, path: string): Promise<number> {
    const files = await openSafetensors(denoHost(), path);
    let worst = [...trained.keys()].sort().join() === [...files.tensors.keys()].sort().join()
      ? 0
      : Infinity;
    for (const [name, tensor] of trained) {
      const entry = files.tensors.get(name)!;
      const [bytes] = await this.memory.read([{ tensor }]);
      const found = new Float32Array(bytes, 0, sizeOf(tensor));
      worst = Math.max(worst, farness(found, bytesToF32(await entry.read(), entry.dtype)));
    }
    files.close();
    return worst;
  }

  /** Writes the values that a file has for these tensors. */
  async load(tensors: ReadonlyMap<string, Tensor>, path: string): Promise<void> {
    const files = await openSafetensors(denoHost(), path);
    for (const [name, tensor] of tensors) {
      const entry = files.tensors.get(name)!;
      this.memory.write(tensor, bytesToF32(await entry.read(), entry.dtype));
    }
    files.close();
  }
}

/** The largest relative difference. */
export function worstOf(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  let worst = 0;
  for (let i = 0; i < wanted.length; i++) {
    const difference = Math.abs(found[i] - wanted[i]) / Math.abs(wanted[i]);
    if (!(difference <= worst)) worst = difference;
  }
  return worst;
}

/** ‖found − wanted‖ / ‖wanted‖. */
export function farness(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  if (found.length !== wanted.length) return Infinity;
  let [difference, size] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    difference += (found[i] - wanted[i]) ** 2;
    size += wanted[i] ** 2;
  }
  return Math.sqrt(difference / size);
}

/** Figures for people. */
export function shown(figures: Record<string, number>): string {
  return Object.entries(figures).map(([key, value]) => `${key} ${value.toExponential(1)}`)
    .join(", ");
}
