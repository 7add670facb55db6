// Chat templates: messages to the text that a model was trained to answer, by a Jinja template: the
// tokenizer's own, a named one, or the user's.
import { Template } from "@huggingface/jinja";
import { EftError } from "../errors.ts";

export interface Message {
  role: string;
  content: string;
}

/** A message as templates see it: role and content, tool calls, reasoning, whatever the data has. */
export type TemplateMessage = Record<string, unknown>;

export interface ChatOptions {
  /** End with the opening of the assistant's turn. */
  addGenerationPrompt: boolean;
  bos?: string | undefined;
  eos?: string | undefined;
  pad?: string | undefined;
  tools?: unknown[] | undefined;
  /** Further variables of the template (`chat_template_kwargs`). */
  variables?: Readonly<Record<string, unknown>> | undefined;
}

const parsed = new Map<string, Template>(); // parsing takes longer than rendering

/** The text of a conversation. It already holds BOS where the template writes it. */
export function renderChat(
  template: string,
  messages: readonly (Message | TemplateMessage)[],
  options: ChatOptions,
): string {
  try {
    return compiled(template).render({
      messages,
      tools: options.tools ?? null,
      documents: null,
      add_generation_prompt: options.addGenerationPrompt,
      bos_token: options.bos ?? "",
      eos_token: options.eos ?? "",
      pad_token: options.pad ?? "",
      ...STRIPPERS,
      ...options.variables,
    });
  } catch (error) {
    if (error instanceof EftError) throw error;
    const reason = (error as Error).message;
    throw new EftError("model", `the chat template refused the conversation: ${reason}`, {}, {
      cause: error,
    });
  }
}

function compiled(template: string): Template {
  const known = parsed.get(template);
  if (known) return known;
  // transformers marks what the assistant says with these tags; they print nothing themselves.
  const made = new Template(template.replace(/\{%-?\s*(end)?generation\s*-?%\}/g, tag));
  replaceStrips(made.parsed);
  parsed.set(template, made);
  return made;
}

function tag(text: string): string {
  const before = text.startsWith("{%-") ? "-" : "", after = text.endsWith("-%}") ? "-" : "";
  return `{%${before} if true ${after}%}{%${before} endif ${after}%}`;
}

/** Throws an EftError("config") when the template is not Jinja. */
export function checkTemplate(template: string): void {
  try {
    compiled(template);
  } catch (error) {
    throw new EftError(
      "config",
      `the chat template is not valid Jinja: ${(error as Error).message}`,
      {},
      { cause: error },
    );
  }
}

/** `text.strip(characters)` of Python: the library forgets the argument and takes all white space. */
const STRIPPERS: Record<string, (text: string, characters: string) => string> = {
  strip_characters: (text, set) =>
    STRIPPERS.lstrip_characters!(
      STRIPPERS.rstrip_characters!(text, set),
      set,
    ),
  lstrip_characters(text, set) {
    let at = 0;
    while (at < text.length && set.includes(text[at]!)) at++;
    return text.slice(at);
  },
  rstrip_characters(text, set) {
    let end = text.length;
    while (end > 0 && set.includes(text[end - 1]!)) end--;
    return text.slice(0, end);
  },
};

interface Node {
  type?: string;
  [key: string]: unknown;
}

/** Rewrites `x.lstrip(y)` to `lstrip_characters(x, y)` in a parsed template, in place. */
function replaceStrips(value: unknown): void {
  if (Array.isArray(value)) return value.forEach(replaceStrips);
  if (typeof value !== "object" || value === null) return;
  const node = value as Node;
  Object.values(node).forEach(replaceStrips);
  const callee = node.callee as Node | undefined, args = node.args as unknown[] | undefined;
  const name = (callee?.property as { value?: unknown } | undefined)?.value;
  if (
    node.type === "CallExpression" && callee?.type === "MemberExpression" && args?.length === 1 &&
    (name === "strip" || name === "lstrip" || name === "rstrip")
  ) {
    args.unshift(callee.object);
    node.callee = Object.assign(Object.create(Object.getPrototypeOf(callee.property)), {
      ...callee.property as object,
      value: `${name}_characters`,
    });
  }
}
