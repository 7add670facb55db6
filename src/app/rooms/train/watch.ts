// What a long run needs of the browser: the screen stays awake, leaving the page asks, and a hidden
// tab that is slowed down is said.

import { effect, type ReadonlySignal, signal } from "@preact/signals";
import { slowdown } from "./slowdown.ts";

/** A sentence's two figures: milliseconds of a step while the tab was hidden, and while it was not. */
export const slowed = signal<{ hidden: number; visible: number } | undefined>();

/** Keeps the screen awake while `wanted`. A browser that refuses (low battery) has its reasons. */
export function keepAwake(wanted: ReadonlySignal<boolean>): void {
  let lock: Promise<WakeLockSentinel | undefined> | undefined;
  const apply = () => {
    const wants = wanted.peek() && document.visibilityState === "visible";
    if (wants && !lock) {
      lock = navigator.wakeLock?.request("screen").catch(() => undefined);
    } else if (!wants && lock) {
      lock.then((held) => held?.release()).catch(() => {});
      lock = undefined;
    }
  };
  effect(() => {
    wanted.value;
    apply();
  });
  // The browser takes the lock back when the page is hidden.
  document.addEventListener("visibilitychange", apply);
}

/** Asks before the page is left while `wanted`. */
export function askBeforeLeaving(wanted: ReadonlySignal<boolean>): void {
  const ask = (event: BeforeUnloadEvent) => event.preventDefault();
  effect(() => {
    if (wanted.value) addEventListener("beforeunload", ask);
    else removeEventListener("beforeunload", ask);
  });
}

const times = { hidden: [] as number[], visible: [] as number[] };
/** The page was hidden or shown since the last report, whose time then says nothing. */
let changed = false;

/** Hears how long a step took, as a mean over the steps since the last report. */
export function noteStepTime(milliseconds: number): void {
  if (!changed) {
    const list = times[document.hidden ? "hidden" : "visible"];
    list.push(milliseconds);
    if (list.length > 50) list.shift();
  }
  changed = false;
}

export function forgetStepTimes(): void {
  times.hidden.length = times.visible.length = 0;
  slowed.value = undefined;
}

document.addEventListener("visibilitychange", () => {
  changed = true;
  if (document.hidden) return;
  slowed.value = slowdown(times.hidden, times.visible) ?? slowed.value;
  times.hidden.length = 0;
});
