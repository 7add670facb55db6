// Guesses the format of rows from their columns, so that nobody has to know the names of formats to
// begin. The formats that explain most columns come first.
import { CATALOGUE, type FormatEntry } from "./formats/catalogue.ts";
import type { DatasetKeys } from "./formats/format.ts";

type Row = Readonly<Record<string, unknown>>;

export interface Guess {
  /** Keys for an entry of `datasets`; no `type` where the rows need none. */
  keys: DatasetKeys;
  /** The name of the format, as in the catalogue. */
  format: string;
  /** Why: a sentence without its full stop. */
  reason: string;
}

export interface Column {
  name: string;
  kind: "text" | "turns" | "list" | "object" | "other";
  /** The fields of the objects in a list. */
  fields: string[];
}

/** Names that columns have in the wild, the usual one first. */
const QUESTION = "instruction question prompt query problem request user human q input".split(" ");
const CONTEXT = "input context passage".split(" ");
const ANSWER = "output response answer completion target reply assistant solution a".split(" ");
const SYSTEM = "system system_prompt".split(" ");
const TEXT = "text content body document article story".split(" ");
const TURNS = "messages conversations conversation dialogue dialog turns chat".split(" ");
const SPEAKER = "role from speaker author sender".split(" ");
const SPOKEN = "content value text message".split(" ");
/** The speakers that chat_template knows, and others that mean the same. */
const KNOWN = new Set("human user assistant gpt system tool".split(" "));
const MEANS: Record<string, string> = {
  ...Object.fromEntries("human user prompter customer person".split(" ").map((n) => [n, "user"])),
  ...Object.fromEntries(
    "gpt assistant bot model ai chatbot agent".split(" ").map((n) => [n, "assistant"]),
  ),
  system: "system",
  tool: "tool",
};

/** The text around mapped columns: Alpaca's, without its first sentence. */
export const OWN_PROMPT = {
  format: "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n",
  no_input_format: "### Instruction:\n{instruction}\n\n### Response:\n",
  system_format: "{system}\n\n",
};

/** The formats that fit half of the rows or more, the best first; none when nothing fits. */
export function recognise(rows: readonly Row[]): Guess[] {
  if (rows.length === 0 || preferenceRemark(rows) !== undefined) return [];
  const found: { guess: Guess; explained: number }[] = [];
  const add = (guess: Guess | undefined, explained: number) =>
    guess && !found.some((each) => each.guess.format === guess.format) &&
    found.push({ guess, explained });
  const columns = columnsOf(rows);
  const chat = conversation(columns, rows);
  const mapped = ownColumns(columns);
  // Speakers that need a mapping are better read by a format that knows them.
  const isPlainChat = chat !== undefined && chat.keys.roles === undefined;
  if (isPlainChat) add(chat, 1);
  for (const entry of CATALOGUE.flatMap(({ formats }) => formats)) {
    const parts = entry.columns.split(/ (?![^[]*\])/);
    if (entry.columns === "" || entry.name === "chat_template") continue;
    const fitting = rows.filter((row) => fits(row, entry, parts));
    if (fitting.length === 0 || 2 * fitting.length < rows.length) continue;
    const names = columns.map(({ name }) => name)
      .filter((name) => parts.some((part) => namesOf(part).includes(name)));
    const few = fitting.length < rows.length ? `${fitting.length} of ${rows.length}` : "the";
    add({
      keys: entry.name === "tokenized" ? {} : { type: entry.name },
      format: entry.name,
      reason: `${few} rows have ${list(names)}`,
    }, names.length);
  }
  if (!isPlainChat) add(chat, 1);
  if (mapped) add(mapped.guess, mapped.explained);
  add(longestText(columns, rows), 0);
  // The sort is stable: of equal ones, the first of the catalogue stays in front.
  return found.sort((a, b) => b.explained - a.explained).map(({ guess }) => guess);
}

/** Says what the rows are when they are none that can be trained on. */
export function preferenceRemark(rows: readonly Row[]): string | undefined {
  const isPair = rows.some((row) => row.chosen !== undefined && row.rejected !== undefined);
  return isPair
    ? "The rows hold a better and a worse answer (chosen, rejected): preference data, which Eft " +
      "checks but does not train on yet."
    : undefined;
}

/** A guess as one line of YAML, for messages. */
export function guessLine({ keys }: Guess): string {
  return Object.entries(keys).map(([key, value]) => `${key}: ${flow(value)}`).join(", ");
}

/** The columns of all rows, in their order. */
export function columnsOf(rows: readonly Row[]): Column[] {
  const columns = new Map<string, Column>();
  for (const row of rows) {
    for (const [name, value] of Object.entries(row)) {
      const found = columns.get(name);
      if (found && (found.kind !== "other" || value === null)) continue;
      const turns = turnsOf(value);
      const kind = turns
        ? "turns"
        : typeof value === "string"
        ? "text"
        : Array.isArray(value)
        ? "list"
        : typeof value === "object" && value !== null
        ? "object"
        : "other";
      columns.set(name, { name, kind, fields: turns ? Object.keys(turns[0]!) : [] });
    }
  }
  return [...columns.values()];
}

