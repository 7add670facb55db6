// The messages of a row, as chat templates want them: fields and roles under the template's names,
// reasoning taken out of the content, content in parts joined, tool arguments parsed.
import type { TemplateMessage } from "../chat.ts";
import type { SourceRow } from "../sources/row.ts";
import {
  type DatasetKeys,
  describe,
  objectAt,
  rowError,
  setting,
  strip,
  textField,
} from "./format.ts";

/** A part of a text and whether it is trained; offsets count characters, the end included. */
export interface Detail {
  begin: number;
  end: number;
  train: boolean;
}

export interface Turn {
  message: TemplateMessage;
  /** The row's own word on whether the turn is trained. */
  trained?: boolean | undefined;
  detail?: Detail[] | undefined;
  thoughtDetail?: Detail[] | undefined;
}

const ROLES: Record<string, string> = {
  human: "user",
  user: "user",
  assistant: "assistant",
  gpt: "assistant",
  system: "system",
  tool: "tool",
};
const THOUGHTS = [
  ["<think>", "</think>"],
  ["<reasoning>", "</reasoning>"],
  ["<|begin_of_thought|>", "<|end_of_thought|>"],
] as const;
const SOLUTION = ["<|begin_of_solution|>", "<|end_of_solution|>"] as const;

export class MessageReader {
  readonly thinkingKey: string;
  readonly #column: string;
  readonly #fields: [key: string, field: string][];
  readonly #roles: Record<string, string>;

  constructor(readonly dataset: DatasetKeys) {
    this.#column = setting(dataset, "field_messages", "messages");
    this.thinkingKey = setting(dataset, "template_thinking_key", "reasoning_content");
    const given = dataset.message_property_mappings as Record<string, string> | undefined;
    const mappings: Record<string, string> = given && Object.keys(given).length > 0
      ? { ...given }
      : {
        role: "role",
        content: "content",
        [this.thinkingKey]: setting(dataset, "field_thinking", "reasoning_content"),
      };
    const role = setting(dataset, "message_field_role", undefined);
    const content = setting(dataset, "message_field_content", undefined);
    if (role !== undefined) mappings.role = role;
    if (content !== undefined) mappings.content = content;
    this.#fields = Object.entries({ role: "role", content: "content", ...mappings });
    this.#roles = ROLES;
    const roles = dataset.roles as Record<string, string | string[]> | undefined;
    if (roles) {
      this.#roles = {};
      for (const [target, sources] of Object.entries(roles)) {
        for (const source of [sources].flat()) this.#roles[source] = target;
      }
    }
  }

  role(name: string): string {
    return Object.hasOwn(this.#roles, name) ? this.#roles[name]! : name;
  }

  read(row: SourceRow): Turn[] {
    const turns = this.#list(row, this.#column).map((value, i) =>
      this.#turn(row, objectAt(row, value, `${this.#column}[${i}]`), i)
    );
    if (turns.length > 0 && turns[0]!.message.role !== "system" && row.value.system != null) {
      turns.unshift({ message: { role: "system", content: textField(row, "system") } });
    }
    const drops = this.dataset.drop_system_message && turns[0]?.message.role === "system";
    return drops ? turns.slice(1) : turns;
  }

