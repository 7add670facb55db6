// chat_template: messages written by a chat template and trained turn by turn. Where a turn's content
// lies is found by writing the conversation once as it is and once with another text in that turn,
// as Axolotl does (`prompt_strategies/chat_template.py`).
import { EftError } from "../../errors.ts";
import { checkTemplate, type Message, renderChat, type TemplateMessage } from "../chat.ts";
import { IGNORE, type Sample } from "../sample.ts";
import type { SourceRow } from "../sources/row.ts";
import { resolveTemplate } from "../templates/resolve.ts";
import { type Format, type FormatContext, rowError, type RowReader, setting } from "./format.ts";
import { type Detail, MessageReader, type Turn } from "./chat_messages.ts";
import { trainedTokens } from "./chat_detail.ts";

/** Whose terminators are trained: all turns', the trained turns', the last one, none. */
type When = "all" | "turn" | "last" | "none" | null;

const DUMMY = "[[dummy_message]]", DUMMY_THOUGHT = "[[dummy_reasoning]]";
/** A terminator is looked for so many tokens after the content; templates may pad it. */
const REACH = 3;

class ChatReader implements RowReader {
  readonly conversational = true;
  readonly #template: string;
  readonly #messages: MessageReader;
  readonly #rolesToTrain: Set<string>;
  readonly #onEos: When;
  readonly #onEot: When;
  readonly #eotIds = new Set<number>();

