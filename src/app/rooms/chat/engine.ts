// Holds the model that answers, one at a time, and gives its memory back when the page asks for it or
// a run begins.

import { type Config, parseConfig } from "../../../config/config.ts";
import { EftError } from "../../../errors.ts";
import { type Device, openDevice } from "../../../gpu/device.ts";
import type { BrowserHost } from "../../../host/browser.ts";
import type { Host } from "../../../host/host.ts";
import { Chat, type ChatOptions, type Side } from "../../../infer/chat.ts";
import { askableFormats, openPrompts } from "../../../infer/session.ts";
import { listCheckpoints } from "../../../train/output_folder.ts";
import type { Handlers } from "../../protocol.ts";
import { text } from "../../text.ts";
import { readRecords } from "../runs/read.ts";
import { runFolder } from "../runs/record.ts";
import { currentRun } from "../train/engine.ts";
import type { ChatModel, ChatRequests, OpenedChat, RunResult } from "./requests.ts";

interface Opened {
  config: Config;
  device: Device;
  chat: Chat;
}

let opened: Opened | undefined;
let last: Promise<unknown> = Promise.resolve();

/** One thing after the other: what is being loaded or said ends before the next begins. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const mine = last.then(work);
  last = mine.catch(() => {});
  return mine;
}

export const handlers: Handlers<ChatRequests> = {
  "chat.results": (_, { host }) => listResults(host),

  "chat.open": (model, { host, report, signal }) =>
    inTurn(async () => {
      release();
      leaveGpuToRun();
      const { config, options } = await modelOf(host, model);
      const load = (oneAtATime: boolean) =>
        openChat(host, config, {
          ...options,
          oneAtATime,
          onProgress({ file, done, total }) {
            signal.throwIfAborted();
            report({ what: file, done, total: total ?? done });
          },
          onWeights(done, total) {
            signal.throwIfAborted();
            report({ what: text.chat.weights, done, total });
          },
        });
      opened = await load(false).catch((error) => {
        // Two whole models may be more than the device holds; one of them may still fit.
        if (!(error instanceof EftError) || error.code !== "device") throw error;
        return load(true);
      });
      return await describe(host, opened);
    }),

  "chat.ask": ({ messages, format, sampling, maxNewTokens, seed }, { host, report, signal }) =>
    inTurn(async () => {
      if (!opened) throw new EftError("device", text.chat.gone);
      const { chat, config } = opened;
      const stop = new AbortController();
      try {
        leaveGpuToRun();
        const prompts = await openPrompts(host, config, chat.tokenizer, format);
        const tokens: Partial<Record<Side, number[]>> = {};
        for (const [side, said] of Object.entries(messages)) {
          tokens[side as Side] = prompts.ask(said);
        }
        const answers = await chat.ask(tokens, {
          sampling,
          maxNewTokens,
          seed,
          signal: AbortSignal.any([signal, stop.signal]),
          onPiece(piece) {
            report(piece);
            if (currentRun() !== undefined) stop.abort();
          },
        });
        leaveGpuToRun();
        return { answers, conversational: prompts.conversational };
      } catch (error) {
        if (error instanceof EftError && error.code === "device") release();
        throw error;
      }
    }),

  "chat.close": () => inTurn(() => Promise.resolve(release())),
};

function release(): void {
  opened?.chat.destroy();
  opened?.device.destroy();
  opened = undefined;
}

function leaveGpuToRun(): void {
  if (currentRun() !== undefined) throw new EftError("device", text.chat.busy);
}

async function openChat(host: Host, config: Config, options: ChatOptions): Promise<Opened> {
  const device = await openDevice(host);
  try {
    const chat = await Chat.open(host, config, device, options);
    await chat.load();
    await device.gpu.queue.onSubmittedWorkDone();
    device.check();
    return { config, device, chat };
  } catch (error) {
    device.destroy(); // and with it all buffers
    throw error;
  }
}

async function describe(host: Host, { chat, config }: Opened): Promise<OpenedChat> {
  const { sides, source, takesTurns, tokenizer } = chat;
  const type = config.datasets[0]?.type;
  const { conversational } = await openPrompts(host, config, tokenizer);
  return {
    sides,
    source,
    takesTurns,
    context: config.sequence_len,
    format: typeof type === "string" ? type : type ? text.chat.ownFormat : text.chat.plainFormat,
    formats: await askableFormats(host, config, tokenizer),
    conversational,
    seed: config.seed,
  };
}

/** Numbers the folders of dropped adapters, so that files of an earlier one never mix in. */
let drops = 0;

async function modelOf(
  host: BrowserHost,
  model: ChatModel,
): Promise<{ config: Config; options: ChatOptions }> {
  if (model.kind === "result") {
    const file = `${model.folder}/eft_config.yml`;
    const { config } = parseConfig(await host.readText(file), file);
    // Everything in the folder is read as a result, a checkpoint too.
    return { config: { ...config, output_dir: model.folder }, options: {} };
  }
  const { config } = parseConfig(model.configText, model.configName);
  if (!model.adapter) {
    return { config: { ...config, adapter: undefined }, options: { onlyBase: true } };
  }
  const { name, files } = model.adapter;
  const adapterFolder = `dropped/${++drops}/${name}`;
  host.mount(files.map(([name, file]) => [`${adapterFolder}/${name}`, file]));
  return { config, options: { adapterFolder } };
}

async function listResults(host: Host): Promise<RunResult[]> {
  const found: RunResult[] = [];
  for (const run of await readRecords(host)) {
    const output = `${runFolder(run.id)}/output`;
    if (await isResult(host, output)) found.push({ run, folder: output });
    for (const { step, path } of (await listCheckpoints(host, output)).reverse()) {
      if (await isResult(host, path)) found.push({ run, folder: path, step });
    }
  }
  return found;
}

async function isResult(host: Host, folder: string): Promise<boolean> {
  const has = async (name: string) => await host.kind(`${folder}/${name}`) === "file";
  return await has("eft_config.yml") &&
    (await has("adapter_model.safetensors") || await has("model.safetensors"));
}
