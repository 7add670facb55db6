// Stops a run whose reported loss stays above a threshold, as Axolotl's callback does.

export class LossWatchdog {
  readonly #threshold: number;
  readonly #patience: number;
  /** Reports in a row above the threshold; part of a checkpoint. */
  violations = 0;

  /** Without a threshold it never stops anything. */
  constructor(threshold: number | undefined, patience: number) {
    this.#threshold = threshold ?? Infinity;
    this.#patience = patience;
  }

  /** Takes note of a reported loss; whether the run should stop. */
  observe(loss: number): boolean {
    this.violations = loss > this.#threshold ? this.violations + 1 : 0;
    return this.violations >= this.#patience;
  }
}
