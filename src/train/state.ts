// trainer_state.json in the shape that the Hugging Face Trainer writes, so that tools that read one
// read ours.

import type { Session } from "./session.ts";

export interface LogEntry {
  epoch: number;
  step: number;
  loss?: number;
  learning_rate?: number;
  grad_norm?: number;
  eval_loss?: number;
  [key: string]: number | undefined;
}

/** The file's text: two spaces of indent, sorted keys, a newline at the end. */
export function trainerState(
  session: Session,
  log: readonly LogEntry[],
  steps: number,
  totals: Record<string, number>,
): string {
  const { config, totalSteps } = session;
  const epoch = log.at(-1)?.epoch ?? 0;
  const state = {
    best_global_step: null,
    best_metric: null,
    best_model_checkpoint: null,
    epoch,
    eval_steps: config.eval_steps ?? null,
    global_step: steps,
    is_hyper_param_search: false,
    is_local_process_zero: true,
    is_world_process_zero: true,
    log_history: [...log, { epoch, step: steps, ...totals }],
    logging_steps: config.logging_steps ?? null,
    max_steps: totalSteps,
    num_input_tokens_seen: totals.num_input_tokens_seen,
    num_train_epochs: config.num_epochs,
    save_steps: null,
    stateful_callbacks: {},
    total_flos: 0,
    train_batch_size: config.micro_batch_size,
    trial_name: null,
    trial_params: null,
  };
  return JSON.stringify(sorted(state), null, 2) + "\n";
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}
