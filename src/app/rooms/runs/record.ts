// What the page keeps of a run besides its result, so that it can be shown, compared and gone on with
// after a reload:
//
//   runs/ID/run.json       this record
//   runs/ID/config.yml     the configuration as it was started
//   runs/ID/events.jsonl   every event of the run, one to a line
//   runs/ID/output/        its output_dir, checkpoints included

export interface RunRecord {
  /** Names the folder: "2026-11-23-221530-tiny-lora". */
  id: string;
  /** The configuration's name. */
  name: string;
  /** ISO 8601; unknown for a run of the terminal. */
  started?: string;
  ended?: string;
  /** A run that is "running" while nobody holds its lock was cut off: it can go on. */
  state: "running" | "finished" | "stopped" | "failed";
  /** Why it failed. */
  message?: string;
  /** Steps done and steps in all. */
  step: number;
  steps: number;
  loss?: number;
  eval_loss?: number;
}

export function runFolder(id: string): string {
  return `runs/${id}`;
}

/** The name of the Web Lock that the worker holds while it trains this run. */
export function runLock(id: string): string {
  return `eft-run-${id}`;
}
