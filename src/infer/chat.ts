// What was trained answers beside what it was trained from. An adapter shares the weights of its base
// on the device and is left out of the graph for the base's answer; a whole model has a second one
// beside it, or in turn with it where the device has no room for both.

import type { Config } from "../config/config.ts";
import type { Tokenizer } from "../data/tokenizer.ts";
import type { Device } from "../gpu/device.ts";
import type { Host } from "../host/host.ts";
import type { GenerationConfig } from "./generation_config.ts";
import { type Continuation, type GenerateOptions, Generator } from "./generator.ts";
import { type InferenceOptions, type InferenceSession, openInference } from "./session.ts";

export type Side = "base" | "tuned";

/** A few tokens that make whole characters; mostly one. */
export interface Piece {
  side: Side;
  tokens: number[];
  text: string;
}

export interface Answer {
  side: Side;
  text: string;
  tokens: number;
  promptTokens: number;
  /** Until the first token was there, compiling included. */
  firstSeconds: number;
  /** Of the tokens after the first. */
  tokensPerSecond: number;
  /** A stop token, `maxNewTokens`, the length of the cache, or the signal. */
  endedBy: "stop" | "length" | "context" | "abort";
}

export interface AskOptions extends Omit<GenerateOptions, "stopTokens"> {
  onPiece?: (piece: Piece) => void;
  /** Ends the answers after the token that is being computed. */
  signal?: AbortSignal;
}

export interface ChatOptions extends InferenceOptions {
  /** Hold one model at a time, where base and result are two. */
  oneAtATime?: boolean;
}

export class Chat {
  /** What can answer. */
  readonly sides: readonly Side[];
  /** Whether base and result are two models that take turns on the device. */
  readonly takesTurns: boolean;
  readonly tokenizer: Tokenizer;
  readonly generation: GenerationConfig;
  /** Where the weights came from, for a person. */
  readonly source: string;
  readonly #load: (side: Side) => Promise<InferenceSession>;
  /** An adapter's session stands for both sides. */
  readonly #sessions: Map<Side, InferenceSession>;
  readonly #generators = new Map<Side, Generator>();
  readonly #context: number;

  private constructor(
    first: InferenceSession,
    load: (side: Side) => Promise<InferenceSession>,
    sessions: Map<Side, InferenceSession>,
    { sides, context, takesTurns }: { sides: Side[]; context: number; takesTurns: boolean },
  ) {
    this.tokenizer = first.tokenizer;
    this.generation = first.generation;
    this.source = first.source;
    this.sides = sides;
    this.takesTurns = takesTurns;
    this.#load = load;
    this.#sessions = sessions;
    this.#context = context;
  }

  /** Loads what the configuration trained, or the base model where there is no result. */
  static async open(
    host: Host,
    config: Config,
    device: Device,
    { oneAtATime = false, ...options }: ChatOptions = {},
  ): Promise<Chat> {
    const alone = { ...options, adapterFolder: undefined, onlyBase: true };
    const load = (side: Side) =>
      side === "tuned"
        ? openInference(host, config, device, options)
        : openInference(host, { ...config, adapter: undefined }, device, alone);
    const context = config.sequence_len;
    const first = await load("tuned");
    if (!first.tuned) {
      const sessions = new Map<Side, InferenceSession>([["base", first]]);
      return new Chat(first, load, sessions, { sides: ["base"], context, takesTurns: false });
    }
    const sessions = new Map<Side, InferenceSession>([["tuned", first]]);
    if (first.loaded.lora) sessions.set("base", first);
    // Training from random weights has no base to compare with.
    const sides: Side[] = config.reinit_weights ? ["tuned"] : ["base", "tuned"];
    const takesTurns = oneAtATime && sides.some((side) => !sessions.has(side));
    return new Chat(first, load, sessions, { sides, context, takesTurns });
  }

  /** Whether an adapter is what makes the difference. */
  get hasAdapter(): boolean {
    return this.sides.length > 1 && this.#sessions.get("base") === this.#sessions.get("tuned");
  }

