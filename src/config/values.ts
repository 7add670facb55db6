// The kinds of values that keys take. An error text says what was expected, and reads after
// "`key` is 3, expected".
import { z } from "zod";

// Schemas are read, not compiled: a page with a strict Content-Security-Policy may make no code.
z.config({ jitless: true });

export const text = z.string({ error: "text" });
export const flag = z.boolean({ error: "true or false" });
/** Of half precision: in Axolotl "auto" lets the hardware decide. */
export const automatic = z.union([flag, z.enum(["auto", "full"])], {
  error: 'true, false or "auto"',
});
export const texts = z.array(text, { error: "a list of names" });
export const textOrTexts = z.union([text, texts], { error: "a name or a list of names" });
export const options = z.record(z.string(), z.unknown(), { error: "a mapping like {name: value}" });

export function integer(min: number, error = `a whole number, ${min} or more`) {
  return z.number({ error }).int({ error }).min(min, { error });
}

export function number(min: number, error = `a number, ${min} or more`) {
  return z.number({ error }).min(min, { error });
}

export function positive(error = "a number above 0") {
  return z.number({ error }).gt(0, { error });
}

export function fraction(error = "a number from 0 to below 1") {
  return z.number({ error }).min(0, { error }).lt(1, { error });
}

export function oneOf<const Words extends string[]>(...words: Words) {
  return z.enum(words, { error: words.length > 1 ? `one of ${words.join(", ")}` : words[0] });
}

const SHARE = "a number from 0 to 1";
export const share = z.number({ error: SHARE }).min(0, { error: SHARE }).max(1, { error: SHARE });

const STEPS_OR_FRACTION = "a whole number of steps, or a fraction of the run between 0 and 1";
export const steps = z.number({ error: STEPS_OR_FRACTION }).min(0, { error: STEPS_OR_FRACTION })
  .refine((n) => n < 1 || Number.isInteger(n), { error: STEPS_OR_FRACTION });

const VAL_SET_SIZE = "a fraction below 1, or a whole number of rows, 2 or more";
export const valSetSize = z.number({ error: VAL_SET_SIZE }).min(0, { error: VAL_SET_SIZE })
  .refine((n) => n < 1 || (n > 1 && Number.isInteger(n)), { error: VAL_SET_SIZE });

/** A key that works: its schema (with its default), and what it means. */
export interface WorkingKey {
  schema: z.ZodType;
  description: string;
  /** What holds when the key is unset, where the schema does not say it. */
  default?: string;
}

type Schemas<Keys extends Record<string, WorkingKey>> = {
  [Name in keyof Keys]: Keys[Name]["schema"];
};

/** The schemas of a table of keys, with their descriptions, for `z.object`. */
export function schemas<Keys extends Record<string, WorkingKey>>(keys: Keys): Schemas<Keys> {
  return Object.fromEntries(
    Object.entries(keys).map(([name, key]) => [
      name,
      key.schema.meta({ description: key.description }),
    ]),
  ) as Schemas<Keys>;
}
