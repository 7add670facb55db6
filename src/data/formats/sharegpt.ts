// ShareGPT: conversations of a human and a model, written by a conversation template and trained on
// the model's turns (Axolotl v0.4.0, `ShareGPTPromptTokenizingStrategy`). Newer versions know the
// type no more and read such rows with `chat_template`; settings of that era lead there.
import { EftError } from "../../errors.ts";
import type { Message } from "../chat.ts";
import { makeSample } from "../sample.ts";
import type { SourceRow } from "../sources/row.ts";
import {
  conversationNames,
  conversationTurns,
  findConversation,
  type Turn,
} from "../templates/conversation.ts";
import { chatTemplate } from "./chat_template.ts";
import {
  type DatasetKeys,
  DroppedRow,
  type Format,
  type FormatContext,
  objectsField,
  type RowReader,
  setting,
  stripEnd,
  textAt,
  textField,
  tokenizeText,
} from "./format.ts";

interface Spoken {
  from: string;
  value: string;
}

/** How a row's turns are found: their column, their fields, and the names of the roles. */
interface Shape {
  column: string;
  role: string;
  text: string;
  /** Names in the data to human and gpt; other names drop the row. */
  names?: Record<string, string>;
}

const SHAREGPT: Shape = { column: "conversations", role: "from", text: "value" };
const LENIENT = { human: "human", assistant: "gpt", gpt: "gpt" };

function speakers(shape: Shape) {
  return (row: SourceRow): Spoken[] =>
    objectsField(row, shape.column).map((turn, i) => {
      const at = `${shape.column}[${i}]`;
      const role = textAt(row, turn[shape.role], `${at}.${shape.role}`);
      const value = turn[shape.text] === null
        ? ""
        : textAt(row, turn[shape.text], `${at}.${shape.text}`);
      const from = shape.names ? shape.names[role] : role;
      if (from === undefined) throw new DroppedRow(`a turn has the unknown role "${role}"`);
      return { from, value };
    });
}

function jokes(row: SourceRow): Spoken[] {
  const title = textField(row, "title", true);
  const values = [
    "Tell me a joke.",
    (title === "" ? "" : `${title} `) + textField(row, "text"),
    "Why is that joke funny?",
    textField(row, "explanation"),
  ];
  return values.map((value, i) => ({ from: i % 2 === 0 ? "human" : "gpt", value }));
}

function templateName({ dataset, chat }: FormatContext): string {
  const name = setting(dataset, "conversation", undefined) ??
    (chat?.chat_template === "chatml" ? "chatml" : "vicuna_v1.1");
  if (findConversation(name)) return name;
  throw new EftError(
    "config",
    `datasets[].conversation: there is no conversation template ${name}. Known: ${
      conversationNames.join(", ")
    }.`,
  );
}

class ConversationReader implements RowReader {
  readonly conversational = true;
  readonly #template: string;
  readonly #roles: [human: string, model: string];
  readonly #names: Record<string, string>;

