import type { Finding } from "../../../config/config.ts";

export interface ConfigRequests {
  /** All problems and notes, each with its place. */
  "config.check": { ask: { configText: string; configName: string }; answer: Finding[] };
}
