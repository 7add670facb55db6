// What a data set format is, and what all formats share: reading fields, and tokenising with the
// rules of Axolotl's prompt tokenizers (`prompt_tokenizers.py`).
import { EftError } from "../../errors.ts";
import type { Message } from "../chat.ts";
import type { Sample } from "../sample.ts";
import type { SourceRow } from "../sources/row.ts";
import type { Tokenizer } from "../tokenizer.ts";

/** The keys of one entry of `datasets`; each format reads those it knows. */
export interface DatasetKeys {
  type?: string | Readonly<Record<string, unknown>> | undefined;
  readonly [key: string]: unknown;
}

/** The keys that chat templates need from the top level of the configuration. */
export interface ChatKeys {
  chat_template?: string | undefined;
  /** The template itself; a file's name was replaced by its text. */
  chat_template_jinja?: string | undefined;
  chat_template_kwargs?: Readonly<Record<string, unknown>> | undefined;
  eot_tokens?: readonly string[] | undefined;
  default_system_message?: string | undefined;
}

export interface FormatContext {
  tokenizer: Tokenizer;
  /** `sequence_len` */
  sequenceLen: number;
  /** `train_on_inputs` */
  trainOnInputs: boolean;
  dataset: DatasetKeys;
  chat?: ChatKeys;
  /** Told what a person should know about the data; the same text may come many times. */
  note?(text: string): void;
}

/** A format with its settings checked, ready for rows. */
export interface RowReader {
  /**
   * The samples of a row; none when it holds nothing. Throws an EftError("data") for a row that is
   * not of this format, a `DroppedRow` for one that Axolotl leaves out.
   */
  tokenize(row: SourceRow): Sample[];
  /** The tokens that ask a model trained with this format; the last message is the question. */
  prompt?(messages: readonly Message[]): number[];
  /** Whether `prompt` writes a whole conversation, not its last question only. */
  conversational?: boolean;
  /** The exchange in a row, for comparing what is trained with what `prompt` would ask. */
  exchange?(row: SourceRow): Message[] | undefined;
  /** Samples that come from no rows. */
  generate?(): Iterable<Sample>;
}

export interface Format {
  /** What stands in `datasets[].type`. */
  name: string;
  /** Why rows of this format can be read but not trained on yet. */
  untrainable?: string;
  /** Throws an EftError("config") for settings that do not fit. */
  open(context: FormatContext): RowReader;
}

/** A row that is well-formed but has nothing to train on, as Axolotl sees it: counted and left out. */
export class DroppedRow extends Error {}

/** A text field of a row; a missing field is an error unless it is optional (then ""). */
export function textField(row: SourceRow, name: string, optional = false): string {
  const value = row.value[name];
  if (value === undefined || (value === null && optional)) {
    if (optional) return "";
    const found = Object.keys(row.value).map((key) => `"${key}"`).join(", ") || "none";
    throw rowError(
      row,
      `the row has no "${name}"; its fields are ${found}. Choose the \`type\` that fits the data.`,
    );
  }
  if (typeof value === "string") return value;
  throw rowError(row, `"${name}" must be text, found ${describe(value)}.`);
}

/** A list field of a row. */
export function listField(row: SourceRow, name: string): unknown[] {
  const value = row.value[name];
  if (Array.isArray(value)) return value;
  if (value === undefined) textField(row, name); // says which fields there are
  throw rowError(row, `"${name}" must be a list, found ${describe(value)}.`);
}

/** The objects of a list field, such as messages. */
export function objectsField(row: SourceRow, name: string): Record<string, unknown>[] {
  return listField(row, name).map((value, i) => objectAt(row, value, `${name}[${i}]`));
}

export function objectAt(row: SourceRow, value: unknown, name: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw rowError(row, `"${name}" must be an object, found ${describe(value)}.`);
}

export function textAt(row: SourceRow, value: unknown, name: string): string {
  if (typeof value === "string") return value;
  throw rowError(
    row,
    value === undefined
      ? `"${name}" is missing; expected text.`
      : `"${name}" must be text, found ${describe(value)}.`,
  );
}

export function rowError(row: SourceRow, message: string, cause?: unknown): EftError {
  return new EftError("data", message, { file: row.file, line: row.line }, { cause });
}

/** The value as JSON would call it, with its article. */
export function describe(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value)
    ? "a list"
    : typeof value === "object"
    ? "an object"
    : `a ${typeof value}`;
}

/** A text key of the data set's settings. */
export function setting<Fallback extends string | undefined>(
  dataset: DatasetKeys,
  name: string,
  fallback: Fallback,
): string | Fallback {
  const value = dataset[name];
  if (value === undefined || value === null || value === "") return fallback;
  if (typeof value === "string") return value;
  throw new EftError("config", `datasets[].${name} must be text, found ${describe(value)}.`);
}

export interface TokenizeOptions {
  maxLength: number;
  addEos: boolean;
  stripBos: boolean;
}

/**
 * Axolotl's `_tokenize`: BOS if the tokenizer adds it, cut to `maxLength`, then EOS if it is not
 * there yet and there is room, then BOS stripped. Empty text gives nothing, not even EOS. One
 * difference: a tokenizer that adds EOS on its own does not put one behind the prompt.
 */
export function tokenizeText(tokenizer: Tokenizer, text: string, options: TokenizeOptions) {
  if (text === "") return [];
  const { bosId, eosId } = tokenizer;
  let ids = tokenizer.encode(text, { bos: true });
  if (ids.length > options.maxLength) ids = ids.slice(0, options.maxLength);
  if (ids.length === 0) return ids;
  if (options.addEos && eosId !== undefined && ids.at(-1) !== eosId) {
    if (ids.length < options.maxLength) ids.push(eosId);
  }
  if (options.stripBos && bosId !== undefined && ids[0] === bosId) ids.shift();
  return ids;
}

/** The last question of a conversation and the system text before it. */
export function lastQuestion(messages: readonly Message[]): { system?: string; question: string } {
  const system = messages.find(({ role }) => role === "system")?.content;
  const question = messages.findLast(({ role }) => role === "user")?.content ?? "";
  return system === undefined ? { question } : { system, question };
}

const PYTHON_SPACE =
  "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+";
const LEADING = new RegExp(`^${PYTHON_SPACE}`), TRAILING = new RegExp(`${PYTHON_SPACE}$`);

/** `str.rstrip()` of Python, whose idea of white space is not JavaScript's. */
export function stripEnd(text: string): string {
  return text.replace(TRAILING, "");
}

/** `str.strip()` of Python. */
export function strip(text: string): string {
  return stripEnd(text.replace(LEADING, ""));
}
