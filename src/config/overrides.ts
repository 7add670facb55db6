// Settings given on the command line: `--learning-rate 1e-4`, `--datasets.0.path x`,
// `--no-sample-packing`. They are written into the YAML document, so that every later check sees
// one configuration, whatever its source.
import { isCollection, isSeq, parse } from "yaml";
import type { z } from "zod";
import { EftError } from "../errors.ts";
import type { ConfigDocument, Path } from "./document.ts";
import { KEYS, OTHER_KEYS } from "./keys.ts";
import { levelAt } from "./levels.ts";
import { ALIASES, SAME_AS } from "./names.ts";

export interface Override {
  /** The key, with dots into lists and mappings: `datasets.0.path`. */
  key: string;
  value: string;
}

/** The names of all keys of a configuration, working or not. */
export const knownKeys: ReadonlySet<string> = new Set([
  ...Object.keys(KEYS),
  ...Object.keys(OTHER_KEYS),
  ...Object.keys(ALIASES),
]);

/**
 * Takes the settings out of command-line arguments. Whatever is not a known key is left in `rest`,
 * in order; so are all arguments after `--`.
 */
export function parseOverrides(args: string[]): { overrides: Override[]; rest: string[] } {
  const overrides: Override[] = [];
  const rest: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "--") {
      rest.push(...args.slice(i));
      break;
    }
    const [, name, assigned] = /^--([^=]+)(?:=([^]*))?$/.exec(arg) ?? [];
    if (name === undefined) {
      rest.push(arg);
      continue;
    }
    const key = name.replaceAll("-", "_");
    const positive = key.startsWith("no_") ? key.slice(3) : undefined;
    const next = args[i + 1];
    if (positive && assigned === undefined && takesFlag(positive) && !isKnown(key)) {
      overrides.push({ key: positive, value: "false" });
    } else if (!isKnown(key)) {
      rest.push(arg);
    } else if (assigned !== undefined) {
      overrides.push({ key, value: assigned });
    } else if (takesFlag(key)) {
      const schema = schemaAt(toPath(key))!;
      const isWord = next !== undefined && !/^--|\.ya?ml$/.test(next) &&
        (schema.safeParse(typed(next, schema)).success || SAME_AS[key]?.has(next));
      if (isWord) i++;
      overrides.push({ key, value: isWord ? next : "true" });
    } else if (next !== undefined && !next.startsWith("--")) {
      i++;
      overrides.push({ key, value: next });
    } else {
      throw new EftError("config", `on the command line: ${arg} needs a value, ${arg}=...`);
    }
  }
  return { overrides, rest };
}

function isKnown(key: string): boolean {
  return knownKeys.has(key.split(".")[0]!);
}

/** Whether a key can be true or false, so that it can stand alone. */
function takesFlag(key: string): boolean {
  const schema = schemaAt(toPath(key));
  return !!schema && schema.safeParse(true).success && !schema.safeParse("any text").success;
}

export function toPath(key: string): Path {
  const [first, ...others] = key.split(".");
  const name = ALIASES[first!] ?? first!;
  return [name, ...others.map((part) => /^\d+$/.test(part) ? Number(part) : part)];
}

function schemaAt(path: Path): z.ZodType | undefined {
  const level = levelAt(path.slice(0, -1));
  const name = String(path.at(-1));
  if (level && Object.hasOwn(level.keys, name)) return level.keys[name]!.schema;
  if (level && Object.hasOwn(level.others, name)) return level.others[name]!.schema;
  const dotted = path.join(".");
  return Object.hasOwn(OTHER_KEYS, dotted) ? OTHER_KEYS[dotted]!.schema : undefined;
}

/** Writes a setting into the document; throws an EftError when there is no such place in it. */
export function applyOverride({ document }: ConfigDocument, { key, value }: Override): void {
  const path = toPath(key);
  const fail = (problem: string) =>
    new EftError("config", `on the command line: --${key} ${problem}`);
  for (let depth = 1; depth < path.length; depth++) {
    const parent = document.getIn(path.slice(0, depth), true);
    const name = path.slice(0, depth).join(".");
    const step = path[depth]!;
    if (
      isSeq(parent) ? typeof step !== "number" : isCollection(parent) && typeof step === "number"
    ) {
      throw fail(`does not fit: \`${name}\` is ${isSeq(parent) ? "a list" : "not a list"}.`);
    }
    if (typeof step === "number") {
      const length = isSeq(parent) ? parent.items.length : 0;
      if (step > length) throw fail(`does not fit: \`${name}\` has ${length} entries, from 0.`);
    }
  }
  for (const [alias, name] of Object.entries(ALIASES)) {
    if (name === path[0] && document.has(alias)) document.delete(alias); // one of the two stays
  }
  try {
    document.setIn(path, typed(value, schemaAt(path)));
  } catch (error) {
    throw fail(`does not fit the file: ${(error as Error).message}.`);
  }
}

/** What the text of a setting means: YAML, unless the key wants text and YAML says otherwise. */
function typed(value: string, schema: z.ZodType | undefined): unknown {
  let read: unknown;
  try {
    read = parse(value, { logLevel: "error" });
  } catch {
    return value;
  }
  if (read === null || !schema || schema.safeParse(read).success) return read;
  return schema.safeParse(value).success ? value : read;
}
