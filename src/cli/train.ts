// `eft train CONFIG`: the whole run, reported as it goes.

import type { Override } from "../config/config.ts";
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
    else await run(args.overrides, terminal.event);
  } finally {
    Deno.removeSignalListener("SIGINT", onInterrupt);
  }
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
