// `eft inference CONFIG`: one answer with --prompt, otherwise a conversation line by line. The adapter
// is switched on and off without loading anything again: both ways of answering share the weights.

import { parseConfig } from "../config/config.ts";
import { type Message, renderChat } from "../data/chat.ts";
import { formatNames } from "../data/formats/index.ts";
import { EftError } from "../errors.ts";
import { openDevice } from "../gpu/device.ts";
import type { Host } from "../host/host.ts";
import { Generator } from "../infer/generator.ts";
import { type InferenceSession, openInference, openPrompts } from "../infer/session.ts";
import { type Arguments, engineOf, numberFlag } from "./arguments.ts";
import { readConfig } from "./config_file.ts";
import type { Terminal } from "./terminal.ts";
import { ui } from "./ui.ts";

export async function inference(host: Host, args: Arguments, terminal: Terminal): Promise<void> {
  if (args.flags.has("gradio")) return await ui(host, args, terminal);
  const { file, text } = await readConfig(host, args);
  const { config } = parseConfig(text, file, args.overrides);
  const { flags, overrides } = args;
  const prompt = flags.get("prompt");
  if (prompt?.trim() === "") throw new EftError("command", "--prompt is empty.");
  const prompter = prompterOf(flags.get("prompter"));
  const device = await openDevice(host, engineOf(flags));
  const { software, name } = device.summary;
  if (software) terminal.say(`note: SOFTWARE ADAPTER: ${name} computes on the CPU.`);
  const session = await openInference(host, config, device, {
    adapterFolder: flags.get("lora-model-dir"),
    onlyBase: overrides.some(({ key }) => key === "base_model"),
  });
  try {
    const speaker = new Speaker(session, args, terminal, {
      context: config.sequence_len,
      seed: config.seed,
    });
    const { tokenizer } = session;
    const prompts = await openPrompts(host, config, tokenizer, prompter);
    const chat = flags.has("chat");
    if (chat && prompter) throw new EftError("command", "Use --chat or --prompter, not both.");
    if (chat && !prompts.conversational && !tokenizer.chatTemplate) {
      throw new EftError("model", "--chat needs a chat template, and this tokenizer has none.");
    }
    const messages: Message[] = [];
    const ask = async (question: string) => {
      if (!chat) return await speaker.answer(prompts.ask([{ role: "user", content: question }]));
      messages.push({ role: "user", content: question });
      const rendered = () =>
        renderChat(tokenizer.chatTemplate!, messages, {
          addGenerationPrompt: true,
          bos: tokenizer.bos,
          eos: tokenizer.eos,
        });
      // What was trained as a conversation is asked as one; otherwise the tokenizer knows how.
      const content = await speaker.answer(
        prompts.conversational
          ? prompts.ask(messages)
          : tokenizer.encode(rendered(), { bos: false }),
      );
      messages.push({ role: "assistant", content });
    };
    if (prompt !== undefined) {
      await ask(prompt);
      return;
    }
    const toggle = speaker.hasAdapter ? " /base switches the adapter off and on." : "";
    terminal.say(`${session.source}. Ask; an empty line or Ctrl-D ends.${toggle}`);
    for (;;) {
      const question = readLine(speaker.base ? "base> " : "> ");
      if (question === null || question.trim() === "") break;
      if (question.trim() === "/base") {
        speaker.base = speaker.hasAdapter && !speaker.base;
        terminal.say(
          !speaker.hasAdapter
            ? "There is no adapter to switch off."
            : `The adapter is ${speaker.base ? "off" : "on"}.`,
        );
      } else await ask(question);
    }
  } finally {
    session.memory.destroy();
    device.destroy();
  }
}

/** Axolotl's names of prompters, beside those of the formats. */
const prompters: Record<string, string> = {
  AlpacaPrompter: "alpaca",
  None: "completion",
};

