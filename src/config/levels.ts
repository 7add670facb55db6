// What is known about the names at each level of the file: the top, an entry of `datasets`, ...
import type { Path } from "./document.ts";
import { KEYS, OTHER_KEYS } from "./keys.ts";
import {
  DATASET_KEYS,
  OWN_FORMAT_KEYS,
  PRETRAINING_KEYS,
  SPECIAL_TOKEN_KEYS,
} from "./keys/datasets.ts";
import type { KnownKey } from "./keys/known.ts";
import {
  ALIASES,
  DATASET_ALIASES,
  DATASET_VALUES_NOT_YET,
  PRETRAINING_ALIASES,
  SAME_AS,
  VALUES_NOT_YET,
} from "./names.ts";
import type { WorkingKey } from "./values.ts";

export interface Level {
  keys: Record<string, WorkingKey>;
  /** Keys that do not work; dotted names are of mappings below. */
  others: Record<string, KnownKey>;
  aliases: Record<string, string>;
  sameAs: typeof SAME_AS;
  valuesNotYet: typeof VALUES_NOT_YET;
}

const NOTHING = { others: {}, aliases: {}, sameAs: {}, valuesNotYet: {} };

function below(name: string): Record<string, KnownKey> {
  return Object.fromEntries(
    Object.entries(OTHER_KEYS).flatMap(([key, known]) =>
      key.startsWith(`${name}.`) ? [[key.slice(name.length + 1), known]] : []
    ),
  );
}

const TOP: Level = {
  keys: KEYS,
  others: OTHER_KEYS,
  aliases: ALIASES,
  sameAs: SAME_AS,
  valuesNotYet: VALUES_NOT_YET,
};
const DATASET: Level = {
  ...NOTHING,
  keys: DATASET_KEYS,
  others: below("datasets"),
  aliases: DATASET_ALIASES,
  valuesNotYet: DATASET_VALUES_NOT_YET,
};
const PRETRAINING: Level = { ...NOTHING, keys: PRETRAINING_KEYS, aliases: PRETRAINING_ALIASES };
const OWN_FORMAT: Level = { ...NOTHING, keys: OWN_FORMAT_KEYS };
const SPECIAL_TOKENS: Level = {
  ...NOTHING,
  keys: SPECIAL_TOKEN_KEYS,
  others: below("special_tokens"),
};

/** The level of a mapping that stands at `path`; undefined where names are free. */
export function levelAt(path: Path): Level | undefined {
  const [first, second, third] = path;
  if (path.length === 0) return TOP;
  if (first === "special_tokens") return path.length === 1 ? SPECIAL_TOKENS : undefined;
  if (typeof second !== "number") return undefined;
  if (first === "pretraining_dataset") return path.length === 2 ? PRETRAINING : undefined;
  if (first !== "datasets" && first !== "test_datasets") return undefined;
  if (path.length === 2) return DATASET;
  return path.length === 3 && third === "type" ? OWN_FORMAT : undefined;
}
