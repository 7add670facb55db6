// The one list of configuration keys: Axolotl's, of both eras, in groups, each with what it is here.
// Checks, messages, documentation and the JSON Schema are made from it.
import { z } from "zod";
import { ADAPTER } from "./keys/adapter.ts";
import { DATA } from "./keys/data.ts";
import type { Group, KnownKey } from "./keys/known.ts";
import { EVALUATION } from "./keys/evaluation.ts";
import { MODEL } from "./keys/model.ts";
import { OPTIMIZER } from "./keys/optimizer.ts";
import { OUTPUT } from "./keys/output.ts";
import { PREFERENCE_KEYS } from "./keys/preference.ts";
import { TRAINING } from "./keys/training.ts";
import { schemas } from "./values.ts";

export const GROUPS: Group[] = [
  MODEL,
  DATA,
  ADAPTER,
  TRAINING,
  OPTIMIZER,
  EVALUATION,
  PREFERENCE_KEYS,
  OUTPUT,
];

/** The keys that work. */
export const KEYS = {
  ...MODEL.works,
  ...DATA.works,
  ...ADAPTER.works,
  ...TRAINING.works,
  ...OPTIMIZER.works,
  ...EVALUATION.works,
  ...OUTPUT.works,
};

/** All other keys of Axolotl; those within a mapping by their dotted name. */
export const OTHER_KEYS: Record<string, KnownKey> = Object.assign(
  {},
  ...GROUPS.map(({ others }) => others),
);

/** The schema of a configuration, before the defaults that depend on other keys. */
export const configSchema = z.object(schemas(KEYS));
