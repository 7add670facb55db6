// A device can be lost at any moment: a driver is updated, a computer sleeps, the process that holds
// the GPU dies. A run then goes on from its last checkpoint on a new device, to the same bytes.

import { EftError } from "../errors.ts";
import { type Device, openDevice } from "../gpu/device.ts";
import type { EngineName, Host } from "../host/host.ts";

/** Losses without a new checkpoint between them, after which it is not tried again. */
const patience = 3;

/** Milliseconds to wait before each try to open a device again; a driver needs time to come back. */
const waits = [0, 500, 1000, 2000, 4000, 8000];

/**
 * Calls `attempt` with a device, and again with a new one when that was lost. `kept` is the step that
 * an attempt would go on from; it grows when a checkpoint is written.
 */
export async function onDevices<T>(
  host: Host,
  engine: EngineName | undefined,
  { attempt, kept, note }: {
    attempt: (device: Device, again: boolean) => Promise<T>;
    kept: () => number;
    note: (text: string) => void;
  },
): Promise<T> {
  let device = await openDevice(host, engine);
  for (let again = false, losses = 0, before = kept();; again = true) {
    try {
      return await attempt(device, again);
    } catch (error) {
      const reason = await device.lossReason();
      if (reason === undefined) throw error;
      losses = kept() > before ? 1 : losses + 1;
      before = kept();
      const from = before > 0 ? `step ${before}, the last checkpoint` : "the start";
      if (losses === patience) {
        throw new EftError(
          "device",
          `The GPU was lost ${patience} times before the run got further than ${from}: ${reason}. ` +
            "Lower micro_batch_size or sequence_len, or update the driver; then go on from the " +
            "last checkpoint.",
          {},
          { cause: error },
        );
      }
      note(`The GPU was lost (${reason}). The run goes on from ${from}, on a new device.`);
    } finally {
      device.destroy();
    }
    device = await reopen(host, engine);
  }
}

async function reopen(host: Host, engine: EngineName | undefined): Promise<Device> {
  let failure: unknown;
  for (const wait of waits) {
    await new Promise((resolve) => setTimeout(resolve, wait));
    try {
      return await openDevice(host, engine);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}