// ---- the formats of the catalogue ---------------------------------------------------------------

function namesOf(part: string): string[] {
  return part.replace(/[?[{].*$/, "").split("|");
}

function fits(row: Row, { speakers }: FormatEntry, parts: string[]): boolean {
  return parts.every((part) => {
    const value = namesOf(part).map((name) => row[name]).find((each) => each != null);
    if (part.endsWith("?")) return value === undefined || typeof value === "string";
    if (value === undefined) return false;
    const fields = /\[(.+)\]$/.exec(part)?.[1]?.split(" ");
    if (!fields) {
      if (part.endsWith("[]")) return Array.isArray(value);
      if (part.endsWith("{}")) return typeof value === "object" && !Array.isArray(value);
      return typeof value === "string";
    }
    return turnsOf(value)?.every((turn) =>
      fields.every((field) => field in turn) &&
      (!speakers || speakers.includes(String(turn[fields[0]!])))
    ) ?? false;
  });
}

/** A list of objects, also as JSON text, which is how CSV files hold one. */
function turnsOf(value: unknown): Row[] | undefined {
  if (typeof value === "string") {
    if (!/^\s*\[\s*\{/.test(value)) return undefined;
    try {
      value = JSON.parse(value);
    } catch {
      return undefined;
    }
  }
  const isTurns = Array.isArray(value) && value.length > 0 &&
    value.every((each) => typeof each === "object" && each !== null && !Array.isArray(each));
  return isTurns ? value as Row[] : undefined;
}

// ---- formats with columns of other names -------------------------------------------------------

function conversation(columns: Column[], rows: readonly Row[]): Guess | undefined {
  const candidates = columns.filter(({ kind }) => kind === "turns");
  const column = byName(candidates, TURNS) ?? candidates[0];
  const role = column?.fields.find((field) => SPEAKER.includes(field));
  const content = column?.fields.find((field) => SPOKEN.includes(field));
  if (!column || role === undefined || content === undefined) return undefined;
  const keys: Record<string, unknown> = { type: "chat_template" };
  if (column.name !== "messages") keys.field_messages = column.name;
  if (role !== "role" || content !== "content") {
    keys.message_property_mappings = { role, content };
  }
  const names = new Set(
    rows.flatMap((row) => turnsOf(row[column.name]) ?? []).map((turn) => String(turn[role])),
  );
  if ([...names].some((name) => !KNOWN.has(name) && Object.hasOwn(MEANS, name))) {
    const roles: Record<string, string[]> = {};
    for (const name of names) (roles[MEANS[name] ?? name] ??= []).push(name);
    keys.roles = roles;
  }
  const reason = `${column.name} holds messages with ${role} and ${content}`;
  return { keys, format: "chat_template", reason };
}

function ownColumns(columns: Column[]): { guess: Guess; explained: number } | undefined {
  const texts = columns.filter(({ kind }) => kind === "text");
  const question = byName(texts, QUESTION), answer = byName(texts, ANSWER);
  if (!question || !answer) return undefined;
  const context = byName(texts.filter((each) => each !== question), CONTEXT);
  const system = byName(texts, SYSTEM);
  const used = [question, context, answer, system].flatMap((each) => each?.name ?? []);
  const type = {
    field_instruction: question.name,
    ...(context ? { field_input: context.name } : {}),
    field_output: answer.name,
    ...(system ? { field_system: system.name } : {}),
    format: OWN_PROMPT.format,
    no_input_format: OWN_PROMPT.no_input_format,
    ...(system ? { system_format: OWN_PROMPT.system_format } : {}),
  };
  const reason = `${question.name} looks like the instruction and ${answer.name} like the response`;
  return { guess: { keys: { type }, format: "user_defined", reason }, explained: used.length };
}

/** Any text can be trained on as text; the longest is most likely meant. */
function longestText(columns: Column[], rows: readonly Row[]): Guess | undefined {
  const length = ({ name }: Column) =>
    rows.reduce((sum, row) => sum + (typeof row[name] === "string" ? row[name].length : 0), 0);
  const texts = columns.filter(({ kind }) => kind === "text");
  const field = byName(texts, TEXT) ?? texts.sort((a, b) => length(b) - length(a))[0];
  if (!field) return undefined;
  const reason = texts.length === 1
    ? `${field.name} is the only text`
    : `the longest text is in ${field.name}`;
  return { keys: { type: "completion", field: field.name }, format: "completion", reason };
}

/** The column whose name comes first in `names`, whatever its capitals. */
function byName(columns: Column[], names: string[]): Column | undefined {
  for (const name of names) {
    const found = columns.find((column) => column.name.toLowerCase() === name);
    if (found) return found;
  }
  return undefined;
}

function list(names: string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    return `{${Object.entries(value).map(([key, each]) => `${key}: ${flow(each)}`).join(", ")}}`;
  }
  return typeof value === "string" && /^[A-Za-z_][\w.-]*$/.test(value)
    ? value
    : JSON.stringify(value);
}
