// From the text of a configuration to a checked, typed `Config`. All problems are found before one
// error reports them together, each with its line.
import type { z } from "zod";
import { formatNames } from "../data/formats/index.ts";
import { EftError, type Place } from "../errors.ts";
import { ConfigDocument, type Path } from "./document.ts";
import { configSchema, OTHER_KEYS } from "./keys.ts";
import { type Level, levelAt } from "./levels.ts";
import { IDLE_PLUGINS, isOff } from "./names.ts";
import { nearest } from "./nearest.ts";
import { applyOverride, type Override, toPath } from "./overrides.ts";
import { type Config, type Problem, resolve } from "./resolve.ts";
import { checkRules } from "./rules.ts";
import type { WorkingKey } from "./values.ts";

export { type Override, parseOverrides } from "./overrides.ts";
export type { Config, DatasetConfig, OwnFormat, PretrainingDataset } from "./resolve.ts";

type Json = Record<string, unknown>;

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
  const { config, problems, notes } = examine(document);
  if (!config) throw toError(problems, document, overrides);
  return { config, notes: notes.map(({ text }) => text) };
}

/** What there is to say about one place of a configuration. */
export interface Finding {
  severity: "error" | "note";
  message: string;
  /** The key, with dots: "datasets.0.path"; empty when the YAML itself is at fault. */
  key: string;
  place: Place;
  /** The name or value that was probably meant. */
  meant?: string | undefined;
}

/** All problems and notes of a configuration at their places, for editors; it never throws. */
export function checkConfig(text: string, file: string): Finding[] {
  try {
    const document = new ConfigDocument(text, file);
    const { problems, notes } = examine(document);
    return [
      ...problems.slice(0, MAX_LOCATED).map(({ path, what, message, meant }): Finding => {
        const place = document.place(path, what);
        return { severity: "error", message, key: dotted(path), place, meant };
      }),
      ...notes.flatMap(({ text, paths }) =>
        paths.map((path): Finding => {
          const place = document.place(path, "key");
          return { severity: "note", message: text, key: dotted(path), place };
        })
      ),
    ];
  } catch (error) {
    if (!(error instanceof EftError)) throw error;
    return [{ severity: "error", message: error.message, key: "", place: error.place }];
  }
}

/** The checked configuration, or without it the problems. */
function examine(
  document: ConfigDocument,
): { config?: Config; problems: Problem[]; notes: Note[] } {
  const reader = new Reader();
  const values = reader.level(document.toValue(), []);
  const written = new Set(Object.keys(values));
  const parsed = configSchema.safeParse(values);
  if (parsed.success) {
    reader.problems.push(...checkRules({ ...parsed.data, ...reader.others }));
  } else {
    for (const issue of parsed.error.issues) reader.issue(issue, values);
  }
  const { problems } = reader;
  const notes = reader.notes();
  if (!parsed.success || problems.length > 0) return { problems, notes };
  const more: string[] = [];
  const config = resolve(parsed.data, written, more);
  // These begin with the names of the keys: "lora_r, lora_alpha: no effect without ...".
  const named = (text: string) => text.split(":")[0]!.split(", ").map((name) => [name]);
  return {
    config,
    problems,
    notes: [...notes, ...more.map((text) => ({ text, paths: named(text) }))],
  };
}

/** A remark about keys. */
interface Note {
  text: string;
  paths: Path[];
}

/** The text of the configuration with the overrides written into it; comments stay. */
export function resolvedYaml(text: string, overrides: Override[], file = "config"): string {
  if (overrides.length === 0) return text;
  const document = new ConfigDocument(text, file);
  for (const override of overrides) applyOverride(document, override);
  return document.document.toString({ lineWidth: 0 });
}

/** Names that are corrected; a file of nothing but unknown names is not a configuration. */
const MAX_HINTS = 50;
/** Problems whose place is looked up. */
const MAX_LOCATED = 1000;
/** Problems that are shown. */
const MAX_PROBLEMS = 100;

/** Sorts keys into working ones, remarks and problems. */
class Reader {
  readonly problems: Problem[] = [];
  /** Values of top-level keys that do not work, for the rules between keys. */
  readonly others: Json = {};
  readonly #notes: Note[] = [];
  /** Keys without effect by the reason: their names and where they stand. */
  readonly #idle = new Map<string, { names: string[]; paths: Path[] }>();

