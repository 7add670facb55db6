// Commands as a person runs them: in this process with the two output streams caught, or in one of
// their own where signals or the environment matter.

import { main } from "../../src/cli/main.ts";

export interface Outcome {
  code: number;
  /** Standard output and standard error. */
  out: string;
  err: string;
}

/** Runs a command in this process. */
export async function eft(...args: string[]): Promise<Outcome> {
  const decoder = new TextDecoder();
  const caught = { out: "", err: "" };
  const streams = [[Deno.stdout, "out"], [Deno.stderr, "err"]] as const;
  const writes = streams.map(([stream]) => stream.writeSync);
  for (const [stream, name] of streams) {
    stream.writeSync = (bytes) => {
      caught[name] += decoder.decode(bytes);
      return bytes.length;
    };
  }
  try {
    return { code: await main(args), ...caught };
  } finally {
    streams.forEach(([stream], i) => stream.writeSync = writes[i]);
  }
}

/** Starts a command in a process of its own, with the permissions that deno.json gives it. */
export function spawn(
  args: string[],
  options: { env?: Record<string, string>; stdin?: "piped"; program?: string } = {},
): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "-P", "--no-check", options.program ?? "src/cli/main.ts", ...args],
    env: { NO_COLOR: "1", ...options.env },
    stdin: options.stdin ?? "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs a command in a process of its own to its end. */
export async function eftProcess(
  args: string[],
  options: { env?: Record<string, string>; program?: string; stdin?: string } = {},
): Promise<Outcome> {
  const { stdin, ...rest } = options;
  const child = spawn(args, { ...rest, ...(stdin === undefined ? {} : { stdin: "piped" }) });
  if (stdin !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(stdin));
    await writer.close();
  }
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

/** The JSON lines of a command's standard output. */
// deno-lint-ignore no-explicit-any
export function events({ out }: Outcome): any[] {
  return out.trim() === "" ? [] : out.trim().split("\n").map((line) => JSON.parse(line));
}
