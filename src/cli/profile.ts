// `eft profile CONFIG`: one training step, kernel by kernel, by the device's own clock.

import { parseConfig } from "../config/config.ts";
import { EftError } from "../errors.ts";
import { openDevice } from "../gpu/device.ts";
import type { Host } from "../host/host.ts";
import { prepareSession } from "../train/session.ts";
import { Trainer } from "../train/trainer.ts";
import { type Arguments, engineOf } from "./arguments.ts";
import { readConfig } from "./config_file.ts";
import type { Terminal } from "./terminal.ts";

export async function profile(host: Host, args: Arguments, terminal: Terminal): Promise<void> {
  const { file, text } = await readConfig(host, args);
  const { config } = parseConfig(text, file, args.overrides);
  const device = await openDevice(host, engineOf(args.flags));
  if (!device.gpu.features.has("timestamp-query")) {
    throw new EftError("device", `${device.summary.name} has no timestamp-query; nothing to time.`);
  }
  const session = await prepareSession(host, config, device.limits);
  const trainer = await Trainer.create(session, device);
  const [batch] = session.trainBatches.epoch(0);
  await trainer.profile(batch); // the first run compiles and warms up
  const rows = await trainer.profile(batch);
  const total = rows.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  terminal.say(`one step of ${batch.rows} x ${batch.length} tokens on ${device.summary.name}`);
  terminal.say(`${"ms".padStart(9)} ${"share".padStart(6)} ${"GFLOP/s".padStart(9)}  kernel`);
  for (const { label, milliseconds, flops } of rows) {
    const rate = flops > 0 ? (flops / milliseconds / 1e6).toFixed(1) : "";
    const share = `${(100 * milliseconds / total).toFixed(1)} %`;
    terminal.say(
      `${milliseconds.toFixed(3).padStart(9)} ${share.padStart(6)} ${rate.padStart(9)}  ${label}`,
    );
  }
  terminal.say(`${total.toFixed(3).padStart(9)}  in all`);
  terminal.event({ event: "end", milliseconds: total, kernels: rows });
  trainer.destroy();
  device.destroy();
}
