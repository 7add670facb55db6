// Plain text: every token is trained on.
import { makeSample, type Sample } from "../sample.ts";
import { type Format, lastQuestion, setting, textField, tokenizeText } from "./format.ts";

/** Axolotl cuts a document after this many samples. */
const MAX_CHUNKS = 64;

/**
 * A document longer than `sequence_len` becomes several samples, with EOS after the last one only
 * (Axolotl's `prompt_strategies/completion.py`).
 */
export const completion: Format = {
  name: "completion",
  open: ({ tokenizer, sequenceLen, dataset }) => ({
    tokenize(row) {
      const ids = tokenizeText(tokenizer, textField(row, setting(dataset, "field", "text")), {
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
    prompt: (messages) => tokenizer.encode(lastQuestion(messages).question, { bos: true }),
  }),
};

/**
 * Streamed text (`pretraining_dataset`): windows of `sequence_len` - 1 tokens that overlap by 256 or
 * less, each begun as the tokenizer begins a text and ended with EOS (Axolotl's
 * `prompt_strategies/pretrain.py`). In v0.4.0 windows did not overlap.
 */
export const pretrain: Format = {
  name: "pretrain",
  open: ({ tokenizer, sequenceLen, dataset }) => ({
    tokenize(row) {
      const text = textField(row, setting(dataset, "text_column", "text"));
      const ids = tokenizer.encode(text, { bos: false });
      const head = tokenizer.addsBos ? [tokenizer.bosId!] : [];
      const room = Math.max(1, sequenceLen - 1 - head.length);
      const step = Math.max(1, room - Math.min(256, Math.floor((sequenceLen - 1) / 2)));
      const samples: Sample[] = [];
      for (let start = 0;; start += step) {
        const window = [...head, ...ids.slice(start, start + room), tokenizer.eosId!];
        samples.push(makeSample({ ids: window, trained: true }));
        if (start + room >= ids.length) return samples;
      }
    },
    prompt: (messages) => tokenizer.encode(lastQuestion(messages).question, { bos: true }),
  }),
};
