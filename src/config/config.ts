// From the text of a configuration to a checked, typed `Config`. All problems are found before one
// error reports them together, each with its line.
import type { z } from "zod";
import { EftError, type Place } from "../errors.ts";
import { ConfigDocument, type Path } from "./document.ts";
import { configSchema, DATASET_KEYS, type Key, KEYS, SPECIAL_TOKEN_KEYS } from "./keys.ts";
import { nearest } from "./nearest.ts";
import {
  ALIASES,
  DATASET_ALIASES,
  DATASET_NOT_YET,
  DATASET_VALUES_NOT_YET,
  isOff,
  NO_EFFECT,
  NOT_YET,
  SPECIAL_TOKENS_NOT_YET,
  VALUES_NOT_YET,
} from "./other_keys.ts";
import { applyOverride, type Override, toPath } from "./overrides.ts";
import { checkRules, type Config, type Problem, resolve } from "./rules.ts";

export { type Override, parseOverrides } from "./overrides.ts";
export type { Config } from "./rules.ts";

type Json = Record<string, unknown>;

/** What is known about the names at one level of the file. */
interface Level {
  keys: Record<string, Key>;
  aliases: Record<string, string>;
  noEffect: ReadonlyMap<string, string>;
  notYet: ReadonlyMap<string, string>;
  valuesNotYet: Record<string, ReadonlyMap<unknown, string>>;
}

const TOP: Level = {
  keys: KEYS,
  aliases: ALIASES,
  noEffect: NO_EFFECT,
  notYet: NOT_YET,
  valuesNotYet: VALUES_NOT_YET,
};
const DATASET: Level = {
  keys: DATASET_KEYS,
  aliases: DATASET_ALIASES,
  noEffect: new Map(),
  notYet: DATASET_NOT_YET,
  valuesNotYet: DATASET_VALUES_NOT_YET,
};
const SPECIAL_TOKENS: Level = {
  keys: SPECIAL_TOKEN_KEYS,
  aliases: {},
  noEffect: new Map(),
  notYet: SPECIAL_TOKENS_NOT_YET,
  valuesNotYet: {},
};

/**
 * Reads a configuration. `file` names it in messages; `notes` are one-line remarks about keys that
 * have no effect. Throws an EftError "config" that lists all problems.
 */
export function parseConfig(
  text: string,
  file: string,
  overrides: Override[] = [],
): { config: Config; notes: string[] } {
  const document = new ConfigDocument(text, file);
  for (const override of overrides) applyOverride(document, override);
  const reader = new Reader();
  const values = reader.level(TOP, document.toValue(), []);
  for (const list of ["datasets", "test_datasets"]) {
    if (!Array.isArray(values[list])) continue;
    values[list] = values[list].map((entry, i) =>
      isMapping(entry) ? reader.level(DATASET, entry, [list, i]) : entry
    );
  }
  if (isMapping(values.special_tokens)) {
    values.special_tokens = reader.level(SPECIAL_TOKENS, values.special_tokens, ["special_tokens"]);
  }

  const written = new Set(Object.keys(values));
  const parsed = configSchema.safeParse(values);
  if (parsed.success) {
    reader.problems.push(...checkRules(parsed.data, written));
  } else {
    for (const issue of parsed.error.issues) reader.issue(issue, values);
  }
  if (!parsed.success || reader.problems.length > 0) {
    throw toError(reader.problems, document, overrides);
  }
  const notes = reader.notes();
  return { config: resolve(parsed.data, written, notes), notes };
}

/** The text of the configuration with the overrides written into it; comments stay. */
export function resolvedYaml(text: string, overrides: Override[], file = "config"): string {
  if (overrides.length === 0) return text;
  const document = new ConfigDocument(text, file);
  for (const override of overrides) applyOverride(document, override);
  return document.document.toString({ lineWidth: 0 });
}

/** Sorts keys into working ones, remarks and problems. */
class Reader {
  readonly problems: Problem[] = [];
  /** Keys without effect by the reason. */
  readonly #idle = new Map<string, string[]>();

