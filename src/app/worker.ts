// The worker in which the engine runs, so that the page stays usable during a step. It finds the room
// that answers a request; a room's code is loaded when it is first asked.

import { EftError } from "../errors.ts";
import { type BrowserHost, browserHost } from "../host/browser.ts";
import type { Context, Handlers, Message, Reply, RequestName, Requests } from "./protocol.ts";

const rooms = {
  start: () => import("./rooms/start/engine.ts"),
  model: () => import("./rooms/model/engine.ts"),
  data: () => import("./rooms/data/engine.ts"),
  config: () => import("./rooms/config/engine.ts"),
  plan: () => import("./rooms/plan/engine.ts"),
  train: () => import("./rooms/train/engine.ts"),
  chat: () => import("./rooms/chat/engine.ts"),
  result: () => import("./rooms/result/engine.ts"),
  runs: () => import("./rooms/runs/engine.ts"),
};

let hosting: Promise<BrowserHost> | undefined;
const cancellers = new Map<number, AbortController>();

self.onmessage = ({ data: message }: MessageEvent<Message>) => {
  switch (message.type) {
    case "site":
      // A worker's own URL says nothing about where the page lies.
      hosting = browserHost(message.base);
      break;
    case "env":
      hosting = hosting!.then((host) => {
        host.setEnv(message.variables);
        return host;
      });
      break;
    case "cancel":
      cancellers.get(message.id)?.abort();
      break;
    case "ask":
      answer(message.id, message.name, message.ask);
  }
};

async function answer(id: number, name: RequestName, ask: unknown): Promise<void> {
  const canceller = new AbortController();
  cancellers.set(id, canceller);
  try {
    const context: Context = {
      host: await hosting!,
      report: (event) => reply({ type: "report", id, event }),
      signal: canceller.signal,
    };
    const room = name.slice(0, name.indexOf(".")) as keyof typeof rooms;
    const { handlers } = await rooms[room]() as { handlers: Partial<Handlers<Requests>> };
    const handle = handlers[name] as (ask: unknown, context: Context) => Promise<unknown>;
    reply({ type: "answer", id, answer: await handle(ask, context) });
  } catch (error) {
    reply({ type: "error", id, ...describe(error) });
  } finally {
    cancellers.delete(id);
  }
}

function describe(error: unknown): { code: string; message: string; stack?: string } {
  if (error instanceof EftError) {
    return { code: error.code, message: error.text, stack: error.stack };
  }
  if (error instanceof Error) {
    return { code: "internal", message: `A bug in Eft: ${error.message}`, stack: error.stack };
  }
  return { code: "internal", message: `A bug in Eft: ${error}` };
}

function reply(message: Reply): void {
  self.postMessage(message);
}