  /** The working keys of a mapping, without those that are unset (null or empty text). */
  level(mapping: Json, path: Path): Json {
    const level = levelAt(path)!;
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
        if (value !== null && value !== "") values[name] = this.#working(level, name, at, value);
      } else if (Object.hasOwn(level.others, name)) {
        if (path.length === 0 && !isOff(value)) this.others[name] = value;
        this.#other(level.others, name, at, value);
      } else if (path.length === 0 && /^wandb_\w+$/.test(name)) {
        this.#idleKey(OTHER_KEYS.wandb_project!.reason, at); // Axolotl passes any of them on
      } else {
        this.#unknown(level, at, value);
      }
    }
    return values;
  }

  #working(level: Level, name: string, at: Path, value: unknown): unknown {
    const key = level.keys[name]!;
    const same = level.sameAs[name]?.get(value);
    if (same) {
      const text = `${name}: ${value} becomes ${same.value}: ${same.note}`;
      this.#notes.push({ text, paths: [at] });
      return same.value;
    }
    const isFormat = name === "type" && formatNames.includes(value as string);
    const later = isFormat ? undefined : level.valuesNotYet[name]?.get(value);
    if (later) {
      this.#report(at, `\`${dotted(at)}: ${value}\`: ${later}.`, "value");
      const unset = key.schema.safeParse(undefined);
      return unset.success ? unset.data : value; // reported once
    }
    if (name === "type" && at[0] !== "pretraining_dataset" && typeof value === "string") {
      if (!isFormat && !this.others.rl) this.#unknownFormat(level, at, value);
    }
    return this.#within(at, loosen(key, value));
  }

  /** Mappings with keys of their own, and lists of them. */
  #within(at: Path, value: unknown): unknown {
    if (isMapping(value)) {
      if (at.length === 1 && levelAt([at[0]!, 0])) return [this.level(value, [at[0]!, 0])];
      return levelAt(at) ? this.level(value, at) : value;
    }
    if (dotted(at) === "pretraining_dataset" && typeof value === "string") return [{ path: value }];
    if (!Array.isArray(value) || !levelAt([...at, 0])) return value;
    return value.map((entry, i) => isMapping(entry) ? this.level(entry, [...at, i]) : entry);
  }

  #other(others: Level["others"], name: string, at: Path, value: unknown) {
    const key = others[name]!;
    if (name === "plugins" && at.length === 1) return this.#plugins(value);
    if (isOff(value, key.default)) return;
    const prefix = `${name}.`;
    const below = Object.keys(others).filter((other) => other.startsWith(prefix));
    if (isMapping(value) && below.length > 0) {
      for (const [sub, content] of Object.entries(value)) {
        if (below.includes(prefix + sub) || isOff(content)) continue;
        this.#unknown({ keys: {}, others: {}, names: below.map((b) => b.slice(prefix.length)) }, [
          ...at,
          sub,
        ], content);
      }
    }
    if (key.status === "no effect") return this.#idleKey(key.reason, at);
    const verdict = key.status === "planned" ? "is not supported yet" : "is not supported";
    this.#report(at, `\`${dotted(at)}\` ${verdict}: ${key.reason}.`);
  }

  #plugins(value: unknown) {
    for (const [i, entry] of (Array.isArray(value) ? value : [value]).entries()) {
      if (isOff(entry)) continue;
      if (typeof entry === "string" && IDLE_PLUGINS.test(entry)) {
        this.#idleKey(OTHER_KEYS.plugins!.reason, ["plugins"]);
      } else {
        this.#report(
          ["plugins", i],
          `\`plugins.${i}\` is ${show(entry)}, Python code that Eft cannot run; remove it.`,
          "value",
        );
      }
    }
  }

  #idleKey(reason: string, at: Path) {
    const { names, paths } = this.#idle.get(reason) ?? { names: [], paths: [] };
    const name = String(at.at(-1));
    if (!names.includes(name)) names.push(name);
    this.#idle.set(reason, { names, paths: [...paths, at] });
  }

  #unknownFormat(level: Level, at: Path, value: string) {
    const meant = nearest(value, [...formatNames, ...level.valuesNotYet.type!.keys()].map(String));
    const hint = meant ? ` Did you mean \`${meant}\`?` : "";
    const message = `\`${dotted(at)}\` is ${show(value)}, expected the name of a format (` +
      `${formatNames.slice(0, 5).join(", ")}, ...) or a mapping that describes your own.${hint}`;
    this.#report(at, message, "value", meant);
  }

  #unknown(level: Pick<Level, "keys" | "others"> & { names?: string[] }, at: Path, value: unknown) {
    const name = String(at.at(-1));
    const meant = this.problems.length > MAX_HINTS ? undefined : nearest(name, [
      ...Object.keys(level.keys),
      ...Object.keys(level.others),
      ...level.names ?? [],
    ]);
    const hint = meant ? `did you mean \`${meant}\`?` : "Eft and Axolotl have no such key.";
    if (value === null) {
      const text = `${dotted(at)}: an unknown key without a value; ${hint}`;
      this.#notes.push({ text, paths: [at] });
    } else this.#report(at, `unknown key \`${dotted(at)}\`; ${hint}`, "key", meant);
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
    const meant = typeof value === "string" && issue.code === "invalid_value"
      ? nearest(value, issue.values.map(String))
      : undefined;
    const hint = meant ? ` Did you mean \`${meant}\`?` : "";
    this.#report(
      path,
      `\`${name}\` is ${show(value)}, expected ${issue.message}.${hint}`,
      "value",
      meant,
    );
  }

  #report(path: Path, message: string, what: Problem["what"] = "key", meant?: string) {
    this.problems.push({ path, message, what, meant });
  }

  notes(): Note[] {
    const idle = [...this.#idle].map(([reason, { names, paths }]) => {
      return { text: `${names.join(", ")}: no effect; ${reason}`, paths };
    });
    return [...this.#notes, ...idle];
  }
}