  /** The working keys of a mapping, without those that are unset (null or empty text). */
  level(level: Level, mapping: Json, path: Path): Json {
    const values: Json = {};
    for (const [written, value] of Object.entries(mapping)) {
      const at = [...path, written];
      const name = Object.hasOwn(level.aliases, written) ? level.aliases[written]! : written;
      if (name !== written && Object.hasOwn(mapping, name)) {
        this.#report(
          at,
          `\`${written}\` is the old name of \`${name}\`, which is set too; keep one.`,
        );
      } else if (Object.hasOwn(level.keys, name)) {
        if (value === null || value === "") continue;
        const later = level.valuesNotYet[name]?.get(value);
        if (later) this.#report(at, `\`${dotted(at)}: ${value}\`: ${later}.`, "value");
        // A stand-in that the schema accepts, so that this value is reported once.
        values[name] = later ? standIn(level.keys[name]!.schema) : loosen(level.keys[name]!, value);
      } else if (level.noEffect.has(name)) {
        const reason = level.noEffect.get(name)!;
        if (!isOff(value)) this.#idle.set(reason, [...this.#idle.get(reason) ?? [], written]);
      } else if (level.notYet.has(name)) {
        if (isOff(value)) continue;
        const reason = level.notYet.get(name);
        this.#report(
          at,
          `\`${dotted(at)}\` is a key of Axolotl: ${reason || "not supported yet"}.`,
        );
      } else {
        this.#unknown(level, at, written);
      }
    }
    return values;
  }

  #unknown(level: Level, path: Path, name: string) {
    const meant = nearest(name, [
      ...Object.keys(level.keys),
      ...level.noEffect.keys(),
      ...level.notYet.keys(),
    ]);
    const hint = meant ? `did you mean \`${meant}\`?` : "Eft and Axolotl have no such key.";
    this.#report(path, `unknown key \`${dotted(path)}\`; ${hint}`);
  }

  /** A value that the schema refuses. */
  issue(issue: z.core.$ZodIssue, values: Json) {
    const path = issue.path as Path;
    const value = path.reduce<unknown>((node, step) => (node as Json)?.[step], values);
    const name = dotted(path);
    if (value === undefined) {
      const description = descriptionAt(path);
      return this.#report(path, `\`${name}\` is missing. ${description}`);
    }
    const last = path.at(-1);
    if (last === "type" && isMapping(value)) {
      return this.#report(path, `\`${name}\`: formats of your own are not supported yet.`, "value");
    }
    const meant = typeof value === "string" && issue.code === "invalid_value"
      ? nearest(value, issue.values.map(String))
      : undefined;
    const hint = meant ? ` Did you mean \`${meant}\`?` : "";
    this.#report(
      path,
      `\`${name}\` is ${show(value)}, expected ${issue.message}.${hint}`,
      "value",
    );
  }

  #report(path: Path, message: string, what: Problem["what"] = "key") {
    this.problems.push({ path, message, what });
  }

  notes(): string[] {
    return [...this.#idle].map(([reason, keys]) => `${keys.join(", ")}: no effect; ${reason}`);
  }
}

/** Text that means a number or a truth value, where text is not wanted: "2e-4", "yes". */
function loosen({ schema }: Key, value: unknown): unknown {
  if (typeof value !== "string" || schema.safeParse(value).success) return value;
  const word = value.trim().toLowerCase();
  const meaning = /^[+-]?[\d._]+(e[+-]?\d+)?$/.test(word)
    ? Number(word.replaceAll("_", ""))
    : /^(yes|on|true)$/.test(word)
    ? true
    : /^(no|off|false)$/.test(word)
    ? false
    : value;
  return schema.safeParse(meaning).success ? meaning : value;
}

/** Any value that an enumeration or a flag accepts. */
function standIn(schema: z.ZodType): unknown {
  const unset = schema.safeParse(undefined);
  return unset.success ? unset.data : "alpaca"; // only datasets[].type has no default
}

function descriptionAt(path: Path): string {
  const [first, , third] = path;
  const keys: Record<string, Key> = path.length === 1 ? KEYS : DATASET_KEYS;
  const name = String(path.length === 1 ? first : third);
  return Object.hasOwn(keys, name) ? keys[name]!.description : "";
}

function isMapping(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function dotted(path: Path): string {
  return path.join(".");
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** One error for all problems; its place is the first problem's. */
function toError(problems: Problem[], document: ConfigDocument, overrides: Override[]): EftError {
  const given = overrides.map(({ key }) => toPath(key));
  const located = problems.map((problem) => {
    const override = given.findIndex((path) =>
      dotted(path) === dotted(problem.path) || dotted(problem.path).startsWith(`${dotted(path)}.`)
    );
    const place: Place = override >= 0 ? {} : document.place(problem.path, problem.what);
    const prefix = override >= 0 ? "on the command line: " : "";
    return { place, message: prefix + problem.message };
  });
  const rank = ({ line = 0, column = 0 }: Place) => line * 1e6 + column;
  located.sort((a, b) => rank(a.place) - rank(b.place));
  const first = located[0]!;
  if (located.length === 1) return new EftError("config", first.message, first.place);
  const lines = located.map(({ place: { line, column }, message }) =>
    line === undefined ? `  ${message}` : `  ${line}:${column}: ${message}`
  );
  return new EftError(
    "config",
    [`${located.length} problems`, ...lines].join("\n"),
    located.find(({ place }) => place.line !== undefined)?.place ?? first.place,
  );
}
