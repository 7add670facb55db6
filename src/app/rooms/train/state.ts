// The run that goes on in this page: what it reports, and how it is started.

import { signal } from "@preact/signals";
import type { Override } from "../../../config/config.ts";
import type { RunEvent } from "../../../train/events.ts";
import { engine } from "../../engine.ts";
import { messageOf } from "../../parts/notice.tsx";
import { configName, configText } from "../../state.ts";
import { text } from "../../text.ts";

export const running = signal(false);
export const status = signal("");
export const failure = signal("");

/** Trains what the configuration says. `overrides` replace single keys of it. */
export async function startRun(overrides: Override[] = []): Promise<void> {
  running.value = true;
  failure.value = "";
  status.value = text.train.starting;
  try {
    const ask = { configText: configText.value, configName: configName.value, overrides };
    await engine().ask("train.start", ask, { onReport: show });
    status.value = text.train.finished;
  } catch (error) {
    status.value = "";
    failure.value = messageOf(error);
  } finally {
    running.value = false;
  }
}

function show(event: RunEvent): void {
  if (event.event === "step") status.value = `${event.step}: ${event.loss.toFixed(4)}`;
}
