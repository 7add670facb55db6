// Alpaca and its relatives: data sets that differ in the names of their columns and in the sentence
// before the question. Every name may carry a style: `alpaca:chat`, `gpteacher:chatml`.
import { EftError } from "../../errors.ts";
import type { SourceRow } from "../sources/row.ts";
import { type Format, listField, setting, textAt, textField } from "./format.ts";
import {
  ALPACA_SYSTEM,
  type Exchange,
  instructionFormat,
  instructionReader,
  NO_SYSTEM,
  type Render,
  renderOwnSystem,
  renderWith,
  type Style,
  type StyleName,
  STYLES,
  type SystemTexts,
} from "./instruction.ts";

const both = (text: string): SystemTexts => ({ withInput: text, withoutInput: text });

/** instruction, input, and the response in one of `outputs`, the first that is there. */
const withInput = (...outputs: string[]) => (row: SourceRow): Exchange => ({
  instruction: textField(row, "instruction"),
  input: textField(row, "input", true),
  output: textField(row, outputs.find((name) => row.value[name] !== undefined) ?? outputs[0]!),
});

const pair = (question: string, answer: string) => (row: SourceRow): Exchange => ({
  instruction: textField(row, question),
  input: "",
  output: textField(row, answer),
});

function choice(row: SourceRow): Exchange {
  const choices = listField(row, "choices")
    .map((each, i) => `- "${textAt(row, each, `choices[${i}]`)}"`);
  return {
    instruction: textField(row, "question"),
    input: choices.join("\n"),
    output: textField(row, row.value.solution === undefined ? "explanation" : "solution"),
  };
}

const jeopardy = (row: SourceRow): Exchange => ({
  instruction: textField(row, "question"),
  input: textField(row, "category"),
  output: `what is ${textField(row, "answer")}`,
});

const CONCISE_CHOICE: Style = { ...STYLES.chat, system: (text) => text };
const TLDR: Style = {
  system: (text) => text,
  withInput: (article, input) =>
    `USER: Summarize the following article as a TL;DR.\n${article}\n${input}\nASSISTANT:`,
  withoutInput: (article) =>
    `USER: Summarize the following article as a TL;DR.\n${article}\nASSISTANT:`,
};

type Base = [
  name: string,
  read: (row: SourceRow) => Exchange,
  render: (style: Style) => Render,
];

const BASES: Base[] = [
  ["alpaca", withInput("output"), (style) => renderWith(style, ALPACA_SYSTEM)],
  ["gpteacher", withInput("response"), (style) => renderWith(style, ALPACA_SYSTEM)],
  ["oasst", pair("INSTRUCTION", "RESPONSE"), (style) => renderWith(style, ALPACA_SYSTEM)],
  // Its own sentence about Jeopardy is never rendered in Axolotl either.
  ["jeopardy", jeopardy, (style) => renderWith(style, ALPACA_SYSTEM)],
  [
    "explainchoice",
    choice,
    (style) =>
      renderWith(
        style,
        both("Choose the answer that best answers the question. Explain your reasoning.\n"),
      ),
  ],
  [
    "concisechoice",
    choice,
    () =>
      renderWith(
        CONCISE_CHOICE,
        both(
          "Choose the answer that best answers the question. Be concise in your response.\n\n",
        ),
      ),
  ],
  ["summarizetldr", pair("article", "summary"), () => renderWith(TLDR, NO_SYSTEM)],
];

const CONCISE: SystemTexts = {
  withInput: "Below is an instruction from a USER that describes a task, paired with an input " +
    "that provides further context. The ASSISTANT writes a response that concisely and " +
    "appropriately completes the request.\n\n",
  withoutInput: "Below is an instruction from a USER that describes a task. The ASSISTANT writes " +
    "a response that appropriately and concisely completes the request.\n\n",
};
const CONTEXT = both(
  "Use the following contextual information to concisely answer the question.\n",
);
const CONTEXT_V2: Style = {
  system: (text) => text,
  withInput: (instruction, input) => `${instruction}\n${input}`,
  withoutInput: (instruction) => instruction,
};
const ORCA: Style = {
  system: (text) => `### System:\n${text}\n`,
  withInput: (instruction, input) =>
    `### Human:\n${instruction}\n### Additional Context:\n${input}\n### Assistant:\n`,
  withoutInput: (instruction) => `### Human:\n${instruction}\n### Assistant:\n`,
};
const NO_ANSWER = "The context provided does not contain any information about your inquiry. " +
  "Therefore, I'm unable to answer your question based on the given context.";

