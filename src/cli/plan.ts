// `eft plan CONFIG`: what a run will take, line by line, and what would make it less, without touching
// a GPU; with --measure also one real step.

import { type Config, type Override, parseConfig } from "../config/config.ts";
import { openDevice } from "../gpu/device.ts";
import { usualLimits } from "../graph/limits.ts";
import type { Host } from "../host/host.ts";
import { measureStep } from "../train/measure.ts";
import { findSavings } from "../train/savings.ts";
import { prepareSession } from "../train/session.ts";
import { type Arguments, engineOf } from "./arguments.ts";
import { readConfig } from "./config_file.ts";
import { bytes, duration, type Terminal } from "./terminal.ts";

export async function showPlan(host: Host, args: Arguments, terminal: Terminal): Promise<void> {
  const { file, text } = await readConfig(host, args);
  const { config, notes } = parseConfig(text, file, args.overrides);
  for (const note of notes) terminal.event({ event: "note", text: note });
  // A device with less than is usual refuses a run that needs more.
  const session = await prepareSession(host, config, usualLimits);
  session.loaded.files?.close();
  for (const note of session.notes) terminal.event({ event: "note", text: note });
  if (session.loaded.model.activations === "f16") {
    terminal.say("Activations are planned in 16 bits; a device without shader-f16 needs 32.");
  }
  const { total, ...lines } = session.memory;
  terminal.say(`Memory on the GPU for ${file}`);
  const line = (name: string, value: string) =>
    terminal.say(`  ${name.padEnd(12)} ${value.padStart(12)}`);
  for (const [name, value] of Object.entries(lines)) line(name, bytes(value));
  line("total", bytes(total));

  const planned = { configText: text, configFile: file, overrides: args.overrides, session };
  const savings = await findSavings(host, planned, usualLimits);
  if (savings.length > 0) terminal.say("What would take less:");
  for (const { changes, memory } of savings) {
    const less = bytes(total - memory.total);
    terminal.say(`  ${less.padStart(10)} less with ${changes.map(keyValue).join(", ")}`);
  }
  const measured = args.flags.has("measure")
    ? await measure(host, config, args, terminal)
    : undefined;
  terminal.event({
    event: "end",
    steps: session.totalSteps,
    bytes: { ...lines, total },
    savings: savings.map(({ changes, memory }) => ({ set: changes, total: memory.total })),
    ...(measured ? { measured } : {}),
  });
}

async function measure(host: Host, config: Config, args: Arguments, terminal: Terminal) {
  const device = await openDevice(host, engineOf(args.flags));
  try {
    const session = await prepareSession(host, config, device.limits);
    const measured = await measureStep(session, device, (what, done, total) => {
      terminal.event({ event: "progress", what, done, total });
    });
    terminal.say(
      `One step on ${measured.adapter}: ${measured.seconds_per_step.toPrecision(3)} s, ` +
        `${Math.round(measured.tokens_per_second)} tokens/s, ` +
        `${bytes(measured.peak_gpu_bytes)} allocated; ` +
        `${measured.steps} steps take about ${duration(measured.seconds_in_all)}.`,
    );
    return measured;
  } finally {
    device.destroy();
  }
}

function keyValue({ key, value }: Override): string {
  return `${key}: ${value}`;
}
