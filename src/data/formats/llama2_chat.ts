// llama2_chat: the prompt of Llama 2's chat models, tokenised as one text and masked by counting the
// tokens of its pieces, as Axolotl does (`prompt_strategies/llama2_chat.py`). A row whose pieces do
// not add up is masked altogether; the counts were made for Llama's tokenizer.
import type { Message } from "../chat.ts";
import { IGNORE, type Sample } from "../sample.ts";
import type { SourceRow } from "../sources/row.ts";
import type { Tokenizer } from "../tokenizer.ts";
import { DroppedRow, type Format, objectsField, strip, textAt } from "./format.ts";

const SYSTEM =
  "You are a helpful, respectful and honest assistant. Always answer as helpfully as " +
  "possible, while being safe. Your answers should not include any harmful, unethical, racist, " +
  "sexist, toxic, dangerous, or illegal content. Please ensure that your responses are socially " +
  "unbiased and positive in nature.\n\nIf a question does not make any sense, or is not factually " +
  "coherent, explain why instead of answering something not correct. If you don't know the answer " +
  "to a question, please don't share false information.";
const ANSWER = "[/INST]", END = " </s><s>";

interface Spoken {
  from: string;
  value: string;
}

function read(row: SourceRow): { system: string; said: Spoken[] } {
  let said = objectsField(row, "conversations").map(({ from, value }, i): Spoken => ({
    from: textAt(row, from, `conversations[${i}].from`),
    value: textAt(row, value, `conversations[${i}].value`),
  }));
  let system = SYSTEM;
  if (said[0]?.from === "system") {
    system = said[0].value;
    said = said.slice(1);
  }
  if (said.length < 2) throw new DroppedRow("the conversation has fewer than 2 turns");
  if (said[0]!.from === "gpt") said = said.slice(1);
  said.forEach(({ from }, i) => {
    if (from !== (i % 2 === 0 ? "human" : "gpt")) {
      throw new DroppedRow("the turns do not alternate between human and gpt");
    }
  });
  return { system, said: said.filter(({ value }) => value !== "") };
}

function write(system: string, said: Spoken[], question = false): string {
  let text = "";
  for (const [i, { from, value }] of said.entries()) {
    const words = strip(value);
    // A question without answer is left out; the text before it stands.
    if (i === said.length - 1 && from === "human" && !question) return text;
    if (i === 0) text += `[INST] <<SYS>>\n${system}\n<</SYS>>\n\n${words}`;
    else text += `${from === "human" ? "[INST]" : ANSWER} ${words}${i % 2 === 0 ? " " : END}`;
  }
  return text;
}

/** The label of every token, or none of any when the pieces do not add up. */
function mask(text: string, ids: number[], tokenizer: Tokenizer, sequenceLen: number): Int32Array {
  const labels = Int32Array.from(ids);
  const count = (piece: string) => tokenizer.encode(piece, { bos: true }).length;
  let at = 1;
  labels.fill(IGNORE, 0, at);
  for (const turn of text.split(END)) {
    if (turn === "") break;
    const parts = turn.split(ANSWER);
    if (parts.length !== 2) break;
    labels.fill(IGNORE, at - 1, at + count(parts[0]! + ANSWER) - 1);
    at += count(turn) + 2;
  }
  labels.fill(IGNORE, at);
  if (at < sequenceLen && at !== ids.length) labels.fill(IGNORE);
  return labels;
}

export const llama2Chat: Format = {
  name: "llama2_chat",
  open: ({ tokenizer, sequenceLen, note }) => ({
    conversational: true,
    tokenize(row): Sample[] {
      const { system, said } = read(row);
      const text = write(system, said);
      const ids = tokenizer.encode(text, { bos: true }).slice(0, sequenceLen);
      const labels = mask(text, ids, tokenizer, sequenceLen);
      if (labels.every((label) => label === IGNORE)) {
        note?.(
          "llama2_chat masks rows altogether when the pieces of their text do not add up to the " +
            "whole, which it does with other tokenizers than Llama 2's. Use `type: sharegpt` with " +
            "`conversation: llama-2`.",
        );
      }
      fixBracket(tokenizer, ids, labels);
      return [{ tokens: Int32Array.from(ids), labels }];
    },
    prompt(messages: readonly Message[]) {
      const names: Record<string, string> = { user: "human", assistant: "gpt" };
      const system = messages.find(({ role }) => role === "system")?.content ?? SYSTEM;
      const said = messages.flatMap(({ role, content }) =>
        names[role] === undefined ? [] : [{ from: names[role], value: content }]
      );
      return tokenizer.encode(`${write(system, said, true)}${ANSWER}`, { bos: true });
    },
  }),
};

/** Llama 2 itself saw "[" after EOS with its leading space, which encoding whole texts loses. */
function fixBracket(tokenizer: Tokenizer, ids: number[], labels: Int32Array) {
  const bare = 29961, spaced = 518;
  if (tokenizer.tokenToId("[") !== bare || tokenizer.tokenToId("▁[") !== spaced) return;
  for (let i = 2; i < ids.length - 2; i++) {
    if (ids[i] === bare) ids[i] = spaced;
    if (labels[i] === bare) labels[i] = spaced;
  }
}