/** The format that puts a question; undefined leaves it to the configuration. */
function prompterOf(name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  const format = prompters[name] ?? name;
  if (formatNames.includes(format)) return format;
  const known = [...Object.keys(prompters), ...formatNames].join(", ");
  throw new EftError("command", `--prompter ${name}: choose one of ${known}.`);
}

/** Answers as they come, with the adapter or without it. */
class Speaker {
  readonly hasAdapter: boolean;
  /** Whether the base model answers. */
  base = false;
  readonly #session: InferenceSession;
  readonly #terminal: Terminal;
  readonly #context: number;
  readonly #seed: number;
  readonly #options;
  readonly #compares: boolean;
  readonly #generators = new Map<boolean, Generator>();
  #turn = 0;

  constructor(
    session: InferenceSession,
    { flags }: Arguments,
    terminal: Terminal,
    { context, seed }: { context: number; seed: number },
  ) {
    this.#session = session;
    this.#terminal = terminal;
    this.#context = context;
    this.#seed = seed;
    const { generation } = session;
    this.#options = {
      maxNewTokens: numberFlag(flags, "max-new-tokens", generation.maxNewTokens ?? 256, 1),
      sampling: {
        temperature: numberFlag(flags, "temperature", generation.sampling.temperature),
        topK: numberFlag(flags, "top-k", generation.sampling.topK),
        topP: numberFlag(flags, "top-p", generation.sampling.topP),
      },
    };
    this.hasAdapter = session.loaded.lora !== undefined;
    this.#compares = flags.has("compare");
    if (this.#compares && !this.hasAdapter) {
      throw new EftError("command", "--compare needs an adapter; name it with --lora-model-dir.");
    }
  }

  /** An answer to a prompt; with --compare, the base model's before it. */
  async answer(tokens: number[]): Promise<string> {
    const turn = this.#turn++;
    if (!this.#compares) return await this.#say(tokens, this.base, turn);
    this.#terminal.stream("base     ");
    await this.#say(tokens, true, turn);
    this.#terminal.stream("adapter  ");
    return await this.#say(tokens, false, turn);
  }

  async #say(tokens: number[], base: boolean, turn: number): Promise<string> {
    const { tokenizer, stopTokens } = this.#session;
    const generator = this.#generator(base);
    generator.reset();
    const ids: number[] = [];
    let shown = "";
    const started = performance.now();
    await generator.generate([tokens], {
      ...this.#options,
      seed: this.#seed + turn,
      stopTokens,
      onToken: (_, token) => {
        ids.push(token);
        const text = tokenizer.decode(ids);
        // A character may come in several tokens: hold it back until it is whole.
        if (!text.endsWith("\ufffd")) {
          this.#terminal.stream(text.slice(shown.length));
          shown = text;
        }
      },
    });
    this.#terminal.stream("\n");
    const response = ids.length > 0 ? tokenizer.decode(ids) : "";
    this.#terminal.event({
      event: "answer",
      text: response,
      tokens: ids.length,
      prompt_tokens: tokens.length,
      seconds: (performance.now() - started) / 1000,
      ...(this.hasAdapter ? { adapter: !base } : {}),
    });
    return response;
  }

  /** Made when it is first needed: a second one costs a second cache, but no weights. */
  #generator(base: boolean): Generator {
    const { memory, model } = this.#session;
    let generator = this.#generators.get(base);
    if (!generator) {
      generator = new Generator(memory, model, {
        batch: 1,
        context: this.#context,
        withoutAdapter: base,
      });
      this.#generators.set(base, generator);
    }
    return generator;
  }
}

/** A line from the keyboard or from a pipe; null at its end. */
function readLine(mark: string): string | null {
  if (Deno.stdin.isTerminal()) return prompt(mark);
  const bytes: number[] = [];
  const one = new Uint8Array(1);
  for (;;) {
    const count = Deno.stdin.readSync(one);
    if (count === null) break;
    if (one[0] === 10) break;
    bytes.push(one[0]);
  }
  return bytes.length === 0 ? null : new TextDecoder().decode(new Uint8Array(bytes));
}
