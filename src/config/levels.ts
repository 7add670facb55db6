// What is known about the names at each level of the file: the top, an entry of `datasets`, ...
import type { Path } from "./document.ts";
import { KEYS, OTHER_KEYS } from "./keys.ts";
import { LOFTQ_KEYS, PEFT_KEYS } from "./keys/adapter.ts";
import {
  DATASET_KEYS,
  OWN_FORMAT_KEYS,
  PRETRAINING_KEYS,
  SPECIAL_TOKEN_KEYS,
} from "./keys/datasets.ts";
import type { KnownKey } from "./keys/known.ts";
import { BNB_KEYS } from "./keys/model.ts";
import { LR_GROUP_KEYS } from "./keys/optimizer.ts";
import { CHECKPOINTING_KEYS } from "./keys/training.ts";
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

/** Mappings with keys of their own, by their dotted names. */
const MAPPINGS = new Map<unknown, Level>([
  ["special_tokens", { ...NOTHING, keys: SPECIAL_TOKEN_KEYS, others: below("special_tokens") }],
  ["bnb_config_kwargs", { ...NOTHING, keys: BNB_KEYS, others: below("bnb_config_kwargs") }],
  ["gradient_checkpointing_kwargs", { ...NOTHING, keys: CHECKPOINTING_KEYS }],
  ["peft", { ...NOTHING, keys: PEFT_KEYS }],
  ["peft.loftq_config", { ...NOTHING, keys: LOFTQ_KEYS }],
]);
/** Lists of such mappings. */
const LISTS = new Map<unknown, Level>([
  ["datasets", DATASET],
  ["test_datasets", DATASET],
  ["pretraining_dataset", PRETRAINING],
  ["lr_groups", { ...NOTHING, keys: LR_GROUP_KEYS }],
]);

/** The level of a mapping that stands at `path`; undefined where names are free. */
export function levelAt(path: Path): Level | undefined {
  const [first, second, third] = path;
  if (path.length === 0) return TOP;
  if (path.length === 1) return MAPPINGS.get(first);
  const entry = typeof second === "number" ? LISTS.get(first) : undefined;
  if (path.length === 2) return entry ?? MAPPINGS.get(path.join("."));
  return entry === DATASET && path.length === 3 && third === "type" ? OWN_FORMAT : undefined;
}
