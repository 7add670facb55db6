// What the header says of the run that goes on in this page. It stands apart, as the page's frame
// should not have to load the rest of this room.

import { signal } from "@preact/signals";
import { heldRuns } from "../runs/read.ts";
import { runFolder, type RunRecord } from "../runs/record.ts";

export interface RunningNow {
  step: number;
  steps: number;
  loss: number | undefined;
}

export const runningNow = signal<RunningNow | undefined>();

/** The newest run, if it was cut off: by a reload, a crash, a closed lid. */
export const cutOff = signal<{ id: string } | undefined>();

/** Looks for it without the engine, which would be much to load for one line. */
export async function lookForCutOff(): Promise<void> {
  try {
    let runs = await navigator.storage.getDirectory();
    for (const part of runFolder("").split("/").filter(Boolean)) {
      runs = await runs.getDirectoryHandle(part);
    }
    const ids: string[] = [];
    for await (const id of runs.keys()) ids.push(id);
    const newest = ids.sort().at(-1);
    if (newest === undefined) return void (cutOff.value = undefined);
    const folder = await runs.getDirectoryHandle(newest);
    const file = await (await folder.getFileHandle("run.json")).getFile();
    const { state }: RunRecord = JSON.parse(await file.text());
    const isHeld = (await heldRuns()).has(newest);
    cutOff.value = state === "running" && !isHeld ? { id: newest } : undefined;
  } catch {
    // No runs yet, or a browser without a private file system: nothing to say.
  }
}
