// Preference data: a prompt with a better and a worse answer (dpo, ipo, orpo, simpo, reward models),
// or with one answer and whether it is good (kto). Rows are read and checked; training on them is
// another matter. The texts are Axolotl's (`prompt_strategies/{dpo,kto,orpo,bradley_terry}`).
import { type Message, renderChat } from "../chat.ts";
import type { SourceRow } from "../sources/row.ts";
import { resolveTemplate } from "../templates/resolve.ts";
import { MessageReader } from "./chat_messages.ts";
import {
  type DatasetKeys,
  describe,
  type FormatContext,
  objectAt,
  objectsField,
} from "./format.ts";
import { rowError, setting, stripEnd, textAt, textField } from "./format.ts";
import { compile } from "./user_defined.ts";

/** One row, as the texts that are compared. */
export type Preference =
  | { prompt: string; chosen: string; rejected: string }
  | { prompt: string; completion: string; good: boolean };

export type PreferenceReader = (row: SourceRow) => Preference;

interface Marks {
  system(text: string): string;
  question(text: string): string;
  end: string;
}

const MARKS: Record<string, Marks> = {
  chatml: {
    system: (text) => `<|im_start|>system\n${text}<|im_end|>\n`,
    question: (text) => `<|im_start|>user\n${text}<|im_end|>\n<|im_start|>assistant\n`,
    end: "<|im_end|>",
  },
  llama3: {
    system: (text) => `<|start_header_id|>system<|end_header_id|>\n\n${text}<|eot_id|>`,
    question: (text) =>
      `<|start_header_id|>user<|end_header_id|>\n\n${text}<|eot_id|>` +
      "<|start_header_id|>assistant<|end_header_id|>\n\n",
    end: "<|eot_id|>",
  },
};

/** The column of the question by the name of the shape. */
const QUESTION: Record<string, string> = {
  argilla: "instruction",
  icr: "input",
  intel: "question",
  prompt_pairs: "prompt",
  ultra: "prompt",
};

/** The first of some columns that a row has, or the last of them. */
function firstOf(row: SourceRow, ...names: string[]): string {
  return names.find((name) => row.value[name] !== undefined) ?? names.at(-1)!;
}

/** The content of a message in a list of them, counted from the end when negative. */
function contentAt(row: SourceRow, column: string, index: number): string {
  const message = objectsField(row, column).at(index);
  if (!message) throw rowError(row, `"${column}" has too few messages.`);
  return textAt(row, message.content, `${column}[${index}].content`);
}

function pairReader(shape: string, marks: Marks): PreferenceReader {
  return (row) => {
    if (shape === "argilla_chat") {
      return {
        prompt: marks.question(contentAt(row, "chosen", 0)),
        chosen: contentAt(row, "chosen", 1) + marks.end,
        rejected: contentAt(row, "rejected", 1) + marks.end,
      };
    }
    const question = QUESTION[shape] ??
      firstOf(row, "prompt", "input", "question", "instruction");
    const answer = (kind: "chosen" | "rejected") =>
      shape === "ultra"
        ? contentAt(row, kind, 1)
        : textField(row, firstOf(row, kind, `${kind}_response`));
    return {
      prompt: head(row, marks) + marks.question(textField(row, question)),
      chosen: answer("chosen") + marks.end,
      rejected: answer("rejected") + marks.end,
    };
  };
}

function ktoReader(shape: string, marks: Marks): PreferenceReader {
  return (row) => {
    const good = label(row, "label");
    if (shape === "argilla_chat") {
      return {
        prompt: marks.question(contentAt(row, "completion", 0)),
        completion: contentAt(row, "completion", 1) + marks.end,
        good,
      };
    }
    return {
      prompt: head(row, marks) + marks.question(textField(row, QUESTION[shape]!)),
      completion: textField(row, "completion") + marks.end,
      good,
    };
  };
}

function head(row: SourceRow, marks: Marks): string {
  const system = textField(row, "system", true);
  return system === "" ? "" : marks.system(system);
}

function label(row: SourceRow, name: string): boolean {
  const value = row.value[name];
  if (typeof value === "boolean") return value;
  if (value === 0 || value === 1) return value === 1;
  throw rowError(row, `"${name}" must be true or false, found ${describe(value)}.`);
}

/** Best and second best of ranked answers, in Axolotl's order: the highest rank is chosen. */
function nectar(row: SourceRow): Preference {
  const answers = objectsField(row, "answers").map(({ answer, rank }, i) => {
    if (typeof rank !== "number") throw rowError(row, `"answers[${i}].rank" must be a number.`);
    return { text: textAt(row, answer, `answers[${i}].answer`), rank };
  }).sort((a, b) => a.rank - b.rank);
  if (answers.length < 2) throw rowError(row, '"answers" needs two answers to compare.');
  const prompt = textField(row, "prompt");
  return {
    prompt: `<|system|>\n</s>\n<|user|>\n${prompt}</s>\n<|assistant|>\n`,
    chosen: answers.at(-1)!.text,
    rejected: answers.at(-2)!.text,
  };
}

function passthrough(row: SourceRow): Preference {
  const [prompt, chosen, rejected] = ["prompt", "chosen", "rejected"]
    .map((name) => textField(row, name)) as [string, string, string];
  return { prompt, chosen, rejected };
}

