// `eft inference CONFIG`: one answer with --prompt, otherwise a conversation line by line. The adapter
// is switched on and off without loading anything again: both ways of answering share the weights.

import { parseConfig } from "../config/config.ts";
import { type Message, renderChat } from "../data/chat.ts";
import { formatNames } from "../data/formats/index.ts";
import { EftError } from "../errors.ts";
import { openDevice } from "../gpu/device.ts";
import type { Host } from "../host/host.ts";
import { Chat } from "../infer/chat.ts";
import { openPrompts } from "../infer/session.ts";
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
  const model = await Chat.open(host, config, device, {
    adapterFolder: flags.get("lora-model-dir"),
    onlyBase: overrides.some(({ key }) => key === "base_model"),
  });
  try {
    const speaker = new Speaker(model, args, terminal, config.seed);
    const { tokenizer } = model;
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
    const toggle = model.hasAdapter ? " /base switches the adapter off and on." : "";
    terminal.say(`${model.source}. Ask; an empty line or Ctrl-D ends.${toggle}`);
    for (;;) {
      const question = readLine(speaker.base ? "base> " : "> ");
      if (question === null || question.trim() === "") break;
      if (question.trim() === "/base") {
        speaker.base = model.hasAdapter && !speaker.base;
        terminal.say(
          !model.hasAdapter
            ? "There is no adapter to switch off."
            : `The adapter is ${speaker.base ? "off" : "on"}.`,
        );
      } else await ask(question);
    }
  } finally {
    model.destroy();
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
  /** Whether the base model answers although there is an adapter. */
  base = false;
  readonly #model: Chat;
  readonly #terminal: Terminal;
  readonly #seed: number;
  readonly #options;
  readonly #compares: boolean;
  #turn = 0;

  constructor(model: Chat, { flags }: Arguments, terminal: Terminal, seed: number) {
    this.#model = model;
    this.#terminal = terminal;
    this.#seed = seed;
    const { generation } = model;
    this.#options = {
      maxNewTokens: numberFlag(flags, "max-new-tokens", generation.maxNewTokens ?? 256, 1),
      sampling: {
        temperature: numberFlag(flags, "temperature", generation.sampling.temperature),
        topK: numberFlag(flags, "top-k", generation.sampling.topK),
        topP: numberFlag(flags, "top-p", generation.sampling.topP),
      },
    };
    this.#compares = flags.has("compare");
    if (this.#compares && !model.hasAdapter) {
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
    const started = performance.now();
    const side = base || !this.#model.sides.includes("tuned") ? "base" : "tuned";
    const [answer] = await this.#model.ask({ [side]: tokens }, {
      ...this.#options,
      seed: this.#seed + turn,
      onPiece: ({ text }) => this.#terminal.stream(text),
    });
    this.#terminal.stream("\n");
    this.#terminal.event({
      event: "answer",
      text: answer.text,
      tokens: answer.tokens,
      prompt_tokens: answer.promptTokens,
      seconds: (performance.now() - started) / 1000,
      ...(this.#model.hasAdapter ? { adapter: !base } : {}),
    });
    return answer.text;
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
