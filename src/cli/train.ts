// `eft train CONFIG`: the whole run, reported as it goes.

import { EftError } from "../errors.ts";
import type { KernelRecord } from "../graph/limits.ts";
import type { Host } from "../host/host.ts";
import { runTraining } from "../train/run.ts";
import { type Arguments, engineOf } from "./arguments.ts";
import { readConfig } from "./config_file.ts";
import type { Terminal } from "./terminal.ts";

export async function train(host: Host, args: Arguments, terminal: Terminal): Promise<void> {
  const { file, text } = await readConfig(host, args);
  const stop = new AbortController();
  const onInterrupt = () => {
    if (stop.signal.aborted) Deno.exit(130); // asked twice: at once
    terminal.say(
      "Stopping after this step; the result so far is kept. Ctrl-C again to end at once.",
    );
    stop.abort();
  };
  Deno.addSignalListener("SIGINT", onInterrupt);
  try {
    const end = await runTraining(host, {
      configText: text,
      configFile: file,
      overrides: args.overrides,
      engine: engineOf(args.flags),
      kernels: await readKernels(host, args.flags.get("kernels")),
      tune: args.flags.has("tune") ? true : undefined,
      onEvent: terminal.event,
      signal: stop.signal,
    });
    if (end.checkpoint) {
      terminal.say(`Saved in ${end.checkpoint}. To go on from there:`);
      terminal.say(`  ${resumeCommand(args, end.checkpoint)}`);
    }
  } finally {
    Deno.removeSignalListener("SIGINT", onInterrupt);
  }
}

/** The command that goes on from a checkpoint: this one, with its checkpoint. */
export function resumeCommand({ words, flags, overrides }: Arguments, checkpoint: string): string {
  const resumes = /^(auto_)?resume_from_checkpoints?$/;
  const options = [
    ...[...flags].map(([name, value]) => value === "true" ? [`--${name}`] : [`--${name}`, value]),
    ...overrides.filter(({ key }) => !resumes.test(key))
      .map(({ key, value }) => [`--${key.replaceAll("_", "-")}=${value}`]),
  ].flat();
  const parts = [...words, ...options, "--resume-from-checkpoint", checkpoint];
  return ["npx", "deno", "run", "-P", "train.ts", ...parts].map(quoted).join(" ");
}

/** A word as a shell takes it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

async function readKernels(host: Host, file?: string): Promise<KernelRecord | undefined> {
  if (file === undefined) return undefined;
  try {
    const record = JSON.parse(await host.readText(file)) as KernelRecord;
    if (typeof record.software !== "boolean" || typeof record.kernels !== "object") {
      throw new Error("this is not a kernels.json that a run has left");
    }
    return record;
  } catch (cause) {
    throw new EftError("command", `--kernels ${file}: ${(cause as Error).message}`, {}, { cause });
  }
}
