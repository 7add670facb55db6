// A quick way through byte-level BPE tokenizers: words recur, so the ids of each word are kept and
// the library is asked once per word. It gives the ids that the library gives, or is not used: only
// for tokenizers whose words are independent of their neighbours.
import type { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";

/** Words that are kept; when there are more, all are forgotten and the count starts again. */
const KEPT_WORDS = 300_000;
/** Longer words are rare and would fill the memory. */
const KEPT_LENGTH = 64;

interface Description {
  normalizer?: unknown;
  pre_tokenizer?: Step | null;
  model?: { type?: string; unk_token?: unknown; dropout?: unknown };
  added_tokens?: {
    lstrip?: boolean;
    rstrip?: boolean;
    single_word?: boolean;
    normalized?: boolean;
  }[];
}

interface Step {
  type?: string;
  pretokenizers?: Step[];
  add_prefix_space?: boolean;
  use_regex?: boolean;
  behavior?: string;
  invert?: boolean;
}

/** What is used of the library's inside; `fastEncoder` checks that it is there. */
interface Inside {
  splitter_unnormalized: { split(text: string): string[] };
  added_tokens_map: Map<string, { id: number }>;
  normalizer: ((text: string) => string) | null;
  pre_tokenizer: { pattern?: RegExp; tokenizers?: { pattern?: RegExp }[] };
  model: ((words: string[]) => string[]) & { tokens_to_ids: Map<string, number> };
}

/** An encoder without special tokens, or undefined when the tokenizer is of another kind. */
export function fastEncoder(
  inner: HuggingFaceTokenizer,
  description: Record<string, unknown>,
): ((text: string) => number[]) | undefined {
  const pattern = wordPattern(inner as unknown as Inside, description as Description);
  if (!pattern) return undefined;
  const inside = inner as unknown as Inside;
  const encoder = new TextEncoder();
  const words = new Map<string, number[]>();

  const idsOf = (word: string): number[] | undefined => {
    let letters = "";
    for (const byte of encoder.encode(word)) letters += ALPHABET[byte];
    const ids: number[] = [];
    for (const token of inside.model([letters])) {
      const id = inside.model.tokens_to_ids.get(token);
      if (id === undefined) return undefined; // a byte that the vocabulary lacks
      ids.push(id);
    }
    if (word.length <= KEPT_LENGTH) {
      if (words.size >= KEPT_WORDS) words.clear();
      words.set(word, ids);
    }
    return ids;
  };

  return (text) => {
    const all: number[] = [];
    for (const section of inside.splitter_unnormalized.split(text)) {
      if (section === "") continue;
      const added = inside.added_tokens_map.get(section);
      if (added) {
        all.push(added.id);
        continue;
      }
      const normal = inside.normalizer ? inside.normalizer(section) : section;
      for (const word of split(normal, pattern)) {
        const ids = words.get(word) ?? idsOf(word);
        if (!ids) return inner.encode(text, { add_special_tokens: false }).ids;
        for (const id of ids) all.push(id);
      }
    }
    return all;
  };
}

/** The matches of a pattern and what lies between them. */
function split(text: string, pattern: RegExp): string[] {
  const found = text.match(pattern);
  if (!found) return text === "" ? [] : [text];
  let length = 0;
  for (const word of found) length += word.length;
  if (length === text.length) return found;
  const words: string[] = [];
  let at = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > at) words.push(text.slice(at, match.index));
    if (match[0] !== "") words.push(match[0]);
    at = match.index + match[0].length;
  }
  if (at < text.length) words.push(text.slice(at));
  return words;
}

function wordPattern(inside: Inside, description: Description): RegExp | undefined {
  const { model, pre_tokenizer: step, added_tokens: added = [] } = description;
  if (model?.type !== "BPE" || model.unk_token || model.dropout) return undefined;
  const plain = added.every((token) =>
    !token.lstrip && !token.rstrip && !token.single_word && !(token.normalized && inside.normalizer)
  );
  const isThere = typeof inside.splitter_unnormalized?.split === "function" &&
    inside.added_tokens_map instanceof Map && inside.model?.tokens_to_ids instanceof Map &&
    typeof inside.model === "function";
  if (!plain || !isThere || !step) return undefined;
  if (step.type === "ByteLevel") {
    const usual = step.use_regex !== false && !step.add_prefix_space;
    return usual ? checked(inside.pre_tokenizer.pattern) : undefined;
  }
  const [first, second, ...others] = step.type === "Sequence" ? step.pretokenizers ?? [] : [];
  const splits = first?.type === "Split" && first.behavior === "Isolated" && !first.invert;
  const maps = second?.type === "ByteLevel" && second.use_regex === false &&
    !second.add_prefix_space;
  if (!splits || !maps || others.length > 0) return undefined;
  return checked(inside.pre_tokenizer.tokenizers?.[0]?.pattern);
}

function checked(pattern: RegExp | undefined): RegExp | undefined {
  return pattern instanceof RegExp && pattern.global ? pattern : undefined;
}

/** The letters that stand for the 256 bytes in byte-level vocabularies (GPT-2's bytes_to_unicode). */
const ALPHABET: string[] = (() => {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte > 32 && byte < 127) || (byte > 160 && byte < 173) || byte > 173;
    return String.fromCharCode(isPrintable ? byte : next++);
  });
})();
