// Changes single keys of the configuration's text and leaves the rest, comments included, as it is.

import type { Change, Path } from "./config_text.ts";
import { configText } from "./state.ts";

// The YAML library is large for a page that only shows the start; it comes with the first edit.
const library = () => import("./config_text.ts");

/** Sets a key, or removes it when `value` is undefined. A text that is not YAML stays as it is. */
export async function setKey(path: Path, value: unknown): Promise<void> {
  await setKeys([[path, value]]);
}

export async function setKeys(changes: Change[]): Promise<void> {
  const { editKeys } = await library();
  configText.value = editKeys(configText.value, changes) ?? configText.value;
}

/** The configuration as plain data, or undefined while its text is not YAML. */
export async function readKeys(): Promise<Record<string, unknown> | undefined> {
  const { readYaml } = await library();
  return readYaml(configText.value);
}
