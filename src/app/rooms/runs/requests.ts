import type { RunEvent } from "../../../train/events.ts";
import type { RunRecord } from "./record.ts";

export interface ListedRun extends RunRecord {
  /** Cut off by a reload or a crash: it says it is running, and nobody runs it. */
  interrupted: boolean;
  /** It lies on the site (`eft ui`), not in this browser, so it cannot be deleted here. */
  onSite: boolean;
  /** Size of all its files. */
  bytes: number;
}

export interface RunsRequests {
  /** The newest first. */
  "runs.list": { ask: Record<never, never>; answer: ListedRun[] };
  "runs.events": { ask: { id: string }; answer: RunEvent[] };
  /** Each key whose values differ, with its value in every run as YAML; "" where it is missing. */
  "runs.differences": { ask: { ids: string[] }; answer: Difference[] };
  "runs.config": { ask: { id: string }; answer: string };
  "runs.delete": { ask: { id: string }; answer: void };
}

export interface Difference {
  /** With dots: "datasets.0.path". */
  key: string;
  values: string[];
}
