// Makes the tokenizer and the configuration of the embedded model "eft-tiny".
//
// What:  public/models/eft-tiny/: tokenizer.json (byte-level BPE), tokenizer_config.json,
//        special_tokens_map.json, generation_config.json and config.json, as Hugging Face has them.
// Why:   the world of the corpus has few words, so 512 tokens hold them. More tokens make shorter
//        rows, but names that are one rare token each are harder to learn than pairs of syllables.
// How:   deno run -A examples/tiny/make_tokenizer.ts   (after make_corpus.ts; deterministic)
//        An argument sets another vocabulary size: deno run -A examples/tiny/make_tokenizer.ts 768

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

const VOCAB_SIZE = Number(process.argv[2] ?? 512);
const SPECIAL_TOKENS = ["<|pad|>", "<|bos|>", "<|eos|>"];
const [PAD_ID, BOS_ID, EOS_ID] = [0, 1, 2];
const MAX_LENGTH = 256;

// ---------------------------------------------------------------- byte-level alphabet

/**
 * GPT-2's map from bytes to printable characters: printable Latin-1 bytes stand for themselves,
 * the others for characters from U+0100 on, in order.
 */
function byteAlphabet(): string[] {
  const alphabet: string[] = [];
  let moved = 0;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) ||
      byte >= 0xae;
    alphabet.push(String.fromCodePoint(printable ? byte : 256 + moved++));
  }
  return alphabet;
}

const alphabet = byteAlphabet();
// The split that the ByteLevel pre-tokenizer does with use_regex (GPT-2's).
const SPLIT = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

function toSymbols(word: string): string[] {
  return Array.from(new TextEncoder().encode(word), (byte) => alphabet[byte]);
}

// ---------------------------------------------------------------- training

interface Word {
  symbols: string[];
  count: number;
}

function mergePair(symbols: string[], left: string, right: string): string[] {
  const merged: string[] = [];
  for (let at = 0; at < symbols.length; at++) {
    if (symbols[at] === left && symbols[at + 1] === right) {
      merged.push(left + right);
      at++;
    } else {
      merged.push(symbols[at]);
    }
  }
  return merged;
}