const ownSystem = (row: SourceRow): Exchange => ({
  ...withInput("output")(row),
  system: textField(row, "system"),
});
const orca = (row: SourceRow): Exchange => ({
  ...pair("question", "response")(row),
  system: textField(row, "system_prompt"),
});
const context = (question: string) => (row: SourceRow): Exchange => ({
  instruction: `${textField(row, "article")}\n===\n${textField(row, question)}`,
  input: "",
  output: question === "question" ? textField(row, "answer") : NO_ANSWER,
});
const contextV2 = (row: SourceRow): Exchange => ({
  instruction: `Context: ${textField(row, "context")}\nQuestion: ${textField(row, "question")}\n`,
  input: "",
  output: `Answer: ${textField(row, "answer")}`,
});
/** orcamini always writes the system part, even for an empty text. */
const orcaMini: Render = ({ system = "", instruction }) =>
  `### System:\n${system}\n\n### User:\n${instruction}\n\n### Response:\n`;

const { instruct, chat, chatml } = STYLES;

/** `alpaca_chat`: the chat style, unless `conversation` names another. */
const alpacaChat = (name: string): Format => ({
  name,
  open(context) {
    const style = setting(context.dataset, "conversation", "chat");
    if (!Object.hasOwn(STYLES, style)) {
      throw new EftError(
        "config",
        `datasets[].conversation: ${style} is no style of ${name}; choose one of ${
          Object.keys(STYLES).join(", ")
        }.`,
      );
    }
    return instructionReader(
      context,
      withInput("output"),
      renderWith(STYLES[style as StyleName], ALPACA_SYSTEM),
    );
  },
});

export const alpacaFormats: Format[] = [
  ...BASES.flatMap(([name, read, render]) => [
    instructionFormat(name, read, render(instruct)),
    ...Object.entries(STYLES).map(([style, writing]) =>
      instructionFormat(`${name}:${style}`, read, render(writing))
    ),
  ]),
  ...["alpaca_instruct", "alpaca_instruct.load"].map((name) =>
    instructionFormat(name, withInput("output"), renderWith(instruct, ALPACA_SYSTEM))
  ),
  instructionFormat(
    "alpaca_instruct.load_no_prompt",
    withInput("output"),
    renderWith(instruct, NO_SYSTEM),
  ),
  alpacaChat("alpaca_chat"),
  alpacaChat("alpaca_chat.load"),
  // Axolotl's documentation says `response`, its code reads `output`: either will do.
  instructionFormat(
    "alpaca_chat.load_concise",
    withInput("output", "response"),
    renderWith(chat, CONCISE),
  ),
  instructionFormat("alpaca_chat.load_qa", pair("question", "answer"), renderWith(chat, CONCISE)),
  instructionFormat(
    "alpaca_chat.load_camel_ai",
    pair("message_1", "message_2"),
    renderWith(chat, CONCISE),
  ),
  instructionFormat(
    "alpaca_chat.load_no_prompt",
    withInput("output"),
    renderWith(chat, NO_SYSTEM),
  ),
  instructionFormat("alpaca_w_system.load_instruct", ownSystem, renderOwnSystem(instruct)),
  ...["alpaca_w_system", "alpaca_w_system.load", "alpaca_w_system.load_chat"].map((name) =>
    instructionFormat(name, ownSystem, renderOwnSystem(chat))
  ),
  instructionFormat("alpaca_w_system.load_open_orca", orca, renderOwnSystem(ORCA)),
  instructionFormat("alpaca_w_system.load_open_orca_chatml", orca, renderOwnSystem(chatml)),
  instructionFormat("orcamini", orca, orcaMini),
  instructionFormat("orcamini.load", orca, orcaMini),
  ...["context_qa", "context_qa.load"].map((name) =>
    instructionFormat(name, context("question"), renderWith(chat, CONTEXT))
  ),
  instructionFormat("context_qa.load_v2", contextV2, renderWith(CONTEXT_V2, NO_SYSTEM)),
  instructionFormat(
    "context_qa.load_404",
    context("unanswerable_question"),
    renderWith(chat, CONTEXT),
  ),
];
