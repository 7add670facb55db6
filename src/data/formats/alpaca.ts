// The Alpaca format: instruction, optional input, output. The texts are Axolotl's, to the letter
// (`prompters.py`, AlpacaPrompter), so that an adapter trained there can be asked here.
import { makeSample } from "../sample.ts";
import { type Format, textField, tokenizeText } from "./format.ts";

const SYSTEM_WITH_INPUT =
  "Below is an instruction that describes a task, paired with an input that provides further " +
  "context. Write a response that appropriately completes the request.";
const SYSTEM_WITHOUT_INPUT = "Below is an instruction that describes a task. Write a response " +
  "that appropriately completes the request.";

/** How a prompt style puts system text, instruction and input together. */
interface Style {
  system(text: string): string;
  withInput(instruction: string, input: string): string;
  withoutInput(instruction: string): string;
}

const INSTRUCT: Style = {
  system: (text) => `${text}\n\n`,
  withInput: (instruction, input) =>
    `### Instruction:\n${instruction}\n\n### Input:\n${input}\n\n### Response:\n`,
  withoutInput: (instruction) => `### Instruction:\n${instruction}\n\n### Response:\n`,
};

const CHAT: Style = {
  system: (text) => `SYSTEM: ${text}\n`,
  withInput: (instruction, input) => `USER: ${instruction}\n${input}\nASSISTANT:`,
  withoutInput: (instruction) => `USER: ${instruction}\nASSISTANT:`,
};

const CHATML: Style = {
  system: (text) => `<|im_start|>system\n${text}<|im_end|>\n`,
  withInput: (instruction, input) =>
    `<|im_start|>user\n${instruction}\n${input}<|im_end|>\n<|im_start|>assistant\n`,
  withoutInput: (instruction) =>
    `<|im_start|>user\n${instruction}<|im_end|>\n<|im_start|>assistant\n`,
};

function alpaca(name: string, style: Style): Format {
  const prompt = (instruction: string, input = "") =>
    input === ""
      ? style.system(SYSTEM_WITHOUT_INPUT) + style.withoutInput(instruction)
      : style.system(SYSTEM_WITH_INPUT) + style.withInput(instruction, input);
  return {
    name,
    prompt,
    tokenize(row, { tokenizer, sequenceLen: maxLength, trainOnInputs }) {
      const instruction = textField(row, "instruction");
      const text = prompt(instruction, textField(row, "input", true));
      const output = textField(row, "output");
      // Apart, so that no merge crosses the seam between prompt and response.
      const asked = tokenizeText(tokenizer, text, { maxLength, addEos: false, stripBos: false });
      const answer = tokenizeText(tokenizer, output, { maxLength, addEos: true, stripBos: true });
      return [makeSample({ ids: asked, trained: trainOnInputs }, { ids: answer, trained: true })];
    },
  };
}

export const alpacaFormats: Format[] = [
  alpaca("alpaca", INSTRUCT),
  alpaca("alpaca:instruct", INSTRUCT),
  alpaca("alpaca:chat", CHAT),
  alpaca("alpaca:chatml", CHATML),
];
