// One LoRA training step of a Llama of about 3 million parameters: forward, backward, clipping,
// AdamW. Ours against the same mathematics in jax-js, from the same weights on the same tokens.

import { initializeAdapter } from "../src/adapter/initialize.ts";
import { attachLora } from "../src/adapter/lora.ts";
import type { Device } from "../src/gpu/device.ts";
import { Memory, type Program } from "../src/gpu/program.ts";
import { sizeOf, type Tensor } from "../src/graph/graph.ts";
import { plan } from "../src/graph/plan.ts";
import { packStep, statisticsTensor, stepTensor } from "../src/graph/step_scalars.ts";
import { batchInputs } from "../src/model/forward.ts";
import { declareModel } from "../src/model/model.ts";
import { initializeWeights } from "../src/model/weights.ts";
import { RandomStream } from "../src/random.ts";
import { microStepGraph, updateGraph } from "../src/train/graphs.ts";
import { adamw } from "../src/train/optimizers/adamw.ts";
import { scalarsTensor, UpdateScalars } from "../src/train/optimizers/scalars.ts";
import { decays, groupParameters } from "../src/train/parameters.ts";
import { jaxStep } from "./peers/jax_llama.ts";
import type { Report } from "./report.ts";
import {
  batch,
  length,
  lora,
  optimizer,
  shape,
  type Start,
  type StepContestant,
} from "./step_settings.ts";
import { type Entry, race, type RaceOptions } from "./timing.ts";

/** Steps whose losses a peer must repeat; from the second on they depend on the update. */
const comparedSteps = 4;
const lossTolerance = 1e-3;

/** Profiled runs; of each kernel the fastest counts. */
const profileRuns = 5;

export async function stepContest(
  device: Device,
  report: Report,
  options: RaceOptions,
): Promise<void> {
  const ours = await OurStep.create(device);
  const start = await ours.start();
  const losses = await ours.firstLosses(comparedSteps);
  const peer = (name: string, backend: "webgpu" | "wasm"): Entry => ({
    name,
    async enter() {
      const contestant = await jaxStep(backend, start);
      const found = await contestant.firstLosses(comparedSteps);
      found.forEach((loss, i) => {
        if (Math.abs(loss - losses[i]) < lossTolerance) return;
        throw new Error(`loss of step ${i + 1} is ${loss}, ours is ${losses[i]}`);
      });
      report.say(`${name}: losses ${found.map((loss) => loss.toFixed(4)).join(", ")}`);
      return contestant;
    },
  });
  report.say(`eft: losses ${losses.map((loss) => loss.toFixed(4)).join(", ")}`);
  const timings = await race([
    { name: "eft", enter: () => Promise.resolve(ours) },
    peer("jax-js webgpu", "webgpu"),
    peer("jax-js wasm (not WebGPU)", "wasm"),
  ], options);
  const title = "LoRA step, 3M-parameter Llama, 2 x 256 tokens, r 8";
  report.contest(title, { amount: batch * length, unit: "tokens/s" }, timings);
}

/** Our step kernel by kernel, by the device's own clock: the least of a few runs. */
export async function profileStep(device: Device, report: Report): Promise<void> {
  if (!device.gpu.features.has("timestamp-query")) {
    report.say("\nno profile: the adapter has no timestamp-query");
    return;
  }
  const ours = await OurStep.create(device);
  await ours.run(1);
  const least = new Map<string, { milliseconds: number; flops: number }>();
  for (let run = 0; run < profileRuns; run++) {
    for (const program of [ours.micro, ours.update]) {
      for (const { label, milliseconds, flops } of await program.profile()) {
        const before = least.get(label)?.milliseconds ?? Infinity;
        least.set(label, { milliseconds: Math.min(before, milliseconds), flops });
      }
    }
  }
  ours.release();
  report.profile("LoRA step by kernel", least);
}

/** Our step, driven as the trainer drives it. */
export class OurStep implements StepContestant {
  readonly name = "eft";
  readonly micro: Program;
  readonly update: Program;
  readonly #memory: Memory;
  readonly #parts: Parts;
  readonly #updates: UpdateScalars;
  #steps = 0;

