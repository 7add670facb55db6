// The messages between the page and the worker in which the engine runs.

import type { Override } from "../config/config.ts";
import type { EndEvent, RunEvent } from "../train/events.ts";

/** Page to worker. `id` comes back with the answer. */
export type Request =
  | { type: "adapter"; id: number }
  | {
    type: "start";
    id: number;
    configText: string;
    configName: string;
    /** Keys of the configuration that replace what its text says. */
    overrides: Override[];
  }
  /** The files of a folder. */
  | { type: "list"; id: number; path: string }
  | { type: "file"; id: number; path: string };

/** What the worker answers, by the type of the request. */
export interface Answers {
  adapter: AdapterReport;
  /** The run's last event. */
  start: EndEvent;
  list: { name: string; size: number }[];
  file: { bytes: Uint8Array<ArrayBuffer>; sha256: string };
}

export interface AdapterReport {
  name: string;
  isFallbackAdapter: boolean;
  limits: Record<string, number>;
  features: string[];
}

/** Worker to page: the answer to a request, or, before it, the events of a run. */
export type Reply =
  | { type: "event"; id: number; event: RunEvent }
  | { type: "answer"; id: number; answer: unknown }
  | { type: "error"; id: number; code: string; message: string; stack?: string };
