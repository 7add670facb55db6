// The few numbers that change from step to step, in one small buffer that kernels read.

import { type Tensor, tensor } from "./graph.ts";

/** Word index of each scalar in the buffer; floats are stored as their bits. */
export const stepWords = {
  /** f32: what a token's loss is multiplied with; 1 / trained tokens of the window. */
  LOSS_SCALE: 0,
  /** u32: row of the statistics buffer that this step writes. */
  SLOT: 1,
  /** u32: counts micro batches since the start of the run; a counter of the random numbers. */
  MICRO_STEP: 2,
  /** u32: the seed, the key of the random numbers. */
  SEED_LOW: 3,
  SEED_HIGH: 4,
} as const;

export const STEP_WORDS = 8;

/** Rows of the statistics buffer: steps between two readbacks at most. */
export const STATISTICS_ROWS = 128;

/** Template values that name the words. */
export const stepValues = { ...stepWords, STEP_WORDS, SLOTS: STATISTICS_ROWS + 1 };

/** The step's scalars as a tensor. */
export function stepTensor(): Tensor {
  return tensor("step", [STEP_WORDS], "u32", "input");
}

/**
 * Per step: loss, gradient norm; with loss scaling, the scale and whether the step was skipped. The
 * last row says whether the run was halted.
 */
export function statisticsTensor(): Tensor {
  return tensor("statistics", [STATISTICS_ROWS + 1, 4], "f32", "state");
}

export interface StepScalars {
  lossScale: number;
  slot: number;
  microStep: number;
  seed: number;
}

/** The buffer's content. */
export function packStep(scalars: StepScalars): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(STEP_WORDS);
  const floats = new Float32Array(words.buffer);
  floats[stepWords.LOSS_SCALE] = scalars.lossScale;
  words[stepWords.SLOT] = scalars.slot;
  words[stepWords.MICRO_STEP] = scalars.microStep;
  words[stepWords.SEED_LOW] = scalars.seed >>> 0;
  words[stepWords.SEED_HIGH] = Math.floor(scalars.seed / 2 ** 32) >>> 0;
  return words;
}
