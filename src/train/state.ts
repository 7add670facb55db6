// trainer_state.json in the shape that the Hugging Face Trainer writes, so that tools that read one
// read ours.

import type { Config } from "../config/config.ts";
import type { Progress } from "./progress.ts";
import type { Session } from "./session.ts";
import type { Timing } from "./timing.ts";

export interface LogEntry {
  epoch: number;
  step: number;
  loss?: number;
  learning_rate?: number;
  grad_norm?: number;
  eval_loss?: number;
  eval_ppl?: number;
  [key: string]: number | undefined;
}

export interface StateOptions {
  timing: Timing;
  /** Whether the run is over; otherwise it was stopped, or this is a checkpoint of it. */
  over: boolean;
  /** Figures of the whole run, as the last entry of the log. */
  totals?: Record<string, number>;
  /** The folder of the best checkpoint. */
  bestCheckpoint?: string | undefined;
}

/** The file's text: two spaces of indent, sorted keys, a newline at the end. */
export function trainerState(
  { config, totalSteps }: Session,
  progress: Progress,
  { timing, over, totals, bestCheckpoint }: StateOptions,
): string {
  const { epoch, step, log, best } = progress;
  const state = {
    best_global_step: best?.step ?? null,
    best_metric: best?.metric ?? null,
    best_model_checkpoint: bestCheckpoint ?? null,
    epoch,
    eval_steps: timing.evalSteps ?? null,
    global_step: step,
    is_hyper_param_search: false,
    is_local_process_zero: true,
    is_world_process_zero: true,
    log_history: totals ? [...log, { epoch, step, ...totals }] : log,
    logging_steps: timing.loggingSteps,
    max_steps: totalSteps,
    num_input_tokens_seen: progress.tokens,
    num_train_epochs: config.num_epochs,
    save_steps: timing.saveSteps ?? null,
    stateful_callbacks: callbacks(config, progress, over),
    total_flos: 0,
    train_batch_size: config.micro_batch_size,
    trial_name: null,
    trial_params: null,
  };
  return JSON.stringify(sorted(state), null, 2) + "\n";
}

function callbacks(config: Config, progress: Progress, over: boolean) {
  const { early_stopping_patience: patience } = config;
  const control = {
    args: {
      should_epoch_stop: false,
      should_evaluate: false,
      should_log: false,
      should_save: true,
      should_training_stop: over,
    },
    attributes: {},
  };
  return {
    TrainerControl: control,
    ...(patience === undefined ? {} : {
      EarlyStoppingCallback: {
        args: { early_stopping_patience: patience, early_stopping_threshold: 0 },
        attributes: { early_stopping_patience_counter: progress.evaluationsWithoutGain },
      },
    }),
  };
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}