function userDefined(type: Readonly<Record<string, unknown>>, isKto: boolean): PreferenceReader {
  const get = (name: string, fallback: string) => setting(type as DatasetKeys, name, fallback);
  const prompt = compile("prompt_format", get("prompt_format", "{prompt}"), ["prompt", "system"]);
  const written = (name: string) => {
    const write = compile(`${name}_format`, get(`${name}_format`, `{${name}}`), [name]);
    return (row: SourceRow) => write({ [name]: textField(row, get(`field_${name}`, name)) });
  };
  const asked = (row: SourceRow) =>
    prompt({
      prompt: textField(row, get("field_prompt", "prompt")),
      system: textField(row, get("field_system", "system"), true),
    });
  if (isKto) {
    const completion = written("completion"), good = get("field_label", "label");
    return (row) => ({ prompt: asked(row), completion: completion(row), good: label(row, good) });
  }
  const chosen = written("chosen"), rejected = written("rejected");
  return (row) => ({ prompt: asked(row), chosen: chosen(row), rejected: rejected(row) });
}

/** Prompt and answers through the run's chat template. */
function templated(
  shape: "default" | "argilla" | "input",
  context: FormatContext,
): PreferenceReader {
  const template = resolveTemplate(context);
  const { dataset, tokenizer } = context;
  const render = (messages: Message[], addGenerationPrompt: boolean) =>
    renderChat(template, messages, {
      addGenerationPrompt,
      bos: tokenizer.bos,
      eos: tokenizer.eos,
      variables: context.chat?.chat_template_kwargs,
    });
  const names = { chosen: setting(dataset, "field_chosen", "chosen") } as Record<string, string>;
  names.rejected = setting(dataset, "field_rejected", "rejected");
  const reader = new MessageReader(dataset);
  /** A column as messages: a text is one of `role`, an object one message. */
  const messagesOf = (row: SourceRow, column: string, role: string): Message[] => {
    const value = row.value[column];
    const list = typeof value === "string" ? [{ role, content: value }] : [value].flat();
    const key = setting(dataset, "field_messages", "messages");
    const turns = typeof value === "string"
      ? list as Message[]
      : reader.read({ ...row, value: { [key]: list.map((each) => objectAt(row, each, column)) } })
        .map(({ message }) => message as unknown as Message);
    if (turns.length === 0) throw rowError(row, `"${column}" holds no message.`);
    return turns;
  };
  return (row) => {
    const chosen = messagesOf(row, names.chosen!, "assistant");
    const rejected = messagesOf(row, names.rejected!, "assistant");
    let asked: Message[];
    if (shape === "default") {
      asked = messagesOf(row, setting(dataset, "field_messages", "messages"), "user");
    } else if (shape === "input") {
      asked = [{ role: "user", content: textField(row, "input") }];
    } else asked = chosen.slice(0, -1);
    const system = textField(row, "system", true);
    if (system !== "" && asked[0]?.role !== "system") {
      asked = [{ role: "system", content: system }, ...asked];
    }
    // Axolotl cuts where the answer's text is found first, which for "a" is inside "assistant".
    const dummy = { role: "user", content: "[[dummy_message]]" };
    const opened = render([dummy], true);
    const answer = (turns: Message[]) => {
      const last = turns.at(-1)!;
      const text = render([dummy, last], false);
      const start = text.startsWith(opened)
        ? opened.length
        : Math.max(0, text.lastIndexOf(last.content));
      return stripEnd(text.slice(start));
    };
    return { prompt: render(asked, true), chosen: answer(chosen), rejected: answer(rejected) };
  };
}

/** The names of all shapes of rows, for messages and checks. */
export const preferenceNames: readonly string[] = [
  ...Object.keys(MARKS).flatMap((family) =>
    ["default", "argilla_chat", ...Object.keys(QUESTION)].map((shape) => `${family}.${shape}`)
  ),
  ..."zephyr.nectar passthrough chat_template.default chat_template.argilla_chat".split(" "),
  ..."chat_template.argilla bradley_terry.chat_template".split(" "),
];

/** The ways of Axolotl's `rl` that use each kind of row. */
const PAIRS = ["dpo", "ipo", "simpo", "orpo", "kto_pair", "gdpo"];

/**
 * The reader of `type` under `rl: method`, or undefined when there is none of that name. Throws an
 * EftError("config") for settings that do not fit.
 */
export function openPreference(
  method: string,
  context: FormatContext,
): PreferenceReader | undefined {
  const type = context.dataset.type ?? "";
  if (typeof type === "object") return userDefined(type, method === "kto");
  const [family = "", shape = "default"] = type.split(".");
  const marks = Object.hasOwn(MARKS, family) ? MARKS[family] : undefined;
  if (method === "kto") {
    const isKnown = shape === "argilla_chat" || (Object.hasOwn(QUESTION, shape) && shape !== "icr");
    return marks && isKnown ? ktoReader(shape, marks) : undefined;
  }
  if (!PAIRS.includes(method) && method !== "reward_model") return undefined;
  if (marks) {
    const isKnown = ["default", "argilla_chat", ...Object.keys(QUESTION)].includes(shape);
    return isKnown ? pairReader(shape, marks) : undefined;
  }
  switch (`${family}.${shape}`) {
    case "zephyr.nectar":
      return nectar;
    case "passthrough.default":
      return passthrough;
    case "chat_template.default":
      return templated("default", context);
    case "chat_template.argilla_chat":
    case "chat_template.argilla":
      return templated("argilla", context);
    case "bradley_terry.chat_template":
      return templated("input", context);
  }
  return undefined;
}
