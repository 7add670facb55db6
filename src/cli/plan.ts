// `eft plan CONFIG`: what a run will take, line by line, without touching a GPU.

import { parseConfig } from "../config/config.ts";
import { leastLimits } from "../graph/limits.ts";
import type { MemoryReport } from "../graph/plan.ts";
import type { Host } from "../host/host.ts";
import { prepareSession } from "../train/session.ts";
import type { Arguments } from "./arguments.ts";
import { readConfig } from "./config_file.ts";
import { bytes, type Terminal } from "./terminal.ts";

/** The key that shrinks a line the most. */
const remedies: Partial<Record<keyof MemoryReport, string>> = {
  weights: "adapter: qlora (a base in 4 bits), or a smaller base_model",
  trained: "lora_r, or fewer lora_target_modules",
  gradients: "lora_r, or adapter: lora",
  optimizer: "optimizer: adamw_bnb_8bit, lora_r, or adapter: lora",
  activations: "micro_batch_size, sequence_len, or gradient_checkpointing: true",
};

export async function showPlan(host: Host, args: Arguments, terminal: Terminal): Promise<void> {
  const { file, text } = await readConfig(host, args);
  const { config, notes } = parseConfig(text, file, args.overrides);
  for (const note of notes) terminal.event({ event: "note", text: note });
  // What nearly every GPU has; a device with less refuses a run that needs more.
  const limits = { ...leastLimits, f16: true, maxBuffer: 2 ** 31, maxBinding: 2 ** 30 };
  const session = await prepareSession(host, config, limits);
  session.loaded.files?.close();
  for (const note of session.notes) terminal.event({ event: "note", text: note });
  if (session.loaded.model.activations === "f16") {
    terminal.say("Activations are planned in 16 bits; a device without shader-f16 needs 32.");
  }
  const { total, ...lines } = session.memory;
  terminal.say(`Memory on the GPU for ${file}`);
  for (const [name, value] of Object.entries(lines)) {
    terminal.say(`  ${name.padEnd(12)} ${bytes(value).padStart(12)}`);
  }
  terminal.say(`  ${"total".padEnd(12)} ${bytes(total).padStart(12)}`);
  const [largest] = Object.entries(lines).sort((a, b) => b[1] - a[1])[0];
  const remedy = remedies[largest as keyof MemoryReport];
  if (remedy) terminal.say(`Most of it is ${largest}; what shrinks that: ${remedy}.`);
  terminal.event({ event: "end", steps: session.totalSteps, bytes: { ...lines, total } });
}
