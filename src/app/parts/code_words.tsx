import type { ComponentChildren } from "preact";

/** A message of the engine, with what stands between backticks set as code. */
export function codeWords(message: string): ComponentChildren {
  return message.split("`").map((part, i) => i % 2 ? <code key={i}>{part}</code> : part);
}
