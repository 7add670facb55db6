// Makes the batch behind a step of a run again, as rows of text with what was trained marked.

import { type Config, parseConfig } from "../../../config/config.ts";
import { type Batch, Batches, windowOfStep } from "../../../data/batches.ts";
import { batchOptions, prepareData } from "../../../data/prepare.ts";
import { configuredTokenizer, type Tokenizer } from "../../../data/tokenizer.ts";
import type { Host } from "../../../host/host.ts";
import { modelSource } from "../../../model/source.ts";
import type { StepBatch, TokenRun } from "./requests.ts";

/** The data of a run. */
export interface RunData {
  config: Config;
  tokenizer: Tokenizer;
  trainBatches: Batches;
}

/** Reads the data of a run that does not go on now. */
export async function readRunData(host: Host, configText: string, file: string): Promise<RunData> {
  const { config } = parseConfig(configText, file);
  const tokenizer = await configuredTokenizer(host, config);
  const { token } = modelSource(config);
  const data = await prepareData(host, config, tokenizer, { token });
  const trainBatches = new Batches(data.train, batchOptions(config, tokenizer.padId, "train"));
  return { config, tokenizer, trainBatches };
}

export function stepBatch({ config, tokenizer, trainBatches }: RunData, step: number): StepBatch {
  const accumulation = config.gradient_accumulation_steps;
  const { pass, window } = windowOfStep(trainBatches, accumulation, step);
  return {
    step,
    epoch: pass + 1,
    tokens: window.batches.reduce((sum, batch) => sum + batch.realTokens, 0),
    trainedTokens: window.trainedTokens,
    rows: window.batches.flatMap((batch) => rowsOf(batch, tokenizer)),
  };
}

function rowsOf(batch: Batch, tokenizer: Tokenizer): StepBatch["rows"] {
  return Array.from({ length: batch.rows }, (_, row) => ({
    length: batch.length,
    samples: samplesOf(batch, row * batch.length, tokenizer),
  })).filter(({ samples }) => samples.length > 0);
}

/** The samples of the row that begins at `row`. Padding is the tokens after the last sample. */
function samplesOf(batch: Batch, row: number, tokenizer: Tokenizer): TokenRun[][] {
  const { length, starts, tokens, targets, positions } = batch;
  const samples: TokenRun[][] = [];
  for (let start = 0; start < length;) {
    let end = start + 1;
    while (end < length && starts[row + end] === start) end++;
    // A padding token is a segment of its own at position 0; a sample has at least two tokens.
    if (end - start === 1 && positions[row + start] === 0) break;
    // Targets are shifted by one: a token is trained where the one before it has a target.
    const isTrained = (at: number) => at > start && targets[row + at - 1] >= 0;
    const runs: TokenRun[] = [];
    for (let from = start; from < end;) {
      const trained = isTrained(from);
      let to = from + 1;
      while (to < end && isTrained(to) === trained) to++;
      const ids = tokens.subarray(row + from, row + to);
      runs.push({ text: tokenizer.decode(ids), tokens: to - from, trained });
      from = to;
    }
    samples.push(runs);
    start = end;
  }
  return samples;
}
