// A byte-level BPE tokenizer small enough to check by hand: one token per byte, a few merges, and
// the special tokens of Llama.
import { FakeHost } from "../fake_host.ts";
import { loadTokenizer, type SpecialTokens, type Tokenizer } from "../../src/data/tokenizer.ts";

export const BOS = 1, EOS = 2, PAD = 0;

/** The printable stand-ins of the 256 bytes in GPT-2's byte-level alphabet. */
function byteAlphabet(): string[] {
  const printable = (b: number) => (b > 32 && b < 127) || (b > 160 && b < 173) || b > 173;
  let next = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCharCode(printable(b) ? b : next++));
}

export interface TinyOptions {
  addsBos?: boolean;
  addsEos?: boolean;
  config?: Record<string, unknown>;
}

/** The files of the tokenizer, in a folder `model`. */
export function tinyFiles(options: TinyOptions = {}): Record<string, string> {
  const { addsBos = true, addsEos = false } = options;
  const specials = ["<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"];
  const vocab: Record<string, number> = {};
  specials.forEach((token, id) => vocab[token] = id);
  byteAlphabet().forEach((letter, byte) => vocab[letter] = 10 + byte);
  vocab["ab"] = 266;
  vocab[":a"] = 267;
  const special = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
  const tokenizer = {
    version: "1.0",
    added_tokens: specials.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: {
      type: "ByteLevel",
      add_prefix_space: false,
      trim_offsets: true,
      use_regex: false,
    },
    post_processor: {
      type: "TemplateProcessing",
      single: [
        ...addsBos ? [special("<s>")] : [],
        { Sequence: { id: "A", type_id: 0 } },
        ...addsEos ? [special("</s>")] : [],
      ],
      pair: [],
      special_tokens: {
        "<s>": { id: "<s>", ids: [BOS], tokens: ["<s>"] },
        "</s>": { id: "</s>", ids: [EOS], tokens: ["</s>"] },
      },
    },
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab,
      merges: ["a b", ": a"],
    },
  };
  const config = {
    bos_token: "<s>",
    eos_token: { content: "</s>" },
    pad_token: "<pad>",
    tokenizer_class: "PreTrainedTokenizerFast",
    ...options.config,
  };
  return {
    "model/tokenizer.json": JSON.stringify(tokenizer),
    "model/tokenizer_config.json": JSON.stringify(config),
  };
}

export function tinyTokenizer(options?: TinyOptions, chosen?: SpecialTokens): Promise<Tokenizer> {
  return loadTokenizer(new FakeHost(tinyFiles(options)), "model", chosen);
}

/** The ids of a text without merges. */
export function bytesOf(text: string): number[] {
  return [...new TextEncoder().encode(text)].map((byte) => 10 + byte);
}
