// Plain text: every token is trained on; a document longer than `sequence_len` becomes several
// samples, with EOS after the last one only (Axolotl's `prompt_strategies/completion.py`).
import { makeSample, type Sample } from "../sample.ts";
import { type Format, textField, tokenizeText } from "./format.ts";

/** Axolotl cuts a document after this many samples. */
const MAX_CHUNKS = 64;

export const completion: Format = {
  name: "completion",
  prompt: (instruction, input = "") => instruction + input,
  tokenize(row, { tokenizer, sequenceLen, field }) {
    const ids = tokenizeText(tokenizer, textField(row, field), {
      maxLength: sequenceLen * MAX_CHUNKS,
      addEos: true,
      stripBos: false,
    });
    const samples: Sample[] = [];
    for (let start = 0; start < ids.length; start += sequenceLen) {
      samples.push(makeSample({ ids: ids.slice(start, start + sequenceLen), trained: true }));
    }
    return samples;
  },
};
