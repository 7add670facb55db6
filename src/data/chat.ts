// Chat templates: messages to the text that a model was trained to answer, by the Jinja template
// that comes with its tokenizer.
import { Template } from "@huggingface/jinja";
import { EftError } from "../errors.ts";

export interface Message {
  role: string;
  content: string;
}

export interface ChatOptions {
  /** End with the opening of the assistant's turn. */
  addGenerationPrompt: boolean;
  bos?: string | undefined;
  eos?: string | undefined;
  /** Further variables of the template (`chat_template_kwargs`). */
  variables?: Record<string, unknown>;
}

const parsed = new Map<string, Template>(); // parsing takes longer than rendering

/** The text of a conversation. It already holds BOS where the template writes it. */
export function renderChat(template: string, messages: Message[], options: ChatOptions): string {
  try {
    let compiled = parsed.get(template);
    if (!compiled) parsed.set(template, compiled = new Template(template));
    return compiled.render({
      ...options.variables,
      messages,
      add_generation_prompt: options.addGenerationPrompt,
      bos_token: options.bos ?? "",
      eos_token: options.eos ?? "",
    });
  } catch (error) {
    const reason = (error as Error).message;
    throw new EftError("model", `the chat template refused the conversation: ${reason}`, {}, {
      cause: error,
    });
  }
}
