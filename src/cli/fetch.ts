// `eft fetch examples`: copies the examples that come with Eft, to begin from.

import { EftError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type { Arguments } from "./arguments.ts";
import type { Terminal } from "./terminal.ts";

/** Where they are in this installation. */
const EXAMPLES = `${import.meta.dirname}/../../examples`;

export async function fetchFiles(
  host: Host,
  args: Arguments,
  terminal: Terminal,
  source = EXAMPLES,
): Promise<void> {
  const [what, extra] = args.words;
  if (what === "deepspeed_configs") {
    throw new EftError("command", "Eft trains on one GPU and reads no DeepSpeed settings.");
  }
  if (what !== "examples" || extra !== undefined) {
    throw new EftError("command", "fetch what? There is: eft fetch examples [--dest FOLDER]");
  }
  if (await host.kind(source) !== "folder") {
    throw new EftError("command", "this installation comes without its examples folder.");
  }
  const destination = (args.flags.get("dest") ?? "examples").replace(/\/+$/, "") || "/";
  const counts = { written: 0, same: 0, kept: 0 };
  await copyFolder(host, source, destination, counts, terminal);
  const { written, same, kept } = counts;
  terminal.say(
    `${written} files written to ${destination}` +
      (same > 0 ? `, ${same} were there already` : "") +
      (kept > 0 ? `, ${kept} that differ were left as they are` : ""),
  );
  if (terminal.json) terminal.event({ event: "end", destination, ...counts });
}

interface Counts {
  written: number;
  /** There already, with the same content. */
  same: number;
  /** There already with another content; never overwritten. */
  kept: number;
}

async function copyFolder(
  host: Host,
  from: string,
  to: string,
  counts: Counts,
  terminal: Terminal,
): Promise<void> {
  if (await host.kind(to) === "file") throw new EftError("output", `${to} is a file.`);
  await host.makeFolder(to);
  for (const name of await host.list(from)) {
    const source = `${from}/${name}`, target = `${to}/${name}`;
    if (await host.kind(source) === "folder") {
      await copyFolder(host, source, target, counts, terminal);
    } else if (await host.kind(target) !== undefined) {
      if (await isSame(host, source, target)) counts.same++;
      else {
        counts.kept++;
        terminal.say(`${target} is there already and differs; it stays as it is`);
      }
    } else {
      await host.write(target, await host.readStream(source));
      counts.written++;
    }
  }
}

async function isSame(host: Host, a: string, b: string): Promise<boolean> {
  if (await host.kind(b) !== "file") return false;
  const read = async (path: string) =>
    new Uint8Array(await new Response(await host.readStream(path)).arrayBuffer());
  const [left, right] = await Promise.all([read(a), read(b)]);
  return left.length === right.length && left.every((byte, i) => byte === right[i]);
}
