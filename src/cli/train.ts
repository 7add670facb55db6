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
