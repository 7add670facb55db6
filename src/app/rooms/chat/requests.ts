import type { Message } from "../../../data/chat.ts";
import type { Answer, Piece, Side } from "../../../infer/chat.ts";
import type { Sampling } from "../../../infer/sampler.ts";
import type { RunRecord } from "../runs/record.ts";

/** A result of a run, or a checkpoint of it. */
export interface RunResult {
  run: RunRecord;
  /** Where the files lie, eft_config.yml among them. */
  folder: string;
  /** The step of a checkpoint. */
  step?: number;
}

/** What is to answer. */
export type ChatModel =
  | { kind: "result"; folder: string }
  /** The base model of a configuration, with an adapter that was dropped on the page or without. */
  | { kind: "base"; configText: string; configName: string; adapter?: DroppedAdapter };

export interface DroppedAdapter {
  name: string;
  /** File names as PEFT has them. */
  files: [name: string, content: File][];
}

export interface OpenedChat {
  sides: readonly Side[];
  source: string;
  /** Base and tuned model answer one after the other, as the device has no room for both. */
  takesTurns: boolean;
  /** Tokens that a conversation may have. */
  context: number;
  /** How the run's data set puts questions, and how else they can be put. */
  format: string;
  formats: string[];
  conversational: boolean;
  seed: number;
}

/** How far loading is. */
export interface LoadReport {
  what: string;
  done: number;
  total: number;
}

export interface ChatRequests {
  /** The newest run first; of each its result, then its checkpoints. */
  "chat.results": { ask: Record<never, never>; answer: RunResult[] };
  /** Loads a model in the place of the one before. */
  "chat.open": { ask: ChatModel; answer: OpenedChat; report: LoadReport };
  /** Asks the last message of each side; aborting ends the answers after a token. */
  "chat.ask": {
    ask: {
      messages: Partial<Record<Side, Message[]>>;
      /** The format that puts the question; undefined is the run's own. */
      format: string | undefined;
      sampling: Sampling;
      maxNewTokens: number;
      seed: number;
    };
    answer: { answers: Answer[]; conversational: boolean };
    report: Piece;
  };
  /** Frees what lies on the device. */
  "chat.close": { ask: Record<never, never>; answer: void };
}
