// The tokenizer of a model folder: `@huggingface/tokenizers` with the special tokens, the padding
// token and the beginning-of-sequence habit resolved as transformers and Axolotl do.
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { type AddedToken, addTokens, type WantedTokens, wantedTokens } from "./added_tokens.ts";
import { EftError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import {
  type ModelKeys,
  type ModelSourceOptions,
  resolveTokenizerFolder,
} from "../model/source.ts";
import { fastEncoder } from "./fast_encode.ts";

/** Tokens chosen in the YAML (`special_tokens`); each must be in the vocabulary. */
export interface SpecialTokens {
  bos_token?: string | undefined;
  eos_token?: string | undefined;
  pad_token?: string | undefined;
  unk_token?: string | undefined;
}

export interface Tokenizer {
  /**
   * Token ids of a text. Special tokens written in the text become their ids. With `bos`, the
   * beginning-of-sequence token comes first if this tokenizer adds one (`addsBos`).
   */
  encode(text: string, options: { bos: boolean }): number[];
  decode(ids: ArrayLike<number>, options?: { skipSpecial?: boolean }): string;
  tokenToId(token: string): number | undefined;
  /** How many bytes of UTF-8 a token stands for. */
  byteLength(id: number): number;
  bos?: string;
  eos?: string;
  bosId?: number;
  eosId?: number;
  /** Always present: see `choosePadding`. */
  padId: number;
  /** One more than the highest id: what the embedding must have rows for. */
  vocabSize: number;
  addsBos: boolean;
  /** Whether transformers would end every text with EOS; `encode` never does. */
  addsEos: boolean;
  chatTemplate?: string;
  specialIds: ReadonlySet<number>;
  /** Paths of the tokenizer's files, to be copied to the output. */
  files: string[];
  /** Tokens that the configuration adds to the vocabulary. */
  added: AddedToken[];
  /** New texts of files, by name, where tokens were added. */
  rewritten: ReadonlyMap<string, string>;
}

/** Files that may belong to a tokenizer; only the first two are needed. */
const FILES = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "merges.txt",
  "tokenizer.model",
  "chat_template.jinja",
];

type Json = Record<string, unknown>;

/** The tokenizer of a configuration, with the tokens that it adds. */
export async function configuredTokenizer(
  host: Host,
  config: ModelKeys & {
    special_tokens?: SpecialTokens & { additional_special_tokens?: string[] };
    tokens?: string[];
  },
  onProgress?: ModelSourceOptions["onProgress"],
): Promise<Tokenizer> {
  const folder = await resolveTokenizerFolder(host, config, onProgress);
  return await loadTokenizer(host, folder, config.special_tokens, wantedTokens(config));
}

/** `wanted` tokens are added where they are missing; without it, `overrides` must exist. */
export async function loadTokenizer(
  host: Host,
  folder: string,
  overrides: SpecialTokens = {},
  wanted?: WantedTokens,
): Promise<Tokenizer> {
  const files: string[] = [];
  for (const name of FILES) {
    if (await host.kind(`${folder}/${name}`) === "file") files.push(`${folder}/${name}`);
  }
  const found = {
    description: await readJson(host, folder, "tokenizer.json"),
    settings: await readJson(host, folder, "tokenizer_config.json"),
  };
  const { description, settings: config, added } = wanted
    ? addTokens(found.description, found.settings, wanted)
    : { ...found, added: [] };
  const map = files.includes(`${folder}/special_tokens_map.json`)
    ? await readJson(host, folder, "special_tokens_map.json")
    : {};

  let inner: HuggingFaceTokenizer;
  try {
    inner = new HuggingFaceTokenizer(description, config);
  } catch (error) {
    throw bad(`${folder}/tokenizer.json`, `is not supported: ${(error as Error).message}`, error);
  }

  const named = (key: keyof SpecialTokens): string | undefined => {
    const chosen = overrides[key];
    if (chosen !== undefined && inner.token_to_id(chosen) === undefined) {
      throw new EftError(
        "config",
        `special_tokens.${key} is ${JSON.stringify(chosen)}, which is not in the vocabulary of ` +
          `${folder}; choose one that exists.`,
      );
    }
    const token = chosen ?? content(config[key]) ?? content(map[key]);
    return token !== undefined && inner.token_to_id(token) !== undefined ? token : undefined;
  };
  const id = (token: string | undefined) =>
    token === undefined ? undefined : inner.token_to_id(token);

  const bos = named("bos_token"), eos = named("eos_token");
  const bosId = id(bos), eosId = id(eos);
  const pad = named("pad_token") ?? choosePadding(inner, config, eos);
  const habits = specialTokenHabits(inner, config, bosId, eosId);
  const vocabulary = inner.get_vocab(true);
  const specialIds = new Set<number>();
  for (const [tokenId, token] of inner.get_added_tokens_decoder()) {
    if (token.special) specialIds.add(tokenId);
  }
  for (const each of [bosId, eosId, id(pad)]) if (each !== undefined) specialIds.add(each);
  let vocabSize = 0;
  for (const tokenId of vocabulary.values()) vocabSize = Math.max(vocabSize, tokenId + 1);
  const encodeText = fastEncoder(inner, description) ??
    ((text: string) => inner.encode(text, { add_special_tokens: false }).ids);
  const chatTemplate = await readChatTemplate(host, folder, config);

  return {
    encode(text, options) {
      const ids = encodeText(text);
      if (options.bos && habits.addsBos) ids.unshift(bosId!);
      return ids;
    },
    decode(ids, { skipSpecial = false } = {}) {
      const kept = Array.from(ids).filter((each) => !skipSpecial || !specialIds.has(each));
      if (kept.length === 0) return ""; // the library refuses an empty list
      const clean = config.clean_up_tokenization_spaces === true;
      return inner.decode(kept, { clean_up_tokenization_spaces: clean });
    },
    tokenToId: (token) => inner.token_to_id(token),
    byteLength: byteLengths(inner, description),
    ...(bos === undefined ? {} : { bos, bosId: bosId! }),
    ...(eos === undefined ? {} : { eos, eosId: eosId! }),
    padId: id(pad) ?? 0,
    vocabSize,
    ...habits,
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
    specialIds,
    files,
    added,
    rewritten: rewrittenFiles(description, config, map, added, overrides),
  };
}