  /** Brings all that answers to the device now, not with the first question. */
  async load(): Promise<void> {
    if (!this.takesTurns) { for (const side of this.sides) await this.#session(side); }
  }

  /** Answers prompts given as tokens, a token of each side in turn. */
  async ask(
    prompts: Partial<Record<Side, readonly number[]>>,
    options: AskOptions,
  ): Promise<Answer[]> {
    const asked = this.sides.filter((side) => prompts[side] !== undefined);
    const groups = this.takesTurns ? asked.map((side) => [side]) : [asked];
    const answers: Answer[] = [];
    for (const group of groups) {
      if (options.signal?.aborted) {
        answers.push(...group.map((side) => unsaid(side, prompts[side]!.length)));
        continue;
      }
      const voices: Voice[] = [];
      for (const side of group) voices.push(await this.#voice(side, prompts[side]!, options));
      const speaking = new Set(voices);
      while (speaking.size > 0 && !options.signal?.aborted) {
        for (const voice of speaking) {
          if (options.signal?.aborted) break;
          if (!await voice.speak()) speaking.delete(voice);
        }
      }
      answers.push(...voices.map((voice) => voice.end(speaking.has(voice))));
    }
    return answers;
  }

  async #voice(side: Side, prompt: readonly number[], options: AskOptions): Promise<Voice> {
    const { memory, model, loaded, stopTokens } = await this.#session(side);
    let generator = this.#generators.get(side);
    if (!generator) {
      generator = new Generator(memory, model, {
        batch: 1,
        context: this.#context,
        withoutAdapter: side === "base" && loaded.lora !== undefined,
      });
      this.#generators.set(side, generator);
    }
    generator.reset();
    const stream = generator.stream([prompt], { ...options, stopTokens });
    return new Voice(side, stream, this.tokenizer, {
      ...options,
      promptTokens: prompt.length,
      context: this.#context,
    });
  }

  async #session(side: Side): Promise<InferenceSession> {
    let session = this.#sessions.get(side);
    if (!session) {
      if (this.takesTurns) this.destroy();
      session = await this.#load(side);
      this.#sessions.set(side, session);
    }
    return session;
  }

  /** Gives back what lies on the device. */
  destroy(): void {
    for (const session of new Set(this.#sessions.values())) session.memory.destroy();
    this.#sessions.clear();
    this.#generators.clear();
  }
}

/** The answer of a side whose turn did not come. */
function unsaid(side: Side, promptTokens: number): Answer {
  const figures = { tokens: 0, firstSeconds: 0, tokensPerSecond: 0 };
  return { side, text: "", promptTokens, ...figures, endedBy: "abort" };
}

type VoiceOptions = AskOptions & { promptTokens: number; context: number };

/** One answer as it grows. */
class Voice {
  readonly #side: Side;
  readonly #stream: AsyncGenerator<Continuation>;
  readonly #tokenizer: Tokenizer;
  readonly #options: VoiceOptions;
  readonly #tokens: number[] = [];
  /** Tokens that do not make a whole character yet. */
  #held: number[] = [];
  #text = "";
  #seconds = 0;
  #firstSeconds = 0;

  constructor(
    side: Side,
    stream: AsyncGenerator<Continuation>,
    tokenizer: Tokenizer,
    options: VoiceOptions,
  ) {
    this.#side = side;
    this.#stream = stream;
    this.#tokenizer = tokenizer;
    this.#options = options;
  }

  /** Computes a token; false when there is none any more. */
  async speak(): Promise<boolean> {
    const started = performance.now();
    const { value, done } = await this.#stream.next();
    this.#seconds += (performance.now() - started) / 1000;
    if (done) return false;
    if (this.#tokens.length === 0) this.#firstSeconds = this.#seconds;
    this.#tokens.push(value.token);
    this.#held.push(value.token);
    const text = this.#tokenizer.decode(this.#tokens);
    // A character may come in several tokens: hold it back until it is whole.
    if (!text.endsWith("\ufffd")) this.#show(text);
    return true;
  }

  end(aborted: boolean): Answer {
    if (this.#held.length > 0) this.#show(this.#tokenizer.decode(this.#tokens));
    const tokens = this.#tokens.length;
    const { promptTokens, maxNewTokens, context } = this.#options;
    return {
      side: this.#side,
      text: this.#text,
      tokens,
      promptTokens,
      firstSeconds: this.#firstSeconds,
      tokensPerSecond: tokens > 1 ? (tokens - 1) / (this.#seconds - this.#firstSeconds) : 0,
      endedBy: aborted
        ? "abort"
        : tokens === maxNewTokens
        ? "length"
        : promptTokens + tokens > context
        ? "context"
        : "stop",
    };
  }

  #show(text: string): void {
    const piece = { side: this.#side, tokens: this.#held, text: text.slice(this.#text.length) };
    this.#options.onPiece?.(piece);
    this.#held = [];
    this.#text = text;
  }
}
