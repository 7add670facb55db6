// The loop's hands: runs compiled steps on a device, feeds them batches, reads back what they found.

import type { AccumulationWindow, Batch } from "../data/batches.ts";
import type { Device } from "../gpu/device.ts";
import { Memory, type Program } from "../gpu/program.ts";
import { firstScaler } from "../graph/loss_scaler.ts";
import { packStep, STATISTICS_ROWS } from "../graph/step_scalars.ts";
import { initializeAdapter } from "../adapter/initialize.ts";
import { Relora, reloraSettings } from "../adapter/relora.ts";
import { initializeWeights, loadWeights } from "../model/weights.ts";
import { UpdateScalars } from "./optimizers/scalars.ts";
import { firstNonFinite } from "./diagnosis.ts";
import { activeBlocks } from "./lisa.ts";
import type { Weights } from "./optimizers/optimizer.ts";
import type { ParameterGroup } from "./parameters.ts";
import type { BatchPlan, Session } from "./session.ts";
import { planMicroStep, planUpdate } from "./session.ts";
import type { Tensor } from "../graph/graph.ts";

/** What one optimizer step found. */
export interface StepResult {
  loss: number;
  gradientNorm: number;
  /** With loss scaling: the scale, and whether gradients overflowed and the step did nothing. */
  lossScale?: number;
  skipped?: boolean;
}

/** Optimizer steps that may wait on the device at once. */
const stepsInFlight = 2;

/**
 * Steps of a group that its optimizer counts exactly, where the device may skip some: the host waits
 * to hear of each. What an optimizer computes from a larger count hardly changes by one more.
 */
const exactSteps = 100;

export class Trainer {
  readonly session: Session;
  readonly memory: Memory;
  readonly device: Device;
  /** The host's side of the optimizer: part of a checkpoint. */
  readonly scalars: UpdateScalars;
  relora: Relora | undefined;
  readonly #micro = new Map<number, Program>();
  readonly #evaluate = new Map<number, Program>();
  #update!: Program;
  #exchanges?: Record<Weights, Program>;
  /** Which weights the trained tensors hold, where there is a difference. */
  #weights: Weights = "train";
  /** LISA: the blocks that train now. */
  #active?: readonly number[];
  #microSteps = 0;
  #optimizerSteps = 0;
  /** Steps whose results are still on the device. */
  #unread = 0;
  readonly #inFlight: Promise<unknown>[] = [];

  private constructor(session: Session, device: Device) {
    this.session = session;
    this.device = device;
    this.memory = new Memory(device);
    this.scalars = new UpdateScalars(session.groups);
  }

