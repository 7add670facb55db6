// Formats that leave the text to the data: segments with their labels, steps with theirs, rows that
// are token ids already, and random tokens for measuring.
import { EftError } from "../../errors.ts";
import { RandomStream } from "../../random.ts";
import { IGNORE, makeSample, type Sample } from "../sample.ts";
import type { SourceRow } from "../sources/row.ts";
import { type Format, lastQuestion, listField, objectsField, rowError } from "./format.ts";
import { setting, textAt, textField } from "./format.ts";

/** Template-free: the data writes BOS, EOS and spaces itself; `label: false` is masked. */
export const inputOutput: Format = {
  name: "input_output",
  open: ({ tokenizer, trainOnInputs }) => ({
    tokenize(row) {
      const parts = objectsField(row, "segments").map(({ label, text }, i) => {
        if (typeof label !== "boolean") {
          throw rowError(row, `"segments[${i}].label" must be true or false.`);
        }
        const ids = tokenizer.encode(textAt(row, text, `segments[${i}].text`), { bos: false });
        return { ids, trained: label || trainOnInputs };
      });
      return [makeSample(...parts)];
    },
    prompt: (messages) => tokenizer.encode(lastQuestion(messages).question, { bos: false }),
  }),
};

/**
 * Reasoning steps and whether each is right. The labels are classes (0 or 1) on the separator after
 * a step, not tokens, so this trains a process reward model only.
 */
export const stepwise: Format = {
  name: "stepwise_supervised",
  untrainable: "process reward models (process_reward_model) are not trained yet",
  open({ tokenizer, sequenceLen, dataset }) {
    const separator = tokenizer.encode(setting(dataset, "step_separator", "\n"), { bos: false });
    const limit = typeof dataset.max_completion_length === "number"
      ? dataset.max_completion_length
      : Infinity;
    return {
      tokenize(row) {
        const prompt = tokenizer.encode(textField(row, "prompt"), { bos: false });
        if (tokenizer.bosId !== undefined) prompt.unshift(tokenizer.bosId);
        const labels = listField(row, "labels");
        const tokens: number[] = [], classes: number[] = [];
        listField(row, "completions").forEach((step, i) => {
          if (i >= labels.length) return;
          const ids = tokenizer.encode(textAt(row, step, `completions[${i}]`), { bos: false });
          tokens.push(...ids, ...separator);
          const wanted = !dataset.train_on_last_step_only || i === labels.length - 1;
          classes.push(...new Array(ids.length + separator.length - 1).fill(IGNORE));
          classes.push(wanted ? classOf(row, labels[i], i) : IGNORE);
        });
        const cut = Math.min(tokens.length, limit);
        return [{
          tokens: Int32Array.from([...prompt, ...tokens.slice(0, cut)].slice(0, sequenceLen)),
          labels: Int32Array.from(
            [...prompt.map(() => IGNORE), ...classes.slice(0, cut)].slice(0, sequenceLen),
          ),
        }];
      },
    };
  },
};

function classOf(row: SourceRow, label: unknown, i: number): number {
  if (typeof label === "boolean") return label ? 1 : 0;
  if (label === 0 || label === 1) return label;
  throw rowError(row, `"labels[${i}]" must be true, false, 0 or 1.`);
}

/** Rows that carry input_ids and labels are used as they are, whatever `type` says. */
export const tokenized: Format = {
  name: "tokenized",
  open: ({ tokenizer }) => ({
    tokenize(row) {
      const tokens = integers(row, "input_ids", 0, tokenizer.vocabSize);
      const labels = integers(row, "labels", 0, tokenizer.vocabSize);
      if (tokens.length !== labels.length) {
        throw rowError(
          row,
          `"input_ids" has ${tokens.length} elements and "labels" ${labels.length}; they must match.`,
        );
      }
      return tokens.length === 0 ? [] : [{ tokens, labels }];
    },
  }),
};

export function isTokenized(row: SourceRow): boolean {
  return ["input_ids", "attention_mask", "labels"].every((name) => Object.hasOwn(row.value, name));
}

function integers(row: SourceRow, name: string, least: number, end: number): Int32Array {
  const list = listField(row, name);
  const values = new Int32Array(list.length);
  list.forEach((value, i) => {
    const fits = Number.isInteger(value) && (value as number) >= least && (value as number) < end;
    if (!fits && !(name === "labels" && value === IGNORE)) {
      throw rowError(
        row,
        `"${name}[${i}]" is ${JSON.stringify(value)}; the tokenizer has the ids 0 to ${end - 1}.`,
      );
    }
    values[i] = value as number;
  });
  return values;
}

/** Random tokens, to measure speed and memory without data; other numbers than Axolotl's. */
export const synthetic: Format = {
  name: "_synthetic",
  open({ tokenizer, sequenceLen, dataset }) {
    const number = (name: string, fallback: number) =>
      typeof dataset[name] === "number" ? dataset[name] : fallback;
    const least = number("min_input_id", 100), end = number("max_input_id", tokenizer.vocabSize);
    if (end <= least || end > tokenizer.vocabSize) {
      throw new EftError(
        "config",
        `_synthetic draws tokens from min_input_id (${least}) to below max_input_id (${end}), but ` +
          `the vocabulary has ${tokenizer.vocabSize} tokens.`,
      );
    }
    return {
      tokenize: () => [],
      *generate(): Generator<Sample> {
        const random = new RandomStream(number("seed", 42), 0x53594e54);
        const length = number("sequence_length", sequenceLen);
        for (let i = 0; i < number("length", 1000); i++) {
          const tokens = Int32Array.from({ length }, () => least + random.below(end - least));
          yield { tokens, labels: tokens.slice() };
        }
      },
    };
  },
};
