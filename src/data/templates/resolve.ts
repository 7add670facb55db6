// Which chat template holds: the data set's, the run's, or the tokenizer's own.
import { EftError } from "../../errors.ts";
import type { FormatContext } from "../formats/format.ts";
import { CHAT_TEMPLATES, LEFT_TO_TOKENIZER } from "./chat_templates.ts";

const FALLBACK = "tokenizer_default_fallback_";

/** The template's text. Throws an EftError("config") when it does not exist. */
export function resolveTemplate(
  { dataset, chat, tokenizer }: Pick<FormatContext, "dataset" | "chat" | "tokenizer">,
): string {
  const own = typeof dataset.chat_template === "string" ||
    typeof dataset.chat_template_jinja === "string";
  const from = own ? dataset as Record<string, string | undefined> : chat;
  const jinja = from?.chat_template_jinja;
  const name = from?.chat_template ?? (jinja ? "jinja" : "tokenizer_default");
  if (name === "jinja") {
    if (jinja) return jinja;
    throw new EftError("config", "chat_template: jinja needs `chat_template_jinja`, the template.");
  }
  if (name === "tokenizer_default" || name.startsWith(FALLBACK)) {
    if (tokenizer.chatTemplate !== undefined) return tokenizer.chatTemplate;
    if (name.startsWith(FALLBACK)) return named(name.slice(FALLBACK.length));
    throw new EftError(
      "config",
      "the tokenizer brings no chat template; name one with `chat_template` (chatml, llama3, " +
        "qwen_25, ...), or write one with `chat_template_jinja`.",
    );
  }
  return named(name);
}

function named(name: string): string {
  const template = CHAT_TEMPLATES[name];
  if (template !== undefined) return template;
  if (LEFT_TO_TOKENIZER.includes(name)) {
    throw new EftError(
      "config",
      `chat_template: ${name} is not built in; the tokenizers of such models carry it: use ` +
        "tokenizer_default, or give the template in `chat_template_jinja`.",
    );
  }
  throw new EftError(
    "config",
    `chat_template: there is no template ${name}. Known: ${
      Object.keys(CHAT_TEMPLATES).join(", ")
    }.`,
  );
}
