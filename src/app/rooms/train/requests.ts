import type { Override } from "../../../config/config.ts";
import type { EndEvent, RunEvent } from "../../../train/events.ts";

export interface TrainRequests {
  /** Trains; aborting finishes the step and keeps what was learned. */
  "train.start": {
    ask: {
      configText: string;
      configName: string;
      /** Keys of the configuration that replace what its text says. */
      overrides: Override[];
    };
    /** The run's last event. */
    answer: EndEvent;
    report: RunEvent;
  };
  /** The files of a folder. */
  "train.list": { ask: { path: string }; answer: { name: string; size: number }[] };
  "train.file": {
    ask: { path: string };
    answer: { bytes: Uint8Array<ArrayBuffer>; sha256: string };
  };
}
