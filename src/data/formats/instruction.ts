// Formats of one question and one answer: a prompt, masked, and a response, trained. The texts are
// Axolotl's, to the letter (`prompters.py`), so that an adapter trained there can be asked here.
import { makeSample } from "../sample.ts";
import type { SourceRow } from "../sources/row.ts";
import {
  type Format,
  type FormatContext,
  lastQuestion,
  type RowReader,
  tokenizeText,
} from "./format.ts";

export interface Exchange {
  instruction: string;
  /** "" where there is none. */
  input: string;
  output: string;
  /** The row's own system text, where the format has one. */
  system?: string;
}

/** Renders the prompt; an empty `input` is no input. */
export type Render = (exchange: Omit<Exchange, "output">) => string;

/** How a prompt style puts system text, instruction and input together. */
export interface Style {
  system(text: string): string;
  withInput(instruction: string, input: string): string;
  withoutInput(instruction: string): string;
}

export const STYLES = {
  instruct: {
    system: (text) => `${text}\n\n`,
    withInput: (instruction, input) =>
      `### Instruction:\n${instruction}\n\n### Input:\n${input}\n\n### Response:\n`,
    withoutInput: (instruction) => `### Instruction:\n${instruction}\n\n### Response:\n`,
  },
  chat: {
    system: (text) => `SYSTEM: ${text}\n`,
    withInput: (instruction, input) => `USER: ${instruction}\n${input}\nASSISTANT:`,
    withoutInput: (instruction) => `USER: ${instruction}\nASSISTANT:`,
  },
  chatml: {
    system: (text) => `<|im_start|>system\n${text}<|im_end|>\n`,
    withInput: (instruction, input) =>
      `<|im_start|>user\n${instruction}\n${input}<|im_end|>\n<|im_start|>assistant\n`,
    withoutInput: (instruction) =>
      `<|im_start|>user\n${instruction}<|im_end|>\n<|im_start|>assistant\n`,
  },
  phi: {
    system: (text) => `<|system|>\n${text}<|end|>\n`,
    withInput: (instruction, input) => `<|user|>\n${instruction}<|end|>${input}<|assistant|>`,
    withoutInput: (instruction) => `<|user|>\n${instruction}<|end|>\n<|assistant|>\n`,
  },
} satisfies Record<string, Style>;

export type StyleName = keyof typeof STYLES;

/** The system texts of a format: for rows with an input, and for rows without. */
export interface SystemTexts {
  withInput: string;
  withoutInput: string;
}

export const ALPACA_SYSTEM: SystemTexts = {
  withInput: "Below is an instruction that describes a task, paired with an input that provides " +
    "further context. Write a response that appropriately completes the request.",
  withoutInput: "Below is an instruction that describes a task. Write a response that " +
    "appropriately completes the request.",
};

export const NO_SYSTEM: SystemTexts = { withInput: "", withoutInput: "" };

/** The prompt of a style with fixed system texts; an empty one is left out altogether. */
export function renderWith(style: Style, system: SystemTexts): Render {
  const head = (text: string) => text === "" ? "" : style.system(text);
  return ({ instruction, input }) =>
    input === ""
      ? head(system.withoutInput) + style.withoutInput(instruction)
      : head(system.withInput) + style.withInput(instruction, input);
}

/** The prompt of a style with the row's own system text. */
export function renderOwnSystem(style: Style): Render {
  return ({ system = "", instruction, input }) =>
    (system === "" ? "" : style.system(system)) +
    (input === "" ? style.withoutInput(instruction) : style.withInput(instruction, input));
}

/** A format from its way of reading a row and its way of writing a prompt. */
export function instructionFormat(
  name: string,
  read: (row: SourceRow) => Exchange,
  render: Render,
): Format {
  return { name, open: (context) => instructionReader(context, read, render) };
}

export function instructionReader(
  context: FormatContext,
  read: (row: SourceRow) => Exchange,
  render: Render,
): RowReader {
  const { tokenizer, sequenceLen: maxLength, trainOnInputs } = context;
  return {
    tokenize(row) {
      const exchange = read(row);
      // Apart, so that no merge crosses the seam between prompt and response.
      const asked = tokenizeText(tokenizer, render(exchange), {
        maxLength,
        addEos: false,
        stripBos: false,
      });
      const answer = tokenizeText(tokenizer, exchange.output, {
        maxLength,
        addEos: true,
        stripBos: true,
      });
      return [makeSample({ ids: asked, trained: trainOnInputs }, { ids: answer, trained: true })];
    },
    prompt(messages) {
      const { system, question } = lastQuestion(messages);
      const text = render({
        instruction: question,
        input: "",
        ...(system === undefined ? {} : { system }),
      });
      return tokenizer.encode(text, { bos: true });
    },
  };
}