  constructor(
    readonly context: FormatContext,
    readonly read: (row: SourceRow) => Spoken[],
  ) {
    const { dataset } = context;
    this.#template = templateName(context);
    this.#roles = findConversation(this.#template)!.roles as [string, string];
    this.#names = {
      [setting(dataset, "field_human", "human")]: this.#roles[0],
      [setting(dataset, "field_model", "gpt")]: this.#roles[1],
    };
  }

  tokenize(row: SourceRow) {
    const parts = [];
    const own = this.#ownRoles(row);
    for (const turn of this.#turns(this.read(row))) {
      const part = this.#part(turn, own);
      if (part) parts.push(...part);
    }
    return [makeSample(...parts)];
  }

  prompt(messages: readonly Message[]): number[] {
    const names: Record<string, string> = { user: this.#roles[0], assistant: this.#roles[1] };
    const system = messages.find(({ role }) => role === "system")?.content;
    const turns = messages.flatMap(({ role, content }): Turn[] =>
      names[role] === undefined ? [] : [[names[role], content]]
    );
    turns.push([this.#roles[1], ""]);
    const ids: number[] = [];
    for (const turn of conversationTurns(this.#template, turns, system)) {
      if (turn[0].includes(this.#roles[1]) && turn[1] === "") {
        ids.push(...this.#tokens(turn[0], false, true));
      } else for (const part of this.#part(turn, []) ?? []) ids.push(...part.ids);
    }
    return ids;
  }

  exchange(row: SourceRow): Message[] {
    const turns = this.read(row);
    const roles: Record<string, string> = {
      [this.#roles[0]]: "user",
      [this.#roles[1]]: "assistant",
    };
    return turns.flatMap(({ from, value }) => {
      const role = from === "system" ? "system" : roles[this.#names[from] ?? ""];
      return role === undefined ? [] : [{ role, content: value }];
    });
  }

  /** Axolotl's `_build_result`. */
  #turns(said: Spoken[]): Generator<Turn> {
    if (said.length < 2) throw new DroppedRow("the conversation has fewer than 2 turns");
    const system = said[0]!.from === "system" ? said[0]!.value : undefined;
    let rest = system === undefined ? said : said.slice(1);
    if (this.#names[rest[0]!.from] === undefined) rest = rest.slice(1);
    const turns = rest.map(({ from, value }): Turn => {
      const role = this.#names[from];
      if (role === undefined) throw new DroppedRow(`a turn has the unknown role "${from}"`);
      return [role, value];
    });
    return conversationTurns(this.#template, turns, system);
  }

  /** Rows of the default template may bring their own names for the two roles. */
  #ownRoles(row: SourceRow): string[] {
    const own = row.value.roles;
    if (this.#template !== "vicuna_v1.1" || !Array.isArray(own) || own.length < 2) return [];
    return own.slice(0, 2).map((name, i) => textAt(row, name, `roles[${i}]`));
  }

  #part([role, text]: Turn, own: string[]) {
    const { trainOnInputs, tokenizer } = this.context;
    const [human, model] = this.#roles;
    const renamed = (from: string, to: string | undefined) =>
      to === undefined ? role : role.replaceAll(from, () => to);
    if (role.includes(human)) {
      const ids = this.#tokens(renamed(human, own[0]) + text, false, true);
      return [{ ids, trained: trainOnInputs }];
    }
    if (role.includes(model)) {
      const name = renamed(model, own[1]);
      const separatorEnds = this.#template === "chatml" &&
        findConversation("chatml")!.sep === tokenizer.eos;
      const ids = this.#tokens(name + text, !separatorEnds, true);
      const head = this.#tokens(stripEnd(name), false, true).length;
      return [
        { ids: ids.slice(0, head), trained: trainOnInputs },
        { ids: ids.slice(head), trained: true },
      ];
    }
    if (role === "") return [{ ids: this.#tokens(text, false, false), trained: trainOnInputs }];
    return undefined;
  }

  #tokens(text: string, addEos: boolean, stripBos: boolean): number[] {
    const { tokenizer, sequenceLen: maxLength } = this.context;
    return tokenizeText(tokenizer, text, { maxLength, addEos, stripBos });
  }
}

/** Settings that only the `chat_template` era has send sharegpt rows there. */
function isCurrentEra({ dataset, chat }: FormatContext): boolean {
  if (dataset.conversation !== undefined) return false;
  const keys = ["chat_template", "message_property_mappings", "roles_to_train", "train_on_eos"];
  if (keys.some((key) => dataset[key] !== undefined && dataset[key] !== null)) return true;
  return chat?.chat_template !== undefined && chat.chat_template !== "chatml" &&
    chat.chat_template !== "inst";
}

function asChatTemplate(dataset: DatasetKeys, shape: Shape): DatasetKeys {
  return {
    field_messages: shape.column,
    message_property_mappings: { role: shape.role, content: shape.text },
    ...Object.fromEntries(Object.entries(dataset).filter(([, value]) => value !== undefined)),
  };
}

function conversations(name: string, shape: Shape | ((dataset: DatasetKeys) => Shape)): Format {
  return {
    name,
    open(context) {
      const chosen = typeof shape === "function" ? shape(context.dataset) : shape;
      return isCurrentEra(context)
        ? chatTemplate.open({ ...context, dataset: asChatTemplate(context.dataset, chosen) })
        : new ConversationReader(context, speakers(chosen));
    },
  };
}

const strictOr = (names: Record<string, string>) => (dataset: DatasetKeys): Shape =>
  dataset.strict === false ? { ...SHAREGPT, names } : SHAREGPT;

export const sharegptFormats: Format[] = [
  ...["sharegpt", "sharegpt.load", "sharegpt:chat", "sharegpt_simple", "sharegpt_simple.load"].map(
    (name) => conversations(name, strictOr(LENIENT)),
  ),
  ...["sharegpt.load_role", "sharegpt_simple.load_role"].map((name) =>
    conversations(name, { ...SHAREGPT, role: "role" })
  ),
  ...["sharegpt.load_guanaco", "sharegpt_simple.load_guanaco"].map((name) =>
    conversations(name, {
      column: "conversations",
      role: "role",
      text: "text",
      names: { prompter: "human", assistant: "gpt" },
    })
  ),
  conversations("sharegpt.load_ultrachat", {
    column: "messages",
    role: "role",
    text: "content",
    names: { user: "human", assistant: "gpt" },
  }),
  ...["sharegpt_jokes", "sharegpt_jokes.load"].map((name): Format => ({
    name,
    open: (context) => new ConversationReader(context, jokes),
  })),
];
