// `eft inference CONFIG`: one answer with --prompt, otherwise a conversation line by line.

import { parseConfig } from "../config/config.ts";
import { type Message, renderChat } from "../data/chat.ts";
import { EftError } from "../errors.ts";
import { openDevice } from "../gpu/device.ts";
import type { Host } from "../host/host.ts";
import { Generator } from "../infer/generator.ts";
import { openInference, openPrompts } from "../infer/session.ts";
import { type Arguments, engineOf, numberFlag } from "./arguments.ts";
import { readConfig } from "./config_file.ts";
import type { Terminal } from "./terminal.ts";

export async function inference(host: Host, args: Arguments, terminal: Terminal): Promise<void> {
  const { file, text } = await readConfig(host, args);
  const { config } = parseConfig(text, file, args.overrides);
  const { flags } = args;
  const device = await openDevice(host, engineOf(flags));
  const { software, name } = device.summary;
  if (software) terminal.say(`note: SOFTWARE ADAPTER: ${name} computes on the CPU.`);
  const session = await openInference(host, config, device, flags.get("lora-model-dir"));
  const { tokenizer, generation } = session;
  const sampling = {
    temperature: numberFlag(flags, "temperature", generation.sampling.temperature),
    topK: numberFlag(flags, "top-k", generation.sampling.topK),
    topP: numberFlag(flags, "top-p", generation.sampling.topP),
  };
  const maxNewTokens = numberFlag(flags, "max-new-tokens", generation.maxNewTokens ?? 256, 1);
  const generator = new Generator(session.memory, session.model, {
    batch: 1,
    context: config.sequence_len,
  });
  const { ask, conversational } = await openPrompts(host, config, tokenizer);
  let turn = 0;

  const answer = async (tokens: number[]): Promise<string> => {
    generator.reset();
    const ids: number[] = [];
    let shown = "";
    const started = performance.now();
    await generator.generate([tokens], {
      maxNewTokens,
      sampling,
      seed: config.seed + turn++,
      stopTokens: session.stopTokens,
      onToken(_, token) {
        ids.push(token);
        const text = tokenizer.decode(ids);
        // A character may come in several tokens: hold it back until it is whole.
        if (!text.endsWith("�")) {
          terminal.stream(text.slice(shown.length));
          shown = text;
        }
      },
    });
    terminal.stream("\n");
    const response = ids.length > 0 ? tokenizer.decode(ids) : "";
    const seconds = (performance.now() - started) / 1000;
    terminal.event({
      event: "answer",
      text: response,
      tokens: ids.length,
      prompt_tokens: tokens.length,
      seconds,
    });
    return response;
  };

  try {
    const prompt = flags.get("prompt");
    if (prompt !== undefined) {
      if (prompt.trim() === "") throw new EftError("command", "--prompt is empty.");
      await answer(ask([{ role: "user", content: prompt }]));
      return;
    }
    const chat = flags.has("chat");
    if (chat && !conversational && !tokenizer.chatTemplate) {
      throw new EftError("model", "--chat needs a chat template, and this tokenizer has none.");
    }
    const messages: Message[] = [];
    terminal.say(`${session.source}. Ask; an empty line or Ctrl-D ends.`);
    for (;;) {
      const question = readLine("> ");
      if (question === null || question.trim() === "") break;
      if (chat) {
        messages.push({ role: "user", content: question });
        const rendered = () =>
          renderChat(tokenizer.chatTemplate!, messages, {
            addGenerationPrompt: true,
            bos: tokenizer.bos,
            eos: tokenizer.eos,
          });
        // What was trained as a conversation is asked as one; otherwise the tokenizer knows how.
        const content = await answer(
          conversational ? ask(messages) : tokenizer.encode(rendered(), { bos: false }),
        );
        messages.push({ role: "assistant", content });
      } else await answer(ask([{ role: "user", content: question }]));
    }
  } finally {
    session.memory.destroy();
    device.destroy();
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
