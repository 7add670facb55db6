// The conversation: which model answers, what was asked and said so far, and how it is sampled.

import { batch, computed, type Signal, signal } from "@preact/signals";
import type { Message } from "../../../data/chat.ts";
import type { Answer, Piece, Side } from "../../../infer/chat.ts";
import { WorkerError } from "../../client.ts";
import { engine } from "../../engine.ts";
import type { DroppedFile } from "../../parts/drop.tsx";
import { messageOf } from "../../parts/notice.tsx";
import { configName, configText } from "../../state.ts";
import { text } from "../../text.ts";
import type { ChatModel, DroppedAdapter, LoadReport, OpenedChat, RunResult } from "./requests.ts";

/** What is chosen to answer: a result by its folder, the base model, or what was dropped. */
export type Choice = { folder: string } | "base" | "dropped";

/** What one side says to a question. */
export interface Said {
  pieces: Piece[];
  answer?: Answer;
}

export interface Turn {
  question: string;
  sides: readonly Side[];
  said: Signal<Partial<Record<Side, Said>>>;
}

export const results = signal<RunResult[]>([]);
export const choice = signal<Choice>("base");
export const dropped = signal<DroppedAdapter | undefined>(undefined);
export const opened = signal<OpenedChat | undefined>(undefined);
export const loading = signal<LoadReport | undefined>(undefined);
export const turns = signal<Turn[]>([]);
export const answering = signal(false);
export const failure = signal("");
/** The finished answers, for screen readers. */
export const spoken = signal("");
/** Whether earlier turns count, as far as it is known. */
export const conversational = signal<boolean | undefined>(undefined);

export const temperature = signal(0);
export const topK = signal(0);
export const topP = signal(1);
export const maxNewTokens = signal(128);
export const seed = signal(42);
/** The format that puts questions; "" is that of the run's data set. */
export const format = signal("");

export const busy = computed(() => answering.value || loading.value !== undefined);
/** The run whose result answers. */
export const chosenRun = computed(() => {
  const now = choice.value;
  if (typeof now === "string") return undefined;
  return results.value.find(({ folder }) => folder === now.folder);
});

let stopping = new AbortController();
let entering = Promise.resolve();
/** The newest loading, which a question waits for. */
let coming: Promise<boolean> | undefined;

/**
 * Finds the results; `rest` of the address may name a run, whose conversation goes on if there is one.
 * The newest run answers at first.
 */
export function enter(rest: string): Promise<void> {
  return entering = look(rest);
}

async function look(rest: string): Promise<void> {
  try {
    results.value = await engine().ask("chat.results", {});
  } catch (error) {
    failure.value = messageOf(error);
    return;
  }
  if (rest !== "") {
    const asked = results.value.find(({ run }) => run.id === rest);
    if (asked && asked.folder !== chosenRun.value?.folder) {
      return await choose({ folder: asked.folder });
    }
    if (asked) return opened.value ? undefined : void await load();
    failure.value = text.chat.noResult(rest);
  }
  const isThere = typeof choice.value === "string" ? turns.value.length > 0 : chosenRun.value;
  if (!isThere) {
    choice.value = results.value.length > 0 ? { folder: results.value[0].folder } : "base";
  }
}

/** Stops what is said and frees the model; the conversation stays on the page. */
export function leave(): void {
  stop();
  opened.value = undefined;
  void engine().ask("chat.close", {}).catch(() => {}); // there is nobody to tell any more
}

/** Takes another model and begins a new conversation. */
export async function choose(next: Choice): Promise<void> {
  stop();
  newConversation();
  batch(() => {
    choice.value = next;
    opened.value = undefined;
    format.value = "";
  });
  await load();
}

export async function dropAdapter(files: DroppedFile[]): Promise<void> {
  const adapter = adapterOf(files);
  if (!adapter) {
    failure.value = text.chat.noAdapter;
    return;
  }
  dropped.value = adapter;
  await choose("dropped");
}

/** The files beside the outermost adapter_config.json. */
function adapterOf(files: DroppedFile[]): DroppedAdapter | undefined {
  const folders = files.filter(([path]) => /(^|\/)adapter_config\.json$/.test(path))
    .map(([path]) => path.slice(0, -"adapter_config.json".length))
    .sort((a, b) => a.length - b.length);
  if (folders.length === 0) return undefined;
  const [folder] = folders;
  const inside = files.filter(([path]) => path.startsWith(folder));
  return {
    name: folder.split("/").at(-2) ?? text.chat.droppedName,
    files: inside.map(([path, file]) => [path.slice(folder.length), file]),
  };
}

