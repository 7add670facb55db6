// The loss of a model on samples outside of training: what `eft evaluate` reports.

import type { Config } from "../config/config.ts";
import { Batches } from "../data/batches.ts";
import type { Sample } from "../data/sample.ts";
import type { Tokenizer } from "../data/tokenizer.ts";
import type { Memory } from "../gpu/program.ts";
import type { Tensor } from "../graph/graph.ts";
import { plan } from "../graph/plan.ts";
import { packStep, statisticsTensor, stepTensor } from "../graph/step_scalars.ts";
import { type BatchInputs, batchInputs } from "../model/forward.ts";
import type { Model } from "../model/model.ts";
import type { Program } from "../gpu/program.ts";
import { evaluationGraph } from "./graphs.ts";

export interface Evaluated {
  /** Mean over the trained tokens. */
  loss: number;
  tokens: number;
  samples: number;
}

interface Stage {
  program: Program;
  inputs: BatchInputs;
  losses: Tensor;
}

/** Evaluates samples on a model that lies on a device; compiles each length of batch once. */
export class Evaluator {
  readonly #memory: Memory;
  readonly #model: Model;
  readonly #config: Config;
  readonly #padId: number;
  readonly #state = { step: stepTensor(), statistics: statisticsTensor() };
  readonly #stages = new Map<number, Promise<Stage>>();

  constructor(memory: Memory, model: Model, config: Config, tokenizer: Tokenizer) {
    this.#memory = memory;
    this.#model = model;
    this.#config = config;
    this.#padId = tokenizer.padId;
  }

  async evaluate(samples: readonly Sample[]): Promise<Evaluated> {
    const config = this.#config;
    const batches = new Batches(samples, {
      microBatchSize: config.eval_batch_size,
      sequenceLen: config.sequence_len,
      packing: config.eval_sample_packing,
      padToSequenceLen: config.pad_to_sequence_len,
      padId: this.#padId,
      seed: config.seed,
      sequential: true,
    });
    const memory = this.#memory;
    let loss = 0;
    let tokens = 0;
    for (const batch of batches.epoch(0)) {
      const { program, inputs, losses } = await this.#stage(batch.length);
      memory.write(inputs.tokens, batch.tokens);
      memory.write(inputs.positions, batch.positions);
      memory.write(inputs.starts, batch.starts);
      memory.write(inputs.targets, batch.targets);
      memory.write(
        this.#state.step,
        packStep({ lossScale: 0, slot: 0, microStep: 0, seed: 0 }),
      );
      program.run();
      const [bytes] = await memory.read([{ tensor: losses, program }]);
      const found = new Float32Array(bytes);
      for (let i = 0; i < found.length; i++) if (batch.targets[i] >= 0) loss += found[i];
      tokens += batch.trainedTokens;
    }
    memory.device.check();
    return { loss: loss / Math.max(1, tokens), tokens, samples: samples.length };
  }

  #stage(length: number): Promise<Stage> {
    let stage = this.#stages.get(length);
    if (!stage) {
      stage = this.#compile(length);
      this.#stages.set(length, stage);
    }
    return stage;
  }

  async #compile(length: number): Promise<Stage> {
    const { limits } = this.#memory.device;
    const inputs = batchInputs(this.#config.eval_batch_size, length);
    const { graph, losses } = evaluationGraph(this.#model, inputs, this.#state, limits);
    const [program] = await this.#memory.compile([plan("evaluate", graph, limits)]);
    return { program, inputs, losses };
  }
}
