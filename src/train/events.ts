// What a run reports while it goes on. `--json` prints these objects one to a line; the page gets the
// same ones from its worker.

/** Everything is ready for the first step. It comes again when a lost device was replaced. */
export interface StartEvent {
  event: "start";
  adapter: string;
  engine: string;
  software: boolean;
  parameters: number;
  trained_parameters: number;
  planned_gpu_bytes: number;
  steps: number;
  rows: number;
  dropped: number;
  /** Steps done before, when the run goes on from a checkpoint. */
  resumed_from_step?: number;
}

/** Something a person should know: a key without effect, a software adapter. */
export interface NoteEvent {
  event: "note";
  text: string;
}

/** How far a long preparation is. */
export interface ProgressEvent {
  event: "progress";
  what: string;
  done: number;
  total: number;
}

export interface StepEvent {
  event: "step";
  step: number;
  /** Mean over the steps since the last report. */
  loss: number;
  learning_rate: number;
  /** Global norm before clipping, of the last step that was not skipped. */
  grad_norm: number;
  epoch: number;
  /** Mean milliseconds of a step since the last report. */
  step_ms: number;
  /** Tokens computed per second, without padding. */
  tokens_per_second: number;
  seconds_left: number;
  /** How often the adapter was merged so far (ReLoRA). */
  num_lora_restarts?: number;
  /** With `fp16`: the loss scale of this step, and the steps since the last report that did nothing. */
  loss_scale?: number;
  skipped_steps?: number;
}

export interface EvalEvent {
  event: "eval";
  step: number;
  eval_loss: number;
  eval_ppl: number;
  epoch: number;
}

/** A checkpoint lies on disk. */
export interface CheckpointEvent {
  event: "checkpoint";
  step: number;
  path: string;
}

/** A row of the data as the model continues it (`generate_samples`). */
export interface SampleEvent {
  event: "sample";
  step: number;
  prompt: string;
  /** What the model says. */
  generated: string;
  /** What the data says. */
  expected: string;
}

/** The run waits before its next step. */
export interface PauseEvent {
  event: "pause";
  step: number;
  /** Of the last step alone. */
  loss?: number;
  grad_norm?: number;
}

export interface EndEvent {
  event: "end";
  steps: number;
  train_loss: number;
  tokens_per_second: number;
  trained_tokens: number;
  peak_gpu_bytes: number;
  planned_gpu_bytes: number;
  adapter: string;
  engine: string;
  output_dir: string;
  wall_seconds: number;
  /** Why the run ended before its last step. */
  ended_by?: "interrupt" | "early stopping" | "watchdog";
  /** The step of the model that was kept, when it is not the last one. */
  best_step?: number;
  /** What a run that goes on starts from, when it was interrupted. */
  checkpoint?: string;
}

export type RunEvent =
  | StartEvent
  | NoteEvent
  | ProgressEvent
  | StepEvent
  | EvalEvent
  | CheckpointEvent
  | SampleEvent
  | PauseEvent
  | EndEvent;
export type Report = (event: RunEvent) => void;
