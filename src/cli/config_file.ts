// Reading the configuration that a command names: a file, an https address, or `-` for standard
// input.

import { EftError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type { Arguments } from "./arguments.ts";

export interface ConfigFile {
  /** What messages call it. */
  file: string;
  text: string;
}

/** Bytes; a configuration has a few thousand. */
const MAX_BYTES = 10_000_000;

/** The file and its text. Throws an EftError when none is named or there. */
export async function readConfig(
  host: Host,
  { command, words }: Arguments,
): Promise<ConfigFile> {
  const [file, extra] = words;
  if (file === undefined) {
    throw new EftError("command", `${command} needs a configuration: eft ${command} CONFIG`);
  }
  if (extra !== undefined) {
    throw new EftError("command", `${command} takes one configuration; what is ${extra}?`);
  }
  return await readYaml(host, file);
}

/** The text of a YAML file, wherever it is. */
export async function readYaml(host: Host, file: string): Promise<ConfigFile> {
  try {
    if (file === "-") {
      return { file: "standard input", text: await decode(Deno.stdin.readable) };
    }
    if (/^https?:\/\//i.test(file)) return { file, text: await download(new URL(file)) };
    if (await host.kind(file) !== "file") {
      throw new EftError("config", "There is no such configuration file.", { file });
    }
    return { file, text: await decode(await host.readStream(file)) };
  } catch (cause) {
    if (cause instanceof EftError) throw cause;
    const { message } = cause as Error;
    const isNamed = file !== "-" && message.includes(file);
    const place = isNamed ? {} : { file: file === "-" ? "standard input" : file };
    throw new EftError("config", message, place, { cause });
  }
}

/** Text arrives over https, or from this machine. */
async function download(url: URL): Promise<string> {
  const isLocal = /^(localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname);
  if (url.protocol === "http:" && !isLocal) {
    throw new Error(`${url} is not encrypted; use https, or download the file.`);
  }
  const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
  if (!response.ok) {
    throw new Error(`${url} answers ${response.status} ${response.statusText}.`.replace(" .", "."));
  }
  if (/text\/html/.test(response.headers.get("content-type") ?? "")) {
    throw new Error(`${url} is a page, not a file; use the address of the raw file.`);
  }
  if (!response.body) throw new Error(`${url} is empty.`);
  return await decode(response.body);
}

async function decode(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "", bytes = 0;
  try {
    for await (const chunk of stream) {
      bytes += chunk.length;
      if (bytes > MAX_BYTES) throw new Error("the file is larger than 10 MB; is it data?");
      text += decoder.decode(chunk, { stream: true });
    }
    return text + decoder.decode();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Error("the file is not text in UTF-8; save it as UTF-8.", { cause: error });
  }
}