  private constructor(memory: Memory, parts: Parts, [micro, update]: Program[]) {
    this.#memory = memory;
    this.#parts = parts;
    this.#updates = new UpdateScalars(parts.groups);
    this.micro = micro;
    this.update = update;
  }

  static async create(device: Device): Promise<OurStep> {
    const memory = new Memory(device);
    const parts = declareStep(device);
    const programs = await memory.compile([
      plan("micro", parts.micro, device.limits),
      plan("update", parts.update, device.limits),
    ]);
    const { model, adapter, inputs } = parts;
    initializeWeights(memory, model, 1);
    await initializeAdapter(memory, adapter, 1);
    const count = batch * length;
    const random = new RandomStream(1, 3);
    const tokens = Uint32Array.from({ length: count }, () => random.nextU32() % shape.vocabulary);
    memory.write(inputs.tokens, tokens);
    memory.write(inputs.positions, tokens.map((_, at) => at % length));
    memory.write(inputs.starts, new Uint32Array(count));
    memory.write(inputs.targets, targetsOf(tokens));
    return new OurStep(memory, parts, programs);
  }

  /** The weights and the batch as they are now. */
  async start(): Promise<Start> {
    const { model, adapter, inputs } = this.#parts;
    const values = async (tensors: ReadonlyMap<string, Tensor>) => {
      const bytes = await this.#memory.read([...tensors.values()].map((tensor) => ({ tensor })));
      return new Map([...tensors].map(([name, tensor], i) => [name, {
        shape: tensor.shape,
        values: new Float32Array(bytes[i], 0, sizeOf(tensor)),
      }]));
    };
    const [bytes] = await this.#memory.read([{ tensor: inputs.tokens }]);
    const tokens = new Uint32Array(bytes);
    return {
      frozen: await values(model.tensors),
      trained: await values(adapter.tensors),
      tokens,
      targets: targetsOf(tokens),
    };
  }

  async run(count: number): Promise<void> {
    for (let i = 0; i < count; i++) this.#step(0);
    await this.#memory.device.gpu.queue.onSubmittedWorkDone();
    this.#memory.device.check();
  }

  async firstLosses(count: number): Promise<number[]> {
    for (let i = 0; i < count; i++) this.#step(i);
    const [bytes] = await this.#memory.read([{ tensor: this.#parts.state.statistics }]);
    return Array.from({ length: count }, (_, i) => new Float32Array(bytes)[4 * i]);
  }

  release(): void {
    this.#memory.destroy();
  }

  #step(slot: number): void {
    const step = ++this.#steps;
    const scalars = packStep({
      lossScale: 1 / (batch * (length - 1)),
      slot,
      microStep: step,
      seed: 1,
    });
    this.#memory.write(this.#parts.state.step, scalars);
    this.#memory.write(this.#parts.scalars, this.#updates.next(optimizer.learningRate));
    this.micro.run();
    this.update.run();
  }
}

type Parts = ReturnType<typeof declareStep>;

function declareStep({ limits }: Device) {
  const model = declareModel(shape, length, () => ({ dtype: "f32", trained: false }));
  const adapter = attachLora(model, lora);
  const adam = adamw({ ...optimizer, warmupSteps: 0, args: {} });
  const groups = groupParameters(
    adapter.tensors,
    (name) => ({
      optimizer: adam,
      weightDecay: decays(name) ? optimizer.weightDecay : 0,
      rateScale: 1,
    }),
    limits,
  );
  const scalars = scalarsTensor(groups);
  const state = { step: stepTensor(), statistics: statisticsTensor() };
  const inputs = batchInputs(batch, length);
  const { graph: micro } = microStepGraph(model, inputs, state, limits, { recompute: false });
  const { maxGradNorm } = optimizer;
  const update = updateGraph({ groups, scalars, maxGradNorm }, state, limits);
  return { model, adapter, groups, scalars, state, inputs, micro, update };
}

/** The next token of each; none at the end of a row. */
function targetsOf(tokens: Uint32Array): Int32Array<ArrayBuffer> {
  return Int32Array.from(
    tokens,
    (_, at) => at % length === length - 1 ? -100 : tokens[at + 1],
  );
}
