// What the header says of the run that goes on in this page. It stands apart, as the page's frame
// should not have to load the rest of this room.

import { signal } from "@preact/signals";

export interface RunningNow {
  step: number;
  steps: number;
  loss: number | undefined;
}

export const runningNow = signal<RunningNow | undefined>();
