import type { Override } from "../../../config/config.ts";
import type { EndEvent, RunEvent } from "../../../train/events.ts";
import type { RunRecord } from "../runs/record.ts";

/** A run as it is kept: at its beginning or end, and when events were taken back (a lost device). */
export interface RunReport {
  event: "run";
  record: RunRecord;
  /** All its events so far, when they are not what was reported before. */
  events?: RunEvent[];
}

/** Tokens that stand together and are all trained, or all not, as text. */
export interface TokenRun {
  text: string;
  tokens: number;
  trained: boolean;
}

/** What made a step of a run. */
export interface StepBatch {
  step: number;
  /** The pass over the data, from 1. */
  epoch: number;
  /** Tokens without padding, and those that give a loss. */
  tokens: number;
  trainedTokens: number;
  /** Rows of all its micro batches; a row holds one sample or, packed, several. */
  rows: { length: number; samples: TokenRun[][] }[];
}

export interface OpenedRun {
  record: RunRecord;
  events: RunEvent[];
  /** It lies on the site (`eft ui`), not in this browser: it goes on in the terminal only. */
  onSite: boolean;
}

export interface TrainRequests {
  /** Trains as a new run; aborting finishes the step and keeps what was learned. */
  "train.start": {
    ask: {
      configText: string;
      configName: string;
      /** Keys of the configuration that replace what its text says. */
      overrides: Override[];
    };
    /** The run's last event. */
    answer: EndEvent;
    report: RunEvent | RunReport;
  };
  /** Goes on with a run from its last checkpoint, or from its start where it has none. */
  "train.resume": { ask: { id: string }; answer: EndEvent; report: RunEvent | RunReport };
  /** What the run of this page is to do. */
  "train.control": { ask: { action: "pause" | "goOn" | "step" }; answer: void };
  /** Ends the run, if it goes on, and removes all that is kept of it. */
  "train.discard": { ask: { id: string }; answer: void };
  /** A run as it is kept; without an id, the newest. */
  "train.open": {
    ask: { id?: string };
    answer: OpenedRun | undefined;
  };
  "train.checkpoints": { ask: { id: string }; answer: { step: number; path: string }[] };
  /** Made again from the configuration and its seed; batches are not stored. */
  "train.batch": { ask: { id: string; step: number }; answer: StepBatch };
  /** The files of a folder. */
  "train.list": { ask: { path: string }; answer: { name: string; size: number }[] };
  "train.file": {
    ask: { path: string };
    answer: { bytes: Uint8Array<ArrayBuffer>; sha256: string };
  };
}
