// Conversation templates: how FastChat writes turns, by the names that `conversation:` may have. The
// texts are in conversations.json; here are the ways of putting them together, as Axolotl v0.4.0
// has them (`monkeypatch/fastchat_conversation_turns.py`).
import table from "./conversations.json" with { type: "json" };

export interface ConversationTemplate {
  style: string;
  /** `{system_message}` alone when absent. */
  system?: string;
  /** The system message of conversations without one. */
  message?: string;
  /** The human's and the model's name. */
  roles: string[];
  sep: string;
  sep2?: string;
}

/** A turn as it will be written: what stands before the text, and the text with what follows it. */
export type Turn = [role: string, text: string];

const templates = new Map<string, ConversationTemplate>(Object.entries(table));

export const conversationNames: string[] = [...templates.keys()];

export function findConversation(name: string): ConversationTemplate | undefined {
  return templates.get(name);
}

/**
 * The turns of a conversation, the system text first, under the role "". `messages` are roles of the
 * template with texts; a last text of "" leaves the model's turn open.
 */
export function* conversationTurns(
  name: string,
  messages: Turn[],
  systemMessage?: string,
): Generator<Turn> {
  const template = templates.get(name)!;
  const { style, sep, sep2 = "" } = template;
  const message = systemMessage ?? template.message ?? "";
  const systemWith = (text: string) =>
    (template.system ?? "{system_message}").replace("{system_message}", () => text);
  const system = systemWith(message);
  const seps = [sep, sep2];

  if (style === "LLAMA2") return yield* llama2(name, template, messages, message, systemWith);
  switch (style) {
    case "ADD_COLON_SINGLE":
    case "ADD_COLON_TWO":
    case "ADD_COLON_SPACE_SINGLE":
    case "ROBIN":
      yield ["", system + sep];
      break;
    case "ADD_NEW_LINE_SINGLE":
    case "CHATGLM":
      if (system !== "" || style === "ADD_NEW_LINE_SINGLE") {
        yield ["", system === "" ? "" : system + sep];
      }
      break;
    case "CHATML":
      yield ["", system === "" ? "" : `${system}${sep}\n`];
      break;
    case "CHATGLM3":
    case "FALCON_CHAT":
      if (message !== "") yield ["", style === "CHATGLM3" ? system : system + sep];
      break;
    default:
      yield ["", system];
  }
  for (const [i, [role, text]] of messages.entries()) {
    const open = text === "";
    switch (style) {
      case "ADD_COLON_SINGLE":
      case "FALCON_CHAT":
        yield open ? [`${role}:`, ""] : [`${role}: `, text + sep];
        break;
      case "ADD_COLON_TWO":
        yield open ? [`${role}:`, ""] : [`${role}: `, text + seps[i % 2]!];
        break;
      case "ADD_COLON_SPACE_SINGLE":
        yield [`${role}: `, open ? "" : text + sep];
        break;
      case "ADD_NEW_LINE_SINGLE":
        yield [`${role}\n`, open ? "" : text + sep];
        break;
      case "CHATML":
        yield [`${role}\n`, open ? "" : `${text}${sep}\n`];
        break;
      case "NO_COLON_SINGLE":
        yield [role, open ? "" : text + sep];
        break;
      case "NO_COLON_TWO":
        yield [role, open ? "" : text + seps[i % 2]!];
        break;
      case "RWKV":
        yield open
          ? [`${role}:`, ""]
          : [`${role}: `, `${text.replaceAll("\r\n", "\n").replaceAll("\n\n", "\n")}\n\n`];
        break;
      case "CHATGLM":
        if (i % 2 === 0) {
          yield ["", `[Round ${Math.floor(i / 2) + (name === "chatglm2" ? 1 : 0)}]${sep}`];
        }
        yield [`${role}：`, open ? "" : text + sep];
        break;
      case "CHATGLM3":
        if (!open) yield [`${role}\n`, ` ${text}`]; // Axolotl passes over an open turn
        break;
      case "CHATINTERN":
        yield open
          ? [`${role}:`, ""]
          : [`${i % 2 === 0 ? "<s>" : ""}${role}:`, `${text}${seps[i % 2]}\n`];
        break;
      case "DOLLY":
        yield [`${role}:\n`, open ? "" : text + seps[i % 2] + (i % 2 === 1 ? "\n\n" : "")];
        break;
      case "PHOENIX":
        yield open ? [`${role}: <s>`, ""] : [`${role}: `, `<s>${text}</s>`];
        break;
      case "ROBIN":
        yield [`${role}:\n`, open ? "" : text + sep];
        break;
    }
  }
}

/** The system text belongs to the first question; later exchanges begin with BOS as text. */
function* llama2(
  name: string,
  { roles }: ConversationTemplate,
  messages: Turn[],
  message: string,
  systemWith: (text: string) => string,
): Generator<Turn> {
  const isMistral = name === "mistral";
  let rest = messages;
  if (message !== "") {
    let head = systemWith(message);
    if (messages[0]?.[0] === roles[0]) {
      head = systemWith(isMistral ? ` ${message}` : message) + messages[0]![1];
      rest = messages.slice(1);
    }
    yield ["", head];
  }
  for (const [i, [role, text]] of rest.entries()) {
    if (text === "") yield [role, ""];
    else if (!isMistral) {
      const begins = i % 2 === (message === "" ? 0 : 1);
      yield [`${begins ? "<s> " : ""}${role} `, text];
    } else if (i === 0 && message === "") yield ["", `${systemWith("").trim()} ${text}`];
    else yield [`${role} `, text];
  }
}
