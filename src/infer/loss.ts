// The loss of a loaded model on the data of a configuration, for comparing two of them.

import type { Config } from "../config/config.ts";
import { type Batch, Batches } from "../data/batches.ts";
import { prepareData } from "../data/prepare.ts";
import type { Tokenizer } from "../data/tokenizer.ts";
import type { Program } from "../gpu/program.ts";
import type { Tensor } from "../graph/graph.ts";
import { plan } from "../graph/plan.ts";
import { packStep, statisticsTensor, stepTensor } from "../graph/step_scalars.ts";
import type { Host } from "../host/host.ts";
import { type BatchInputs, batchInputs } from "../model/forward.ts";
import { evaluationGraph } from "../train/graphs.ts";
import type { InferenceSession } from "./session.ts";

/** The first batches of the evaluation data, or of the training data where there is none. */
export async function sampleBatches(
  host: Host,
  config: Config,
  tokenizer: Tokenizer,
  most: number,
): Promise<Batch[]> {
  const { train, evaluation } = await prepareData(host, config, tokenizer);
  const batches = new Batches(evaluation.length > 0 ? evaluation : train, {
    microBatchSize: config.eval_batch_size,
    sequenceLen: config.sequence_len,
    packing: config.eval_sample_packing,
    padToSequenceLen: config.pad_to_sequence_len,
    padId: tokenizer.padId,
    seed: config.seed,
    sequential: true,
  });
  return [...batches.epoch(0).take(most)];
}

/** Mean loss over the trained tokens of the batches. */
export async function meanLoss(
  { memory, model }: InferenceSession,
  batches: readonly Batch[],
): Promise<number> {
  const { limits } = memory.device;
  const state = { step: stepTensor(), statistics: statisticsTensor() };
  const programs = new Map<
    number,
    { inputs: BatchInputs; losses: Tensor; program: Program }
  >();
  let [sum, count] = [0, 0];
  for (const batch of batches) {
    let made = programs.get(batch.length);
    if (!made) {
      const inputs = batchInputs(batch.rows, batch.length);
      const { graph, losses } = evaluationGraph(model, inputs, state, limits);
      const [program] = await memory.compile([plan("evaluate", graph, limits)]);
      programs.set(batch.length, made = { inputs, losses, program });
    }
    const { inputs, losses, program } = made;
    memory.write(inputs.tokens, batch.tokens);
    memory.write(inputs.positions, batch.positions);
    memory.write(inputs.starts, batch.starts);
    memory.write(inputs.targets, batch.targets);
    memory.write(state.step, packStep({ lossScale: 0, slot: 0, microStep: 0, seed: 0 }));
    program.run();
    const [bytes] = await memory.read([{ tensor: losses, program }]);
    const values = new Float32Array(bytes);
    batch.targets.forEach((target, i) => {
      if (target >= 0) sum += values[i];
    });
    count += batch.trainedTokens;
  }
  return sum / Math.max(1, count);
}
