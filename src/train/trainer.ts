// The loop's hands: runs compiled steps on a device, feeds them batches, reads back what they found.

import type { AccumulationWindow, Batch } from "../data/batches.ts";
import type { Device } from "../gpu/device.ts";
import { Memory, type Program } from "../gpu/program.ts";
import { packStep, STATISTICS_ROWS } from "../graph/step_scalars.ts";
import { initializeAdapter } from "../adapter/initialize.ts";
import { Relora, reloraSettings } from "../adapter/relora.ts";
import { initializeWeights, loadWeights } from "../model/weights.ts";
import type { BatchPlan, Session } from "./session.ts";
import { planMicroStep } from "./session.ts";

/** What one optimizer step found. */
export interface StepResult {
  loss: number;
  gradientNorm: number;
}

/** Optimizer steps that may wait on the device at once. */
const stepsInFlight = 2;

export class Trainer {
  readonly session: Session;
  readonly memory: Memory;
  readonly device: Device;
  relora: Relora | undefined;
  readonly #micro = new Map<number, Program>();
  readonly #evaluate = new Map<number, Program>();
  #update!: Program;
  #microSteps = 0;
  #optimizerSteps = 0;
  /** Updates since the moments began. */
  #updates = 0;
  /** Steps whose results are still on the device. */
  #unread = 0;
  readonly #inFlight: Promise<unknown>[] = [];

  private constructor(session: Session, device: Device) {
    this.session = session;
    this.device = device;
    this.memory = new Memory(device);
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

    const { model, files, lora, earlier } = session.loaded;
    const { config } = session;
    if (files) {
      const hear = (done: number, total: number) => progress("weights", done, total);
      const newRows = { mean: config.mean_resizing_embeddings, seed: config.seed };
      await loadWeights(memory, model, files, hear, newRows);
    } else initializeWeights(memory, model, config.seed);
    if (earlier) await earlier.load(memory);
    else if (lora) await initializeAdapter(memory, lora, config.seed);
    files?.close();
    const relora = reloraSettings(config);
    if (lora && relora) {
      trainer.relora = await Relora.create(memory, lora, session.groups, relora, {
        seed: config.seed,
        limits: session.limits,
      });
    }
    for (const { gradient, first, second } of session.groups) {
      for (const tensor of [gradient, first, second]) memory.clear(tensor);
    }
    device.check();
    return trainer;
  }

  /** Steps whose results wait on the device; read them before this reaches `STATISTICS_ROWS`. */
  get unread(): number {
    return this.#unread;
  }

  /** One optimizer step over a window of micro batches. Returns when it is on its way. */
  async step(window: AccumulationWindow, learningRate: number): Promise<void> {
    const { session, memory } = this;
    const { adam_beta1: beta1, adam_beta2: beta2, seed } = session.config;
    const slot = this.#optimizerSteps % STATISTICS_ROWS;
    if (this.relora?.isDue(this.#optimizerSteps)) {
      await this.relora.restart();
      if (this.relora.settings.pruning.method === "zero") this.#updates = 0;
    }
    this.#optimizerSteps++;
    const n = ++this.#updates;
    memory.write(session.state.statistics, new Float32Array(4), slot * 16);
    for (const batch of window.batches) {
      const program = await this.#microProgram(batch.length);
      const { inputs, plan } = session.microSteps.get(batch.length)!;
      this.#feed(inputs, batch, plan);
      memory.write(
        session.state.step,
        packStep({
          lossScale: 1 / Math.max(1, window.trainedTokens),
          learningRate,
          bias1: 1 - beta1 ** n,
          bias2: 1 - beta2 ** n,
          slot,
          microStep: this.#microSteps++,
          seed,
        }),
      );
      program.run();
    }
    this.#update.run();
    this.#unread++;
    this.#inFlight.push(this.device.gpu.queue.onSubmittedWorkDone());
    if (this.#inFlight.length > stepsInFlight) await this.#inFlight.shift();
  }

  /** Results of the steps since the last call, in order. */
  async results(): Promise<StepResult[]> {
    const [bytes] = await this.memory.read([{ tensor: this.session.state.statistics }]);
    this.#inFlight.length = 0;
    const rows = new Float32Array(bytes);
    const first = this.#optimizerSteps - this.#unread;
    const results = Array.from({ length: this.#unread }, (_, i) => {
      const at = ((first + i) % STATISTICS_ROWS) * 4;
      return { loss: rows[at], gradientNorm: rows[at + 1] };
    });
    this.#unread = 0;
    return results;
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
    const planned = planMicroStep(config, loaded.model, state, limits, length);
    microSteps.set(length, planned);
    const [program] = await this.memory.compile([planned.plan]);
    this.#micro.set(length, program);
    return program;
  }

  destroy(): void {
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
