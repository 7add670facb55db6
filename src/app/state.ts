// What the rooms share: the configuration that the next run will have, and how the page looks. It is
// small, kept by idb-keyval, and there again after a reload.

import { effect, signal } from "@preact/signals";
import { get, set } from "idb-keyval";
import { siteBase } from "./engine.ts";

export type Theme = "system" | "light" | "dark";

/** The name of the configuration, as messages and the result show it. */
export const configName = signal("examples/tiny/lora.yml");
/** Its whole text. Every room that changes a key changes this text (config_edit.ts). */
export const configText = signal("");
/** Its text as it was last opened or saved: what differs from it would be lost. */
export const configSaved = signal("");
export const theme = signal<Theme>("system");

const stored = {
  "config.name": configName,
  "config.text": configText,
  "config.saved": configSaved,
  theme,
} as const;

/** Fills the signals from the last visit and keeps them from now on. */
export async function restoreState(): Promise<void> {
  // A page in a private window may have no database; it then starts afresh each time.
  const found = await Promise.all(
    Object.keys(stored).map((key) => get(key).catch(() => undefined)),
  );
  Object.values(stored).forEach((each, i) => {
    if (found[i] !== undefined) (each as { value: unknown }).value = found[i];
  });
  const named = new URLSearchParams(location.search).get("config");
  if (named !== null || configText.value === "") await openExample(named ?? configName.value);
  for (const [key, each] of Object.entries(stored)) {
    effect(() => void set(key, each.value).catch(() => {}));
  }
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
  });
}

/** Takes a configuration of the site, such as "examples/tiny/lora.yml". */
export async function openExample(name: string): Promise<void> {
  const response = await fetch(new URL(name, siteBase));
  if (!response.ok) throw new Error(`${name}: ${response.status} ${response.statusText}`);
  configText.value = configSaved.value = await response.text();
  configName.value = name;
}
