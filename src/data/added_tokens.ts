// Tokens that a configuration adds to a vocabulary: `special_tokens` and `tokens`, in Axolotl's order.
// The files of the tokenizer are changed before it is built, and written that way beside the result.

type Json = Record<string, unknown>;

export interface WantedTokens {
  /** By role: bos_token, eos_token, ... */
  special: Record<string, string>;
  /** Ordinary text that becomes one token. */
  tokens: readonly string[];
  /** Special tokens without a role. */
  additional: readonly string[];
}

export interface AddedToken {
  id: number;
  content: string;
  special: boolean;
  /** The role it was named for. */
  role?: string;
}

/** What `special_tokens` and `tokens` of a configuration ask for. */
export function wantedTokens(config: {
  special_tokens?: { additional_special_tokens?: string[] };
  tokens?: string[];
}): WantedTokens {
  const { additional_special_tokens: additional = [], ...named } = config.special_tokens ?? {};
  const special: Record<string, string> = {};
  for (const [role, token] of Object.entries(named)) {
    if (typeof token === "string") special[role] = token;
  }
  return { special, tokens: config.tokens ?? [], additional };
}

/**
 * Adds what a tokenizer.json lacks, with the ids after its last one. Returns the changed files and the
 * new tokens; the files are the given ones when there are none.
 */
export function addTokens(
  description: Json,
  settings: Json,
  { special, tokens, additional }: WantedTokens,
): { description: Json; settings: Json; added: AddedToken[] } {
  const entries = (description.added_tokens ?? []) as { id: number; content: string }[];
  const known = new Map(entries.map(({ id, content }) => [content, id]));
  for (const [content, id] of vocabulary(description.model as Json)) known.set(content, id);
  let next = 0;
  for (const id of known.values()) next = Math.max(next, id + 1);
  const added: AddedToken[] = [];
  const add = (content: string, isSpecial: boolean, role?: string) => {
    if (known.has(content)) return;
    known.set(content, next);
    added.push({ id: next++, content, special: isSpecial, ...(role ? { role } : {}) });
  };
  for (const [role, content] of Object.entries(special)) add(content, true, role);
  for (const content of tokens) add(content, false);
  for (const content of additional) add(content, true);
  if (added.length === 0) return { description, settings, added };

  const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  const decoder = { ...settings.added_tokens_decoder as Json | undefined };
  for (const { id, content, special } of added) decoder[id] = { content, ...plain, special };
  const names = (settings.additional_special_tokens ?? []) as unknown[];
  return {
    description: {
      ...description,
      added_tokens: [
        ...entries,
        ...added.map(({ id, content, special }) => ({ id, content, ...plain, special })),
      ],
    },
    settings: {
      ...settings,
      ...special,
      added_tokens_decoder: decoder,
      ...(additional.length > 0
        ? { additional_special_tokens: [...new Set([...names, ...additional])] }
        : {}),
    },
    added,
  };
}

/** Tokens and ids of a model of any kind that tokenizer.json knows. */
function* vocabulary(model: Json): Generator<[string, number]> {
  const vocab = model?.vocab;
  if (Array.isArray(vocab)) {
    for (const [id, entry] of vocab.entries()) yield [String(entry?.[0]), id];
  } else yield* Object.entries((vocab ?? {}) as Record<string, number>);
}
