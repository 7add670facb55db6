// Reading the configuration that a command names.

import { EftError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type { Arguments } from "./arguments.ts";

/** The file and its text. Throws an EftError when none is named or there. */
export async function readConfig(
  host: Host,
  { command, words }: Arguments,
): Promise<{ file: string; text: string }> {
  const [file, extra] = words;
  if (file === undefined) {
    throw new EftError("command", `${command} needs a configuration: eft ${command} CONFIG`);
  }
  if (extra !== undefined) {
    throw new EftError("command", `${command} takes one configuration; what is ${extra}?`);
  }
  if (await host.kind(file) !== "file") {
    throw new EftError("config", `There is no such configuration file.`, { file });
  }
  try {
    return { file, text: await host.readText(file) };
  } catch (cause) {
    throw new EftError("config", (cause as Error).message, {}, { cause });
  }
}
