import type { RunRecord } from "../runs/record.ts";

/** What this computer offers. */
export interface AdapterReport {
  name: string;
  /** A CPU pretending to be a GPU. */
  software: boolean;
  limits: Record<string, number>;
  features: string[];
}

export interface StartRequests {
  "start.adapter": { ask: Record<never, never>; answer: AdapterReport };
  /** The records of all runs, the newest first. */
  "start.runs": { ask: Record<never, never>; answer: RunRecord[] };
}
