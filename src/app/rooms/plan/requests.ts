import type { Override } from "../../../config/config.ts";
import type { MemoryReport } from "../../../graph/plan.ts";
import type { Measurement } from "../../../train/measure.ts";
import type { Saving } from "../../../train/savings.ts";

export interface PlanAsk {
  configText: string;
  configName: string;
  overrides?: Override[];
}

/** What a run will take. */
export interface PlanMade {
  /** The adapter that it was planned for; undefined where there is none. */
  adapter: { name: string; software: boolean; maxBuffer: number; maxBinding: number } | undefined;
  /** Undefined when the run cannot be on such a device; `refused` then says why. */
  memory: MemoryReport | undefined;
  refused: string;
  steps: number;
}

export interface PlanRequests {
  /** Reports the plan as soon as it is made, and answers with what would take less. */
  "plan.make": { ask: PlanAsk; answer: Saving[]; report: PlanMade };
  /** Computes one step; nothing of it is kept. */
  "plan.measure": {
    ask: PlanAsk;
    answer: Measurement;
    report: { what: string; done: number; total: number };
  };
}