/**
 * Text that means a number or a truth value, where text is not wanted: "2e-4", "yes"; false where a
 * number is wanted, as Pydantic reads it.
 */
function loosen({ schema }: WorkingKey, value: unknown): unknown {
  const isNone = value === false && schema.safeParse(undefined).success;
  if (isNone && !schema.safeParse(false).success) return schema.safeParse(0).success ? 0 : false;
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

function descriptionAt(path: Path): string {
  const keys = levelAt(path.slice(0, -1))?.keys ?? {};
  const name = String(path.at(-1));
  return Object.hasOwn(keys, name) ? keys[name]!.description : "";
}

function isMapping(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function dotted(path: Path): string {
  return path.join(".");
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value); // no cycles: see ConfigDocument.toValue
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** One error for all problems; its place is the first problem's. */
function toError(problems: Problem[], document: ConfigDocument, overrides: Override[]): EftError {
  const given = overrides.map(({ key }) => toPath(key));
  const located = problems.slice(0, MAX_LOCATED).map((problem) => {
    const place: Place = document.place(problem.path, problem.what);
    const path = `${dotted(problem.path)}.`;
    const isGiven = given.some((each) =>
      path.startsWith(`${dotted(each)}.`) ||
      place.line === undefined && `${dotted(each)}.`.startsWith(path)
    );
    if (isGiven) return { place: {}, message: `on the command line: ${problem.message}` };
    return { place, message: problem.message };
  });
  const rank = ({ line = 0, column = 0 }: Place) => line * 1e6 + column;
  located.sort((a, b) => rank(a.place) - rank(b.place));
  const first = located[0]!;
  if (located.length === 1) return new EftError("config", first.message, first.place);
  const more = problems.length - MAX_PROBLEMS;
  const lines = located.slice(0, MAX_PROBLEMS).map(({ place: { line, column }, message }) =>
    line === undefined ? `  ${message}` : `  ${line}:${column}: ${message}`
  );
  return new EftError(
    "config",
    [`${problems.length} problems`, ...lines, more > 0 ? `  and ${more} more` : []].flat().join(
      "\n",
    ),
    located.find(({ place }) => place.line !== undefined)?.place ?? first.place,
  );
}
