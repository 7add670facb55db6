// What remains of a run's events when it goes on from a checkpoint: the steps after it come again, so
// curves would have them twice.

import type { LogEntry } from "../../../train/state.ts";
import type { RunEvent } from "../../../train/events.ts";

/**
 * The events up to a checkpoint, or without one (`step` 0) those that are not of any step. `log` is the
 * checkpoint's: a report that a stopped run made early is not in it.
 */
export function historyAt(
  events: readonly RunEvent[],
  step: number,
  log?: readonly LogEntry[],
): RunEvent[] {
  const logged = log && new Set(log.filter((entry) => "loss" in entry).map((entry) => entry.step));
  return events.filter((event) => {
    if (event.event === "end" || event.event === "pause") return false;
    if (!("step" in event)) return true;
    if (event.event === "step" && logged && !logged.has(event.step)) return false;
    return step > 0 && event.step <= step;
  });
}