/** The files that say which tokens there are, where any were added. */
function rewrittenFiles(
  description: Json,
  config: Json,
  map: Json,
  added: readonly AddedToken[],
  { bos_token, eos_token, pad_token, unk_token }: SpecialTokens,
): Map<string, string> {
  if (added.length === 0) return new Map();
  const roles = { bos_token, eos_token, pad_token, unk_token };
  const named = Object.fromEntries(Object.entries(roles).filter(([, token]) => token));
  const text = (value: Json) => JSON.stringify(value, null, 2) + "\n";
  return new Map([
    ["tokenizer.json", text(description)],
    ["tokenizer_config.json", text(config)],
    ["special_tokens_map.json", text({ ...map, ...named })],
  ]);
}

/** Axolotl's choice when no padding token is named: by tokenizer class, else EOS. */
function choosePadding(inner: HuggingFaceTokenizer, config: Json, eos: string | undefined) {
  const className = String(config.tokenizer_class ?? "");
  const wanted = /^(Code)?Llama/.test(className)
    ? "</s>"
    : /^GPTNeoX/.test(className)
    ? "[PAD]"
    : undefined;
  return wanted !== undefined && inner.token_to_id(wanted) !== undefined ? wanted : eos;
}

/** Whether the tokenizer begins a text with BOS and ends it with EOS, found by encoding nothing. */
function specialTokenHabits(
  inner: HuggingFaceTokenizer,
  config: Json,
  bosId: number | undefined,
  eosId: number | undefined,
) {
  const probe = inner.encode("", { add_special_tokens: true }).ids;
  let addsBos = bosId !== undefined && probe[0] === bosId;
  let addsEos = eosId !== undefined && probe.length > (addsBos ? 1 : 0) && probe.at(-1) === eosId;
  // For these classes transformers rebuilds the post-processor from the two settings.
  if (/^((Code)?Llama|Gemma)Tokenizer/.test(String(config.tokenizer_class ?? ""))) {
    if (typeof config.add_bos_token === "boolean") {
      addsBos = config.add_bos_token && bosId !== undefined;
    }
    if (typeof config.add_eos_token === "boolean") {
      addsEos = config.add_eos_token && eosId !== undefined;
    }
  }
  return { addsBos, addsEos };
}

async function readChatTemplate(host: Host, folder: string, config: Json) {
  const path = `${folder}/chat_template.jinja`;
  if (await host.kind(path) === "file") return host.readText(path);
  const template = config.chat_template;
  if (typeof template === "string") return template;
  if (!Array.isArray(template)) return undefined;
  // Several named templates: the one named "default", as in transformers.
  const found = template.find((each) => each?.name === "default")?.template;
  return typeof found === "string" ? found : undefined;
}

/** Byte-level alphabets have one character per byte, others write a space as "▁" and bytes as <0x41>. */
function byteLengths(inner: HuggingFaceTokenizer, description: Json): (id: number) => number {
  const byteLevel = JSON.stringify(description.decoder ?? null).includes('"ByteLevel"');
  const added = inner.get_added_tokens_decoder();
  const encoder = new TextEncoder();
  return (id) => {
    const token = inner.id_to_token(id) ?? "";
    if (added.has(id)) return encoder.encode(token).length;
    if (byteLevel) return [...token].length;
    if (/^<0x[0-9A-F]{2}>$/.test(token)) return 1;
    return encoder.encode(token.replaceAll("▁", " ").replace(/^##/, "")).length;
  };
}

/** A special token is written as text or as an object with `content`. */
function content(token: unknown): string | undefined {
  if (typeof token === "string") return token;
  const inside = (token as { content?: unknown } | null | undefined)?.content;
  return typeof inside === "string" ? inside : undefined;
}

async function readJson(host: Host, folder: string, name: string): Promise<Json> {
  const path = `${folder}/${name}`;
  if (await host.kind(path) !== "file") {
    throw bad(
      path,
      "is missing. A model folder needs tokenizer.json and tokenizer_config.json beside its " +
        "weights; download them, or point `tokenizer_config` to a folder that has them.",
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(await host.readText(path));
  } catch (error) {
    throw bad(path, `is not valid JSON (${(error as Error).message}).`, error);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw bad(path, "is not a JSON object.");
  }
  return value as Json;
}

function bad(path: string, problem: string, cause?: unknown): EftError {
  return new EftError("model", `the file ${problem}`, { file: path }, { cause });
}
