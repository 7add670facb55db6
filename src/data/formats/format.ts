// What a data set format is, and what all formats share: reading fields, and tokenising with the
// rules of Axolotl's prompt tokenizers (`prompt_tokenizers.py`).
import { EftError } from "../../errors.ts";
import type { Sample } from "../sample.ts";
import type { SourceRow } from "../sources/json.ts";
import type { Tokenizer } from "../tokenizer.ts";

export interface FormatContext {
  tokenizer: Tokenizer;
  /** `sequence_len` */
  sequenceLen: number;
  /** `train_on_inputs` */
  trainOnInputs: boolean;
  /** `datasets[].field` */
  field: string;
}

export interface Format {
  /** What stands in `datasets[].type`. */
  name: string;
  /** The samples of a row; none when there is nothing in it to train on. */
  tokenize(row: SourceRow, context: FormatContext): Sample[];
  /** The text that asks a model trained with this format, without BOS. */
  prompt?(instruction: string, input?: string): string;
}

/** A text field of a row; a missing field is an error unless it is optional (then ""). */
export function textField(row: SourceRow, name: string, optional = false): string {
  const value = row.value[name];
  if (value === undefined || value === null) {
    if (optional) return "";
    const found = Object.keys(row.value).map((key) => `"${key}"`).join(", ") || "none";
    throw new EftError(
      "data",
      `the row has no "${name}"; its fields are ${found}. Choose the \`type\` that fits the data.`,
      { file: row.file, line: row.line },
    );
  }
  if (typeof value === "string") return value;
  const kind = Array.isArray(value) ? "a list" : `a ${typeof value}`;
  throw new EftError("data", `"${name}" must be text, found ${kind}.`, {
    file: row.file,
    line: row.line,
  });
}

export interface TokenizeOptions {
  maxLength: number;
  addEos: boolean;
  stripBos: boolean;
}

/**
 * Axolotl's `_tokenize`: BOS if the tokenizer adds it, cut to `maxLength`, then EOS if it is not
 * there yet and there is room, then BOS stripped. Empty text gives nothing, not even EOS. One
 * difference: a tokenizer that adds EOS on its own does not put one behind the prompt.
 */
export function tokenizeText(tokenizer: Tokenizer, text: string, options: TokenizeOptions) {
  if (text === "") return [];
  const { bosId, eosId } = tokenizer;
  let ids = tokenizer.encode(text, { bos: true }).slice(0, options.maxLength);
  if (ids.length === 0) return ids;
  if (options.addEos && eosId !== undefined && ids.at(-1) !== eosId) {
    if (ids.length < options.maxLength) ids.push(eosId);
  }
  if (options.stripBos && bosId !== undefined && ids[0] === bosId) ids = ids.slice(1);
  return ids;
}
