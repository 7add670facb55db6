// The page's colours for a canvas, which does not know CSS variables.

import { effect } from "@preact/signals";
import { theme } from "../state.ts";

const known = new Map<string, string>();
const listeners = new Set<() => void>();
let probe: HTMLElement | undefined;

/** The colour that a variable such as "--accent" has now, as the browser computes it. */
export function color(variable: string): string {
  let found = known.get(variable);
  if (found === undefined) {
    probe ??= document.body.appendChild(
      Object.assign(document.createElement("i"), { hidden: true }),
    );
    probe.style.color = `var(${variable})`;
    found = getComputedStyle(probe).color;
    known.set(variable, found);
  }
  return found;
}

/** Calls `redraw` when light and dark have changed; returns what ends it. */
export function onNewColors(redraw: () => void): () => void {
  listeners.add(redraw);
  return () => listeners.delete(redraw);
}

function forget(): void {
  known.clear();
  for (const redraw of listeners) redraw();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", forget);
effect(() => {
  theme.value;
  queueMicrotask(forget); // after the page has taken it over
});
