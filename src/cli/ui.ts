// `eft ui [CONFIG]`: the page, served from this computer to this computer, with a run of the terminal
// open in it: its configuration, model, data, adapters, checkpoints and log.

import { parseConfig } from "../config/config.ts";
import { EftError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { type Arguments, numberFlag } from "./arguments.ts";
import { readConfig } from "./config_file.ts";
import type { Terminal } from "./terminal.ts";
import { serveFiles } from "./ui_server.ts";
import { offerRun, type Offers, sitePath } from "./ui_site.ts";

/** The port that Gradio has, which Axolotl's users know. */
const usualPort = 7860;

export async function ui(host: Host, args: Arguments, terminal: Terminal): Promise<void> {
  const site = new URL("../../dist/", import.meta.url);
  const offers: Offers = new Map();
  let address = "";
  if (args.words.length > 0) {
    const { file, text } = await readConfig(host, args);
    const { config, notes } = parseConfig(text, file, args.overrides);
    for (const note of notes) terminal.event({ event: "note", text: note });
    const folder = args.flags.get("lora-model-dir");
    const run = await offerRun(host, offers, { file, text, config, folder });
    address = `?config=${encodeURIComponent(sitePath(file))}`;
    if (run) address += `#/runs/${encodeURIComponent(run)}`;
    else {
      terminal.event({
        event: "note",
        text: `${folder ?? config.output_dir} holds no result yet; the page opens with the ` +
          "configuration.",
      });
    }
  }
  const server = await serve(site, offers, portOf(args));
  const url = `http://127.0.0.1:${server.addr.port}/${address}`;
  terminal.say(`Eft is at ${url}`);
  terminal.say("Only this computer can open it. Ctrl-C ends it.");
  terminal.event({ event: "ui", url });
  // An open page keeps connections, so the end does not wait for them.
  const ended = Promise.withResolvers<void>();
  Deno.addSignalListener("SIGINT", ended.resolve);
  await ended.promise;
  Deno.removeSignalListener("SIGINT", ended.resolve);
}

/** The port that was asked for; undefined takes the usual one, or any when that is taken. */
function portOf({ flags }: Arguments): number | undefined {
  if (!flags.has("port")) return undefined;
  const port = numberFlag(flags, "port", 0);
  if (Number.isInteger(port) && port < 2 ** 16) return port;
  throw new EftError("command", `--port ${port}: expected a whole number below 65536.`);
}

async function serve(site: URL, offers: Offers, port: number | undefined) {
  try {
    return await serveFiles(site, offers, port ?? usualPort);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    if (port === undefined) return await serveFiles(site, offers, 0);
    throw new EftError(
      "command",
      `--port ${port}: another program listens there. Name another port, or 0 for a free one.`,
    );
  }
}