  /** Compiles the programs and brings the weights to the device. */
  static async create(
    session: Session,
    device: Device,
    progress: (what: string, done: number, total: number) => void = () => {},
  ): Promise<Trainer> {
    const trainer = new Trainer(session, device);
    const { memory } = trainer;
    const micro = [...session.microSteps];
    const evaluations = [...session.evaluations];
    const programs = await memory.compile([
      ...micro.map(([, { plan }]) => plan),
      ...evaluations.map(([, { plan }]) => plan),
      session.update,
    ]);
    micro.forEach(([length], i) => trainer.#micro.set(length, programs[i]));
    evaluations.forEach(([length], i) => {
      trainer.#evaluate.set(length, programs[micro.length + i]);
    });
    trainer.#update = programs[programs.length - 1];
    if (session.exchanges) {
      const { train, use } = session.exchanges;
      const [toTrain, toUse] = await memory.compile([train, use]);
      trainer.#exchanges = { train: toTrain, use: toUse };
    }

    const { model, files, lora, earlier } = session.loaded;
    const { config } = session;
    if (files) {
      const hear = (done: number, total: number) => progress("weights", done, total);
      const newRows = { mean: config.mean_resizing_embeddings, seed: config.seed };
      await loadWeights(memory, model, files, hear, newRows);
    } else initializeWeights(memory, model, config.seed);
    if (earlier) await earlier.load(memory);
    else if (lora) await initializeAdapter(memory, lora, config.seed);
    const relora = reloraSettings(config);
    if (lora && relora) {
      trainer.relora = await Relora.create(memory, lora, session.groups, relora, {
        seed: config.seed,
        plan: session.relora!,
        files,
      });
    } else files?.close();
    memory.clear(session.state.statistics);
    if (session.state.scaler) memory.write(session.state.scaler, firstScaler);
    for (const { gradient, state, optimizer } of session.groups) {
      for (const tensor of [gradient, ...Object.values(state)]) memory.clear(tensor);
      for (const { tensor, values } of optimizer.tables ?? []) memory.write(tensor, values);
    }
    device.check();
    return trainer;
  }

  /** Steps whose results wait on the device; read them before this reaches `STATISTICS_ROWS`. */
  get unread(): number {
    return this.#unread;
  }

  /** What the device's tensors do not tell of a run: steps and micro batches done. */
  get position(): { steps: number; microSteps: number } {
    return { steps: this.#optimizerSteps, microSteps: this.#microSteps };
  }

  /** Goes on from another run's position; its tensors are written by `restoreCheckpoint`. */
  goOnFrom({ steps, microSteps }: { steps: number; microSteps: number }): void {
    this.#optimizerSteps = steps;
    this.#microSteps = microSteps;
    this.relora?.goOnFrom(steps);
  }

  /** One optimizer step over a window of micro batches. Returns when it is on its way. */
  async step(window: AccumulationWindow, learningRate: number): Promise<void> {
    const { session, memory } = this;
    const { seed } = session.config;
    await this.#chooseBlocks();
    this.hold("train");
    if (this.relora?.isDue(this.#optimizerSteps)) {
      await this.relora.restart();
      if (this.relora.settings.pruning.method === "zero") this.scalars.startAnew();
    }
    const slot = this.#optimizerSteps++ % STATISTICS_ROWS;
    memory.write(session.state.statistics, new Float32Array(4), slot * 16);
    for (const batch of window.batches) {
      const program = await this.#prepare(batch, window, slot, this.#microSteps++, seed);
      program.run();
    }
    memory.write(session.scalars, this.scalars.next(learningRate, (group) => this.#trains(group)));
    this.#update.run();
    this.#unread++;
    if (session.state.scaler && this.scalars.youngest <= exactSteps) {
      const [{ skipped }] = await this.#read(slot, 1);
      if (skipped) this.scalars.takeBack();
    }
    // A lost device rejects it; `Device.check` says so in better words.
    this.#inFlight.push(this.device.gpu.queue.onSubmittedWorkDone().catch(() => {}));
    if (this.#inFlight.length > stepsInFlight) await this.#inFlight.shift();
  }

  /** Brings a micro batch and its scalars to the device. */
  async #prepare(
    batch: Batch,
    window: AccumulationWindow,
    slot: number,
    microStep: number,
    seed: number,
  ): Promise<Program> {
    const program = await this.#microProgram(batch.length);
    const { inputs, plan } = this.session.microSteps.get(batch.length)!;
    this.#feed(inputs, batch, plan);
    const lossScale = 1 / Math.max(1, window.trainedTokens);
    this.memory.write(this.session.state.step, packStep({ lossScale, slot, microStep, seed }));
    return program;
  }

  /**
   * Makes the trained tensors hold the weights to train at, or those to evaluate and keep; they
   * differ with a schedule-free optimizer only.
   */
  hold(weights: Weights): void {
    if (!this.#exchanges || !this.scalars.begun || this.#weights === weights) return;
    this.#exchanges[weights].run();
    this.#weights = weights;
  }

  /** Hears that the trained tensors were written from outside, and which weights they hold now. */
  holds(weights: Weights): void {
    this.#weights = weights;
  }

  /**
   * Why the step over `window` was halted: computes it again, kernel by kernel. `later` counts the
   * micro batches that were computed after it.
   */
  async diagnose(window: AccumulationWindow, later: number): Promise<string> {
    const { memory, session } = this;
    for (const { gradient } of session.groups) memory.clear(gradient);
    memory.clear(session.state.statistics); // which hold the broken norm
    const first = this.#microSteps - later - window.batches.length;
    for (const [i, batch] of window.batches.entries()) {
      const program = await this.#prepare(batch, window, 0, first + i, session.config.seed);
      const found = await firstNonFinite(memory, program);
      if (!found) continue;
      const where = `micro batch ${i + 1} of ${window.batches.length}`;
      return found.isInput
        ? `${where}: ${found.tensor} holds what is not a finite number, before ${found.kernel} reads it`
        : `${where}: ${found.tensor} is the first that is not finite (kernel ${found.kernel})`;
    }
    return "every tensor is finite, but the norm of all gradients together is not";
  }

  /** Whether a group takes part in the steps of the blocks that are active. */
  #trains({ block }: ParameterGroup): boolean {
    return block === undefined || !this.#active || this.#active.includes(block);
  }

  /** LISA: makes the programs of the blocks that train in the next step. */
  async #chooseBlocks(): Promise<void> {
    const { config, loaded, groups, limits } = this.session;
    const { lisa_n_layers: layers, lisa_step_interval: interval, seed } = config;
    if (layers === undefined || interval === undefined) return;
    const blocks = loaded.model.blocks.length;
    const chosen = activeBlocks(this.#optimizerSteps, blocks, { layers, interval, seed });
    if (this.#active?.join() === chosen.join()) return;
    this.#active = chosen;
    this.memory.forget([...this.#micro.values(), this.#update]);
    this.#micro.clear(); // made again when a batch of that length comes
    const active = groups.filter((group) => this.#trains(group));
    const planned = planUpdate(config, loaded, { ...this.session, groups: active }, limits);
    [this.#update] = await this.memory.compile([planned]);
  }

  /** Results of the steps since the last call, in order. */
  async results(): Promise<StepResult[]> {
    const rows = await this.#read(0, STATISTICS_ROWS);
    this.#inFlight.length = 0;
    const first = this.#optimizerSteps - this.#unread;
    const results = Array.from(
      { length: this.#unread },
      (_, i) => rows[(first + i) % STATISTICS_ROWS],
    );
    this.#unread = 0;
    return results;
  }

  /** Rows of the statistics. */
  async #read(first: number, count: number): Promise<StepResult[]> {
    const { statistics: tensor, scaler } = this.session.state;
    const [bytes] = await this.memory.read([{ tensor, offset: first * 16, bytes: count * 16 }]);
    const rows = new Float32Array(bytes);
    return Array.from({ length: count }, (_, i) => {
      const [loss, gradientNorm, lossScale, skipped] = rows.subarray(4 * i);
      return scaler
        ? { loss, gradientNorm, lossScale, skipped: skipped !== 0 }
        : { loss, gradientNorm };
    });
  }

  /** Mean loss over the trained tokens of the evaluation set. */
  async evaluate(): Promise<number> {
    let loss = 0;
    let tokens = 0;
    for (const batch of this.session.evaluationBatches!.epoch(0)) {
      const losses = await this.tokenLosses(batch);
      for (let i = 0; i < losses.length; i++) if (batch.targets[i] >= 0) loss += losses[i];
      tokens += batch.trainedTokens;
    }
    return loss / Math.max(1, tokens);
  }

  /** Loss of every token of a batch (0 where there is no target), without dropout; [rows·length]. */
  async tokenLosses(batch: Batch): Promise<Float32Array> {
    this.hold("use");
    const program = this.#evaluate.get(batch.length)!;
    const { inputs, losses, plan } = this.session.evaluations.get(batch.length)!;
    this.#feed(inputs, batch, plan);
    this.memory.write(
      this.session.state.step,
      packStep({ lossScale: 0, slot: 0, microStep: 0, seed: 0 }),
    );
    program.run();
    const [bytes] = await this.memory.read([{ tensor: losses, program }]);
    return new Float32Array(bytes);
  }

  /** Milliseconds per kernel of one micro step; see `Program.profile`. */
  async profile(batch: Batch) {
    const program = await this.#microProgram(batch.length);
    const { inputs, plan } = this.session.microSteps.get(batch.length)!;
    this.#feed(inputs, batch, plan);
    return [...await program.profile(), ...await this.#update.profile()];
  }

  #feed(inputs: BatchPlan["inputs"], batch: Batch, plan: BatchPlan["plan"]): void {
    const { memory } = this;
    memory.write(inputs.tokens, batch.tokens);
    memory.write(inputs.positions, batch.positions);
    memory.write(inputs.starts, batch.starts);
    memory.write(inputs.targets, batch.targets);
    if (plan.lasting.includes(inputs.order)) {
      const { order, runs } = sortByToken(batch.tokens);
      memory.write(inputs.order, order);
      memory.write(inputs.runs, runs);
    }
  }

  /** A length that no earlier epoch had is compiled when it comes. */
  async #microProgram(length: number): Promise<Program> {
    const known = this.#micro.get(length);
    if (known) return known;
    const { config, loaded, state, limits, microSteps } = this.session;
    const resting = new Set(
      this.session.groups.filter((group) => !this.#trains(group))
        .flatMap(({ members }) => members.map(({ tensor }) => tensor)),
    );
    const before = microSteps.get(length)?.inputs;
    const rests = this.#active && ((trained: Tensor) => resting.has(trained));
    const planned = planMicroStep(config, loaded.model, state, limits, length, rests, before);
    microSteps.set(length, planned);
    const [program] = await this.memory.compile([planned.plan]);
    this.#micro.set(length, program);
    return program;
  }

  destroy(): void {
    if (this.relora) this.session.loaded.files?.close();
    this.memory.destroy();
  }
}

/** Positions sorted by token (stable), and where the run of each distinct token starts. */
export function sortByToken(
  tokens: Uint32Array,
): { order: Uint32Array<ArrayBuffer>; runs: Uint32Array<ArrayBuffer> } {
  const order = Uint32Array.from(tokens, (_, i) => i);
  order.sort((a, b) => tokens[a] - tokens[b] || a - b);
  const runs = new Uint32Array(tokens.length + 1).fill(tokens.length);
  let count = 0;
  for (let i = 0; i < order.length; i++) {
    if (i === 0 || tokens[order[i]] !== tokens[order[i - 1]]) runs[count++] = i;
  }
  return { order, runs };
}
