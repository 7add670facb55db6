// `eft train CONFIG`: the whole run, reported as it goes.

import type { Override } from "../config/config.ts";
import { z } from "zod";
import { EftError } from "../errors.ts";
import type { KernelRecord } from "../graph/limits.ts";
import type { Host } from "../host/host.ts";
import type { Report } from "../train/events.ts";
import { runTraining } from "../train/run.ts";
import { type Arguments, engineOf } from "./arguments.ts";
import { readConfig, readYaml } from "./config_file.ts";
import { runSweep, sweepRuns } from "./sweep.ts";
import type { Terminal } from "./terminal.ts";

export async function train(host: Host, args: Arguments, terminal: Terminal): Promise<void> {
  const config = await readConfig(host, args);
  const sweepFile = args.flags.get("sweep");
  const runs = sweepFile === undefined
    ? undefined
    : sweepRuns(config, await readYaml(host, sweepFile), args.overrides);
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
    const kernels = await readKernels(host, args.flags.get("kernels"));
    const run = (overrides: Override[], onEvent: Report) =>
      runTraining(host, {
        configText: config.text,
        configFile: config.file,
        overrides,
        engine: engineOf(args.flags),
        kernels,
        tune: args.flags.has("tune") ? true : undefined,
        onEvent,
        signal: stop.signal,
      });
    if (runs) await runSweep(runs, run, terminal, stop.signal);
    else {
      const end = await run(args.overrides, terminal.event);
      if (end.checkpoint) {
        terminal.say(`Saved in ${end.checkpoint}. To go on from there:`);
        terminal.say(`  ${resumeCommand(args, end.checkpoint)}`);
      }
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

const size = z.int().positive();
const kernelRecord: z.ZodType<KernelRecord> = z.object({
  adapter: z.string(),
  software: z.boolean(),
  maxBinding: size,
  offsetAlignment: size,
  kernels: z.record(
    z.string(),
    z.object({
      orientation: z.enum(["rows", "tile"]),
      lanesM: size,
      lanesN: size,
      rows: size,
      columns: size,
      depth: size,
    }),
  ),
});

/** The kernels.json that an earlier run has left. */
async function readKernels(host: Host, file?: string): Promise<KernelRecord | undefined> {
  if (file === undefined) return undefined;
  try {
    return kernelRecord.parse(JSON.parse(await host.readText(file)));
  } catch (cause) {
    const why = cause instanceof z.ZodError
      ? `not a kernels.json that a run has left (${cause.issues[0].path.join(".")}: ` +
        `${cause.issues[0].message})`
      : (cause as Error).message;
    throw new EftError("command", `--kernels ${file}: ${why}`, {}, { cause });
  }
}
