// `eft train CONFIG`: the whole run, reported as it goes.

import { z } from "zod";
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
    await runTraining(host, {
      configText: text,
      configFile: file,
      overrides: args.overrides,
      engine: engineOf(args.flags),
      kernels: await readKernels(host, args.flags.get("kernels")),
      tune: args.flags.has("tune") ? true : undefined,
      onEvent: terminal.event,
      signal: stop.signal,
    });
  } finally {
    Deno.removeSignalListener("SIGINT", onInterrupt);
  }
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