  constructor(readonly context: FormatContext) {
    const { dataset, chat } = context;
    this.#template = resolveTemplate(context);
    checkTemplate(this.#template);
    this.#messages = new MessageReader(dataset);
    const roles = dataset.roles_to_train as string[] | null | undefined;
    this.#rolesToTrain = new Set(
      (roles === undefined ? ["assistant"] : roles ?? []).map((role) => this.#messages.role(role)),
    );
    this.#onEos = (dataset.train_on_eos === undefined ? "turn" : dataset.train_on_eos) as When;
    this.#onEot = (dataset.train_on_eot ?? this.#onEos) as When;
    this.#checkTerminators(chat?.eot_tokens);
    this.#checkMarker();
  }

  tokenize(row: SourceRow): Sample[] {
    const turns = this.#messages.read(row);
    if (turns.length === 0) throw rowError(row, "the conversation has no messages.");
    const tools = this.#messages.tools(row);
    try {
      return [
        this.#isLegacy() ? this.#onlyLast(turns) : this.#turnByTurn(row, turns, tools),
      ];
    } catch (error) {
      if (!(error instanceof EftError) || error.place.file) throw error;
      throw rowError(row, error.message, error);
    }
  }

  prompt(messages: readonly Message[]): number[] {
    return this.#encode(this.#withSystem(messages as unknown as TemplateMessage[]), {
      generation: true,
    });
  }

  exchange(row: SourceRow): Message[] {
    return this.#messages.read(row).map(({ message }) => message as unknown as Message);
  }

  /** Both settings empty: only the last message is trained. */
  #isLegacy(): boolean {
    const { dataset } = this.context;
    return this.#rolesToTrain.size === 0 && !this.#onEos && !this.#onEot &&
      !dataset.message_field_training && !dataset.message_field_training_detail;
  }

  #onlyLast(turns: Turn[]): Sample {
    const messages = turns.map(({ message }) => message);
    const head = this.#encode(messages.slice(0, -1), { generation: true });
    const tokens = Int32Array.from([...head, ...this.#encode(messages).slice(head.length)]);
    const labels = tokens.slice();
    if (!this.context.trainOnInputs) labels.fill(IGNORE, 0, head.length);
    return { tokens, labels };
  }

  #turnByTurn(row: SourceRow, turns: Turn[], tools: unknown[] | undefined): Sample {
    const messages = this.#withSystem(turns.map(({ message }) => message));
    const extra = messages.length - turns.length; // a system turn that was put in front
    const ids = this.#encode(messages, { tools });
    const tokens = Int32Array.from(ids), labels = new Int32Array(ids.length).fill(IGNORE);
    const { tokenizer, trainOnInputs } = this.context;
    let lastEot = -1, lastEos = -1;

    for (const [i, turn] of turns.entries()) {
      const { message, trained, detail, thoughtDetail } = turn;
      const train = trained ??
        (detail || thoughtDetail
          ? (detail?.length ?? 0) > 0 || (thoughtDetail?.length ?? 0) > 0
          : trainOnInputs || this.#rolesToTrain.has(String(message.role)));
      if (!train && this.#onEos !== "all" && this.#onEot !== "all") continue;

      const key = this.#messages.thinkingKey;
      const thinks = message[key] !== undefined;
      const hasDetail = Boolean(detail?.length || thoughtDetail?.length);
      const index = i + extra;
      const [start, end] = this.#span(messages, index, tools, hasDetail && thinks);
      if (train && start >= 0) {
        if (detail?.length) this.#applyDetail(row, message.content, detail, start, ids, labels);
        else if (!thoughtDetail?.length) labels.set(tokens.subarray(start, end), start);
      }
      if (train && thoughtDetail?.length && thinks) {
        const [from] = this.#span(messages, index, tools, false, true);
        if (from >= 0) this.#applyDetail(row, message[key], thoughtDetail, from, ids, labels);
      }
      const terminators: [When, (id: number) => boolean, (at: number) => void][] = [
        [this.#onEot, (id) => this.#eotIds.has(id), (at) => lastEot = at],
        [this.#onEos, (id) => id === tokenizer.eosId, (at) => lastEos = at],
      ];
      for (const [when, is, remember] of terminators) {
        const at = ids.findIndex((id, at) => at >= Math.max(0, end) && is(id));
        // Axolotl looks from the end of the array on for a turn without content, too.
        const found = end < 0 ? (is(ids.at(-1)!) ? -1 : at) : at;
        if (found < 0 || Math.abs(found - end) > REACH) continue;
        remember(found);
        if (when === "all" || (when === "turn" && train)) labels[found] = ids[found]!;
      }
    }
    if (this.#onEot === "last" && lastEot >= 0) labels[lastEot] = ids[lastEot]!;
    if (this.#onEos === "last" && lastEos >= 0) labels[lastEos] = ids[lastEos]!;
    return { tokens, labels };
  }

  /** Start and end of a turn's content within the tokens, or -1 twice when it has none. */
  #span(
    messages: TemplateMessage[],
    index: number,
    tools: unknown[] | undefined,
    contentOnly = false,
    thoughtOnly = false,
  ): [number, number] {
    const message = messages[index]!, key = this.#messages.thinkingKey;
    const other: TemplateMessage = { role: message.role, content: DUMMY };
    if (thoughtOnly) {
      other.content = message.content ?? "";
      if (message[key] !== undefined) other[key] = DUMMY_THOUGHT;
    } else if (contentOnly && message[key] !== undefined) other[key] = message[key];
    const options = { tools, last: messages.length - 1 };
    const dummy = this.#encode([...messages.slice(0, index), other], options);
    const full = this.#encode(messages.slice(0, index + 1), options);
    const shorter = Math.min(dummy.length, full.length);
    let start = 0, tail = 0;
    while (start < shorter && dummy[start] === full[start]) start++;
    if (start === shorter) return [-1, -1];
    while (tail < shorter && dummy[dummy.length - 1 - tail] === full[full.length - 1 - tail]) {
      tail++;
    }
    const end = full.length - tail;
    return tail === shorter || end <= start ? [-1, -1] : [start, end];
  }

  #applyDetail(
    row: SourceRow,
    text: unknown,
    detail: Detail[],
    start: number,
    ids: number[],
    labels: Int32Array,
  ) {
    if (typeof text !== "string") {
      throw rowError(row, "a training detail needs a text to count in.");
    }
    trainedTokens(this.context.tokenizer, text, detail).forEach((trained, i) => {
      if (trained && start + i < ids.length) labels[start + i] = ids[start + i]!;
    });
  }

  #encode(
    messages: TemplateMessage[],
    options: { generation?: boolean; tools?: unknown[] | undefined; last?: number } = {},
  ): number[] {
    const { tokenizer, chat } = this.context;
    const text = renderChat(this.#template, messages, {
      addGenerationPrompt: options.generation ?? false,
      bos: tokenizer.bos,
      eos: tokenizer.eos,
      tools: options.tools,
      variables: {
        ...chat?.chat_template_kwargs,
        ...(options.last ? { real_last_index: options.last } : {}),
      },
    });
    return tokenizer.encode(text, { bos: false });
  }

  /** `default_system_message` stands where a chatml conversation has no system turn. */
  #withSystem(messages: TemplateMessage[]): TemplateMessage[] {
    const content = this.context.chat?.default_system_message;
    if (!content || messages[0]?.role === "system" || !this.#template.includes("<|im_start|>")) {
      return messages;
    }
    return [{ role: "system", content }, ...messages];
  }

  #checkTerminators(wanted: readonly string[] | undefined) {
    const { tokenizer, note } = this.context;
    const { eos } = tokenizer;
    const tokens = wanted ?? (eos === undefined ? [] : [eos]);
    const isDefault = tokens.length === 1 && tokens[0] === eos;
    if (isDefault && !this.#template.includes(eos!) && !this.#template.includes("eos_token")) {
      note?.(
        `the chat template never writes ${eos}, the end-of-sequence token, so the model does not ` +
          "learn to stop. Set `eot_tokens` to what ends a turn in this template.",
      );
    }
    for (const token of tokens) {
      if (!isDefault && !this.#template.includes(token)) {
        note?.(`the chat template never writes ${token} of \`eot_tokens\`; it is not trained.`);
        continue;
      }
      const ids = tokenizer.encode(token, { bos: false });
      if (ids.length === 1) this.#eotIds.add(ids[0]!);
      else if (!isDefault) {
        throw new EftError(
          "config",
          `eot_tokens: ${JSON.stringify(token)} is ${ids.length} tokens, not one. Add it to the ` +
            "vocabulary with `tokens`, or rename a reserved token with `added_tokens_overrides`.",
        );
      }
    }
    if (!isDefault && eos !== undefined && tokens.includes(eos) && this.#onEos !== this.#onEot) {
      throw new EftError(
        "config",
        `train_on_eos (${this.#onEos}) and train_on_eot (${this.#onEot}) differ, but ${eos} is both ` +
          "the end of a sequence and one of `eot_tokens`; set both alike.",
      );
    }
  }

  /** Whether asking for an answer opens the assistant's turn. */
  #checkMarker() {
    const messages = [{ role: "user", content: "Hi" }];
    try {
      const asked = this.#encode(messages, { generation: true });
      const told = this.#encode([...messages, { role: "assistant", content: DUMMY }]);
      const open = this.#encode(messages);
      const same = asked.length === open.length && asked.every((id, i) => id === open[i]);
      // Where the turn before already opens the answer (Mistral, Phi 3), nothing is missing.
      const first = this.context.tokenizer.encode(DUMMY, { bos: false })[0];
      if (
        same && told[asked.length] !== first && !startsWithContent(told, asked.length, this.context)
      ) {
        this.context.note?.(
          "the chat template has no generation prompt (`add_generation_prompt` changes nothing), " +
            "so inference cannot open the assistant's turn as training did.",
        );
      }
    } catch {
      // A template may refuse this conversation; rows will tell.
    }
  }
}

function startsWithContent(ids: number[], at: number, { tokenizer }: FormatContext): boolean {
  return tokenizer.decode(ids.slice(at)).trimStart().startsWith(DUMMY.slice(0, 4));
}

export const chatTemplate: Format = {
  name: "chat_template",
  open(context) {
    setting(context.dataset, "field_messages", undefined);
    return new ChatReader(context);
  },
};

export const chatTemplateFormats: Format[] = [
  chatTemplate,
  { name: "chat_template.load", open: chatTemplate.open },
];
