// How far a run is: everything that the loop knows beside the tensors on the device. A checkpoint
// holds it as JSON, so that a run that goes on from there says and does what it would have.

import type { Config } from "../config/config.ts";
import type { HostState } from "./optimizers/scalars.ts";
import type { PlateauState } from "./schedule.ts";
import type { StepResult } from "./trainer.ts";
import type { LogEntry } from "./state.ts";

export interface Progress {
  /** Optimizer steps done. */
  step: number;
  /** Micro batches done; the counter of the random numbers of dropout. */
  microStep: number;
  /** The pass over the data, from 0, and the optimizer steps done in it. */
  pass: number;
  stepInPass: number;
  /** The same as a fraction, for people. */
  epoch: number;
  /** Sum of the losses of all steps that were reported. */
  lossSum: number;
  /** Tokens without padding, and those that give a loss. */
  tokens: number;
  trainedTokens: number;
  /** Time in training steps, without evaluation and saving. */
  seconds: number;
  /** Steps since the last report, and their tokens and time. */
  pending: { results: StepResult[]; tokens: number; seconds: number };
  /** The best evaluation so far. */
  best: { step: number; metric: number } | null;
  evaluationsWithoutGain: number;
  /** What the optimizer's host side remembers, at the last checkpoint. */
  optimizer?: HostState;
  /** reduce_lr_on_plateau: what it has seen. */
  plateau?: PlateauState;
  /** Reports in a row above loss_watchdog_threshold. */
  watchdogViolations: number;
  log: LogEntry[];
}

export function newProgress(): Progress {
  return {
    step: 0,
    microStep: 0,
    pass: 0,
    stepInPass: 0,
    epoch: 0,
    lossSum: 0,
    tokens: 0,
    trainedTokens: 0,
    seconds: 0,
    pending: { results: [], tokens: 0, seconds: 0 },
    best: null,
    evaluationsWithoutGain: 0,
    watchdogViolations: 0,
    log: [],
  };
}

/** Whether the run looks for its best model, and has something to compare. */
export function seeksBest(config: Config): boolean {
  return config.load_best_model_at_end || config.save_strategy === "best" ||
    config.metric_for_best_model !== undefined || config.early_stopping_patience !== undefined;
}

/**
 * Takes an evaluation into account; returns whether it is the best so far. The one before the first
 * step does not count, as in the Hugging Face Trainer.
 */
export function noteEvaluation(progress: Progress, config: Config, loss: number): boolean {
  if (!seeksBest(config) || progress.step === 0) return false;
  const metric = config.metric_for_best_model?.endsWith("ppl") ? perplexity(loss) : loss;
  const { best } = progress;
  const better = best === null ||
    (config.greater_is_better ? metric > best.metric : metric < best.metric);
  if (better) progress.best = { step: progress.step, metric };
  progress.evaluationsWithoutGain = better ? 0 : progress.evaluationsWithoutGain + 1;
  return better;
}

/** Whether early stopping has had enough. */
export function outOfPatience(progress: Progress, config: Config): boolean {
  const patience = config.early_stopping_patience;
  return patience !== undefined && progress.evaluationsWithoutGain >= patience;
}

export function perplexity(loss: number): number {
  return Math.exp(loss);
}
