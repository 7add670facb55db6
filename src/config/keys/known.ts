// Keys of Axolotl that do nothing here or do not work yet: tables with a key per line, as
// `name | type | default | what it means`. A dotted name is a key within a mapping.
import { z } from "zod";
import { flag, integer, number, options, text, texts, type WorkingKey } from "../values.ts";

/**
 * - no effect: accepted; what it asks for does not exist here, holds anyway, or is of no consequence
 * - planned: refused until a later version does it
 * - refused: refused for good
 */
export type IdleStatus = "no effect" | "planned" | "refused";

export interface KnownKey {
  status: IdleStatus;
  /** The type in the words of the table. */
  type: string;
  schema: z.ZodType;
  default?: string;
  description: string;
  /** Why, and what to use instead. */
  reason: string;
}

/** A section of the list of keys. */
export interface Group {
  title: string;
  works: Record<string, WorkingKey>;
  others: Record<string, KnownKey>;
}

const TYPES: Record<string, z.ZodType> = {
  flag,
  text,
  texts,
  mapping: options,
  integer: integer(-(2 ** 31), "a whole number"),
  number: number(-Infinity, "a number"),
  numbers: z.array(z.number(), { error: "a list of numbers" }),
  integers: z.array(z.number().int(), { error: "a list of whole numbers" }),
  list: z.array(z.unknown(), { error: "a list" }),
  any: z.unknown(),
};

function schemaOf(type: string): z.ZodType {
  const options = type.split(" or ").map((name) =>
    name.startsWith('"') ? z.literal(JSON.parse(name) as string) : TYPES[name]!
  );
  return options.length === 1 ? options[0]! : z.union(options);
}

/** Reads a table whose keys share a status and a reason. */
export function known(
  status: IdleStatus,
  reason: string,
  rows: string,
): Record<string, KnownKey> {
  return Object.fromEntries(
    rows.trim().split("\n").map((row) => {
      const [name, type, value, description] = row.split("|").map((cell) => cell.trim());
      const key: KnownKey = {
        status,
        type: type!,
        schema: schemaOf(type!),
        description: description!,
        reason,
      };
      if (value) key.default = value;
      return [name!, key];
    }),
  );
}

/** Rows of the same form for keys of which nothing more is worth saying. */
export function rows(names: string, type: string, description: string): string {
  return names.trim().split(/\s+/).map((name) => `${name} | ${type} | | ${description}`).join("\n");
}
