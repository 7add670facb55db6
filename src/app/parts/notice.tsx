import type { ComponentChildren } from "preact";

/** A sentence that matters now. An error or a warning is read out by screen readers at once. */
export function Notice(
  { kind, children }: { kind: "info" | "good" | "warning" | "error"; children: ComponentChildren },
) {
  const urgent = kind === "error" || kind === "warning";
  return <p class={`notice ${kind}`} role={urgent ? "alert" : "status"}>{children}</p>;
}

/** What a failed request said. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
