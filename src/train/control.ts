// Pausing a run between two of its steps, and throwing it away. The numbers of a run do not depend on
// it: whoever waits has read the results of all steps, and the time is not counted.

import { EftError } from "../errors.ts";

export class RunControl {
  /** Steps that may be taken before the next pause. */
  #allowed = Infinity;
  #discarded = false;
  #wake: () => void = () => {};

  get paused(): boolean {
    return this.#allowed === 0;
  }

  /** Holds the run before its next step. */
  pause(): void {
    this.#allowed = 0;
  }

  goOn(): void {
    this.#allowed = Infinity;
    this.#wake();
  }

  /** Takes one step and pauses again. */
  step(): void {
    this.#allowed = 1;
    this.#wake();
  }

  /** Ends the run before its next step; nothing more is written. */
  discard(): void {
    this.#discarded = true;
    this.#wake();
  }

  /**
   * Asked before each step: undefined when it may be taken, otherwise a promise that resolves when it
   * may. Throws an EftError("train") when the run was discarded.
   */
  gate(): Promise<void> | undefined {
    if (this.#discarded) throw new EftError("train", "The run was stopped and discarded.");
    if (this.#allowed > 0) {
      this.#allowed--;
      return undefined;
    }
    return new Promise<void>((resolve) => this.#wake = resolve).then(() => this.gate());
  }
}
