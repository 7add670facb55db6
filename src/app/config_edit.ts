// Changes single keys of the configuration's text and leaves the rest, comments included, as it is.

import { configText } from "./state.ts";

// The YAML library is large for a page that only shows the start; it comes with the first edit.
const yaml = () => import("yaml");

type Path = (string | number)[];

/** Sets a key, or removes it when `value` is undefined. A text that is not YAML stays as it is. */
export async function setKey(path: Path, value: unknown): Promise<void> {
  await setKeys([[path, value]]);
}

export async function setKeys(changes: [Path, unknown][]): Promise<void> {
  const { parseDocument } = await yaml();
  const document = parseDocument(configText.value);
  if (document.errors.length > 0) return;
  for (const [path, value] of changes) {
    if (value === undefined) document.deleteIn(path);
    else document.setIn(path, document.createNode(value));
  }
  configText.value = document.toString({ lineWidth: 0 });
}

/** The configuration as plain data, or undefined while its text is not YAML. */
export async function readKeys(): Promise<Record<string, unknown> | undefined> {
  const { parseDocument } = await yaml();
  const document = parseDocument(configText.value);
  const value = document.errors.length > 0 ? undefined : document.toJS();
  return value && typeof value === "object" && !Array.isArray(value) ? value : undefined;
}