/** Brings the chosen model to the device; false when it did not get there. */
function load(): Promise<boolean> {
  return coming = open();
}

async function open(): Promise<boolean> {
  failure.value = "";
  stopping = new AbortController();
  const { signal } = stopping;
  loading.value = { what: text.chat.opening, done: 0, total: 1 };
  try {
    const onReport = (report: LoadReport) => {
      if (!signal.aborted) loading.value = report;
    };
    const answer = await engine().ask("chat.open", modelNow(), { onReport, signal });
    if (signal.aborted) return false;
    batch(() => {
      opened.value = answer;
      conversational.value = format.value === "" ? answer.conversational : undefined;
      seed.value = turns.value.length === 0 ? answer.seed : seed.value;
    });
    return true;
  } catch (error) {
    if (!signal.aborted) failure.value = messageOf(error);
    return false;
  } finally {
    if (stopping.signal === signal) loading.value = undefined;
  }
}

function modelNow(): ChatModel {
  const now = choice.value;
  if (typeof now === "object") return { kind: "result", folder: now.folder };
  return {
    kind: "base",
    configText: configText.value,
    configName: configName.value,
    ...(now === "dropped" && dropped.value ? { adapter: dropped.value } : {}),
  };
}

/** Asks a question, after loading the model where it is not there yet; false when that failed. */
export async function ask(question: string): Promise<boolean> {
  answering.value = true;
  await entering;
  if (!opened.value && !await (loading.value ? coming : load())) {
    answering.value = false;
    return false;
  }
  const { sides } = opened.value!;
  failure.value = "";
  stopping = new AbortController();
  const { signal: stopSignal } = stopping;
  const earlier = turns.value;
  const turn: Turn = { question, sides, said: signal({}) };
  turns.value = [...earlier, turn];
  const told = frames(turn);
  try {
    const messages = Object.fromEntries(
      sides.map((side) => [side, messagesOf(earlier, side, question)]),
    );
    const { answers, conversational: counts } = await engine().ask("chat.ask", {
      messages,
      format: format.value || undefined,
      sampling: { temperature: temperature.value, topK: topK.value, topP: topP.value },
      maxNewTokens: maxNewTokens.value,
      seed: seed.value + earlier.length, // other draws in every turn, the same in every conversation
    }, { onReport: told.add, signal: stopSignal });
    told.end(answers);
    batch(() => {
      conversational.value = counts;
      spoken.value = answers.map(({ side, text: said }) => `${text.chat.sides[side]}: ${said}`)
        .join("\n");
    });
    return true;
  } catch (error) {
    told.end([]);
    failure.value = messageOf(error);
    if (error instanceof WorkerError && error.code === "device") opened.value = undefined;
    turns.value = turns.value.filter((each) => each !== turn);
    return false;
  } finally {
    answering.value = false;
  }
}

export function stop(): void {
  stopping.abort();
  loading.value = undefined;
}

export function newConversation(): void {
  stop();
  turns.value = [];
  failure.value = "";
  spoken.value = "";
}

/** Each side hears its own earlier answers. */
function messagesOf(earlier: readonly Turn[], side: Side, question: string): Message[] {
  const past = earlier.flatMap(({ question, said }) => {
    const answer = said.value[side]?.answer;
    return answer
      ? [{ role: "user", content: question }, { role: "assistant", content: answer.text }]
      : [];
  });
  return [...past, { role: "user", content: question }];
}

/** Brings pieces to the page once to a frame, however fast they come. */
function frames(turn: Turn): { add(piece: Piece): void; end(answers: readonly Answer[]): void } {
  let waiting: Piece[] = [];
  let frame = 0;
  const show = () => {
    frame = 0;
    const said = { ...turn.said.value };
    for (const piece of waiting) {
      said[piece.side] = { pieces: [...said[piece.side]?.pieces ?? [], piece] };
    }
    waiting = [];
    turn.said.value = said;
  };
  return {
    add(piece) {
      waiting.push(piece);
      frame ||= requestAnimationFrame(show);
    },
    end(answers) {
      cancelAnimationFrame(frame);
      show();
      const said = { ...turn.said.value };
      for (const answer of answers) {
        said[answer.side] = { pieces: said[answer.side]?.pieces ?? [], answer };
      }
      turn.said.value = said;
    },
  };
}