/** Joins the most frequent pair until there are `mergeCount` merges or no pair occurs twice. */
function trainMerges(words: Word[], mergeCount: number): [string, string][] {
  const merges: [string, string][] = [];
  while (merges.length < mergeCount) {
    const counts = new Map<string, number>();
    for (const { symbols, count } of words) {
      for (let at = 0; at + 1 < symbols.length; at++) {
        // No symbol holds a space (the alphabet writes it as U+0120), so a space may separate them.
        const pair = `${symbols[at]} ${symbols[at + 1]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + count);
      }
    }
    let best = "";
    let bestCount = 1;
    for (const [pair, count] of counts) {
      // Among equals the first in code order wins, whatever the order of the words.
      if (count > bestCount || (count === bestCount && best !== "" && pair < best)) {
        best = pair;
        bestCount = count;
      }
    }
    if (best === "") break;
    const [left, right] = best.split(" ");
    merges.push([left, right]);
    for (const word of words) word.symbols = mergePair(word.symbols, left, right);
  }
  return merges;
}

const corpusFile = new URL("./data/corpus.jsonl", import.meta.url);
const texts = readFileSync(corpusFile, "utf8").trimEnd().split("\n")
  .map((line) => (JSON.parse(line) as { text: string }).text);

const wordCounts = new Map<string, number>();
for (const text of texts) {
  for (const [word] of text.matchAll(SPLIT)) {
    wordCounts.set(word, (wordCounts.get(word) ?? 0) + 1);
  }
}
const words = Array.from(wordCounts, ([word, count]) => ({ symbols: toSymbols(word), count }));
const merges = trainMerges(words, VOCAB_SIZE - SPECIAL_TOKENS.length - alphabet.length);

const tokens = [...SPECIAL_TOKENS, ...alphabet, ...merges.map((pair) => pair.join(""))];
// Two merges may build the same symbol; its number must still be unique and without gaps.
const vocab: Record<string, number> = {};
for (const token of tokens) vocab[token] ??= Object.keys(vocab).length;
if (Object.keys(vocab).length !== VOCAB_SIZE) {
  throw new Error(`the corpus gives ${Object.keys(vocab).length} tokens, not ${VOCAB_SIZE}`);
}

// ---------------------------------------------------------------- files

const tokenizer = {
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: SPECIAL_TOKENS.map((content, id) => ({
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
    use_regex: true,
  },
  post_processor: {
    type: "TemplateProcessing",
    single: [
      { SpecialToken: { id: "<|bos|>", type_id: 0 } },
      { Sequence: { id: "A", type_id: 0 } },
    ],
    pair: [
      { SpecialToken: { id: "<|bos|>", type_id: 0 } },
      { Sequence: { id: "A", type_id: 0 } },
      { SpecialToken: { id: "<|bos|>", type_id: 1 } },
      { Sequence: { id: "B", type_id: 1 } },
    ],
    special_tokens: {
      "<|bos|>": { id: "<|bos|>", ids: [BOS_ID], tokens: ["<|bos|>"] },
    },
  },
  decoder: {
    type: "ByteLevel",
    add_prefix_space: true,
    trim_offsets: true,
    use_regex: true,
  },
  model: {
    type: "BPE",
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab,
    merges: merges.map((pair) => pair.join(" ")),
  },
};

// Renders a conversation in the Alpaca format, which is the one the model has seen.
const chatTemplate = "{{ bos_token }}" +
  "{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] + '\\n\\n' }}" +
  "{% else %}{{ 'Below is an instruction that describes a task. " +
  "Write a response that appropriately completes the request.\\n\\n' }}{% endif %}" +
  "{% for message in messages %}" +
  "{% if message['role'] == 'user' %}" +
  "{{ '### Instruction:\\n' + message['content'] + '\\n\\n' }}" +
  "{% elif message['role'] == 'assistant' %}" +
  "{{ '### Response:\\n' + message['content'] + eos_token }}" +
  "{% endif %}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '### Response:\\n' }}{% endif %}";

const files: Record<string, unknown> = {
  "tokenizer.json": tokenizer,
  "tokenizer_config.json": {
    add_prefix_space: false,
    bos_token: "<|bos|>",
    eos_token: "<|eos|>",
    pad_token: "<|pad|>",
    clean_up_tokenization_spaces: false,
    model_max_length: MAX_LENGTH,
    tokenizer_class: "PreTrainedTokenizerFast",
    chat_template: chatTemplate,
  },
  "special_tokens_map.json": {
    bos_token: "<|bos|>",
    eos_token: "<|eos|>",
    pad_token: "<|pad|>",
  },
  "generation_config.json": {
    bos_token_id: BOS_ID,
    eos_token_id: EOS_ID,
    pad_token_id: PAD_ID,
    do_sample: false,
    max_new_tokens: 64,
  },
  "config.json": {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    vocab_size: VOCAB_SIZE,
    hidden_size: 128,
    intermediate_size: 344,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 4,
    head_dim: 32,
    hidden_act: "silu",
    max_position_embeddings: MAX_LENGTH,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    rope_scaling: null,
    attention_bias: false,
    attention_dropout: 0,
    mlp_bias: false,
    initializer_range: 0.02,
    tie_word_embeddings: true,
    use_cache: true,
    torch_dtype: "bfloat16",
    bos_token_id: BOS_ID,
    eos_token_id: EOS_ID,
    pad_token_id: PAD_ID,
  },
};
const folder = new URL("../../public/models/eft-tiny/", import.meta.url);
mkdirSync(folder, { recursive: true });
for (const [name, value] of Object.entries(files)) {
  writeFileSync(new URL(name, folder), JSON.stringify(value, null, 2) + "\n");
}

// After training, the symbols of each word are its tokens.
let tokenCount = 0;
for (const { symbols, count } of words) tokenCount += symbols.length * count;
const characters = texts.reduce((sum, text) => sum + text.length, 0);
console.log(
  `${VOCAB_SIZE} tokens; corpus: ${texts.length} rows, ${characters} characters, ` +
    `${tokenCount} tokens (${(characters / tokenCount).toFixed(2)} characters per token, ` +
    `${(tokenCount / texts.length).toFixed(1)} tokens per row without BOS and EOS)`,
);