  tools(row: SourceRow): unknown[] | undefined {
    const name = setting(this.dataset, "field_tools", "tools");
    if (row.value[name] === undefined || row.value[name] === null) return undefined;
    const tools = this.#list(row, name).map((value) => {
      const tool = withoutNulls(value) as { function?: { parameters?: unknown } };
      if (typeof tool?.function?.parameters === "string") {
        const parameters = parse(row, tool.function.parameters, `${name}[].function.parameters`);
        return { ...tool, function: { ...tool.function, parameters } };
      }
      return tool;
    });
    return tools.length > 0 ? tools : undefined;
  }

  /** A list, or the JSON text of one. */
  #list(row: SourceRow, name: string): unknown[] {
    let value = row.value[name];
    if (value === undefined || value === null) textField(row, name);
    if (typeof value === "string") value = parse(row, value, name);
    if (Array.isArray(value)) return value;
    throw rowError(row, `"${name}" must be a list of messages, found ${describe(value)}.`);
  }

  #turn(row: SourceRow, raw: Record<string, unknown>, i: number): Turn {
    const source = withoutNulls(raw) as Record<string, unknown>;
    const message: TemplateMessage = {};
    for (const [key, field] of this.#fields) {
      if (source[field] !== undefined) message[key] = source[field];
    }
    const at = `${this.#column}[${i}]`;
    if (typeof message.role !== "string") {
      const field = this.#fields.find(([key]) => key === "role")![1];
      throw rowError(row, `"${at}" has no role; expected text in "${field}".`);
    }
    message.role = this.role(message.role);
    const mapped = new Set(this.#fields.map(([, field]) => field));
    for (const [key, value] of Object.entries(source)) {
      if (!mapped.has(key) && message[key] === undefined) message[key] = value;
    }
    const turn: Turn = { message };
    const flag = source[setting(this.dataset, "message_field_training", "")];
    if (flag !== undefined) turn.trained = Boolean(flag);
    const detail = source[setting(this.dataset, "message_field_training_detail", "")];
    if (detail !== undefined) turn.detail = readDetail(row, detail, at);

    const content = joinParts(row, message.content, at);
    if (content) {
      message.content = content.text;
      if (content.detail) turn.detail = content.detail;
    }
    const thought = joinParts(row, message[this.thinkingKey], at);
    if (thought) {
      message[this.thinkingKey] = thought.text;
      if (thought.detail) turn.thoughtDetail = thought.detail;
    }
    if (this.dataset.split_thinking && message.role === "assistant") this.#splitThought(message);
    if (message.content === undefined && message.tool_calls === undefined) {
      const field = this.#fields.find(([key]) => key === "content")![1];
      throw rowError(row, `"${at}" has no content; expected text in "${field}".`);
    }
    if (message.content !== undefined && typeof message.content !== "string") {
      throw rowError(row, `"${at}" has ${describe(message.content)} as content; expected text.`);
    }
    message.content ??= "";
    if (Array.isArray(message.tool_calls)) {
      message.tool_calls = message.tool_calls.map((call) => parseArguments(row, call, at));
    }
    return turn;
  }

  #splitThought(message: TemplateMessage) {
    const content = message.content;
    if (typeof content !== "string") return;
    const pair = THOUGHTS.find((tags) => tags.every((tag) => content.includes(tag)));
    if (!pair) return;
    const [open, close] = pair;
    message[this.thinkingKey] = strip(
      content.slice(content.indexOf(open) + open.length, content.indexOf(close)),
    );
    const rest = content.slice(content.indexOf(close) + close.length).trimStart();
    const [begin, end] = SOLUTION;
    message.content = rest.includes(begin) && rest.includes(end)
      ? strip(rest.slice(rest.indexOf(begin) + begin.length, rest.indexOf(end)))
      : rest;
  }
}

/** Content in parts: the joined text, and which parts are trained when one says so. */
function joinParts(row: SourceRow, content: unknown, at: string) {
  if (!Array.isArray(content)) return undefined;
  let text = "", offset = 0, explicit = false;
  const detail: Detail[] = [];
  for (const part of content) {
    const { text: a, content: b, value: c, train, weight, type } = objectAt(
      row,
      part,
      `${at}.content`,
    );
    const piece = a || b || c || "";
    if (typeof piece !== "string") {
      throw rowError(row, `"${at}.content" has a part that is no text.`);
    }
    if (piece === "" && typeof type === "string" && type !== "text") {
      throw rowError(row, `"${at}.content" has a part of type ${type}; Eft trains on text only.`);
    }
    text += piece;
    explicit ||= train !== undefined || weight !== undefined;
    const length = [...piece].length;
    const trained = train !== undefined ? Boolean(train) : weight !== 0;
    if (length > 0) detail.push({ begin: offset, end: offset + length - 1, train: trained });
    offset += length;
  }
  return { text, detail: explicit ? detail : undefined };
}

function readDetail(row: SourceRow, value: unknown, at: string): Detail[] {
  if (!Array.isArray(value)) throw rowError(row, `the training detail of "${at}" must be a list.`);
  return value.map((each) => {
    const { begin_offset: begin, end_offset: end, train } = objectAt(row, each, `${at}'s detail`);
    if (!Number.isInteger(begin) || !Number.isInteger(end)) {
      throw rowError(
        row,
        `the training detail of "${at}" needs begin_offset and end_offset, whole numbers.`,
      );
    }
    return { begin: begin as number, end: end as number, train: Boolean(train) };
  });
}

function parseArguments(row: SourceRow, call: unknown, at: string): unknown {
  const inner = (call as { function?: { arguments?: unknown } } | null)?.function;
  if (typeof inner?.arguments !== "string") return call;
  const value = parse(row, inner.arguments, `${at}.tool_calls[].function.arguments`);
  return { ...(call as object), function: { ...inner, arguments: value } };
}

function parse(row: SourceRow, text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw rowError(row, `"${name}" is text that is not JSON: ${(error as Error).message}`, error);
  }
}

/** Columnar files fill absent fields with null; templates ask whether a field is there. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).filter(([, each]) => each !== null)
      .map(([key, each]) => [key, withoutNulls(each)]),
  );
}
