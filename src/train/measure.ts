// One real step of a run on its device, for a person who wants to know before the start how long it
// will take and whether the device has the memory. Nothing of it is kept.

import { windows } from "../data/batches.ts";
import { EftError } from "../errors.ts";
import type { Device } from "../gpu/device.ts";
import type { Session } from "./session.ts";
import { Trainer } from "./trainer.ts";
import { tuneSession } from "./tune.ts";

export interface Measurement {
  adapter: string;
  software: boolean;
  seconds_per_step: number;
  /** Tokens of the step per second, without padding. */
  tokens_per_second: number;
  loss: number;
  /** The most bytes that the device held during the step. */
  peak_gpu_bytes: number;
  planned_gpu_bytes: number;
  steps: number;
  /** All steps at this speed; evaluations and checkpoints come on top. */
  seconds_in_all: number;
}

/** Seconds above which a step is not repeated to leave out what only the first one pays. */
const longStep = 10;

/** Loads the model, computes a step, and gives everything back to the device. */
export async function measureStep(
  session: Session,
  device: Device,
  onProgress?: (what: string, done: number, total: number) => void,
  signal?: AbortSignal,
): Promise<Measurement> {
  const { config, totalSteps, trainBatches } = session;
  if (!device.summary.software) await tuneSession(session, device);
  const trainer = await Trainer.create(session, device, onProgress);
  device.peakBytes = device.allocatedBytes; // the peak of training, as at the end of a run
  try {
    const [window] = windows(trainBatches.epoch(0), config.gradient_accumulation_steps);
    const step = async () => {
      signal?.throwIfAborted();
      const started = performance.now();
      await trainer.step(window, config.learning_rate);
      const [{ loss }] = await trainer.results(); // waits for the device
      return { loss, seconds: (performance.now() - started) / 1000 };
    };
    const first = await step();
    if (!Number.isFinite(first.loss)) {
      throw new EftError(
        "train",
        "The loss of the first step is not a number; training would fail.",
      );
    }
    const { seconds } = first.seconds < longStep ? await step() : first;
    device.check();
    const tokens = window.batches.reduce((sum, batch) => sum + batch.realTokens, 0);
    return {
      adapter: device.summary.name,
      software: device.summary.software,
      seconds_per_step: seconds,
      tokens_per_second: tokens / seconds,
      loss: first.loss,
      peak_gpu_bytes: device.peakBytes,
      planned_gpu_bytes: session.memory.total,
      steps: totalSteps,
      seconds_in_all: seconds * totalSteps,
    };
  } finally {
    trainer.destroy();
  }
}
