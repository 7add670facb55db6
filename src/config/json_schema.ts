// The JSON Schema (draft 2020-12) of a configuration, for editors: every key with its title,
// description and default; unknown keys are flagged, keys that do not work are marked deprecated.
import { z } from "zod";
import { formatNames } from "../data/formats/index.ts";
import type { Path } from "./document.ts";
import type { KnownKey } from "./keys/known.ts";
import { type Level, levelAt } from "./levels.ts";
import type { WorkingKey } from "./values.ts";

export type JsonSchema = Record<string, unknown>;

const NULL: JsonSchema = { type: "null" };

export function configJsonSchema(): JsonSchema {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Eft configuration",
    description: "A fine-tuning run, in the keys of Axolotl.",
    ...mapping([]),
    patternProperties: { "^wandb_": { description: "Settings of Weights & Biases." } },
    required: ["base_model", "learning_rate"],
  };
}

/** The schema of one key, named with dots: `datasets.path`, `lora_r`. */
export function fieldJsonSchema(
  name: string,
  whole = configJsonSchema(),
): JsonSchema | undefined {
  let at: JsonSchema | undefined = whole;
  for (const part of name.split(".")) at = at && properties(at)?.[part];
  return at;
}

/** The properties of a mapping, of the mappings in a list, or of one of several choices. */
function properties(schema: JsonSchema): Record<string, JsonSchema> | undefined {
  if (schema.properties) return schema.properties as Record<string, JsonSchema>;
  const inner = [...(schema.anyOf as JsonSchema[] ?? []), schema.items as JsonSchema];
  return inner.map((each) => each && properties(each)).find(Boolean);
}

/** The mapping at a path that has keys of its own. */
function mapping(path: Path): JsonSchema {
  const level = levelAt(path)!;
  const found: Record<string, JsonSchema> = {};
  for (const [name, key] of Object.entries(level.keys)) {
    found[name] = working(name, key, [...path, name]);
  }
  for (const [name, key] of Object.entries(level.others)) {
    if (!name.includes(".")) found[name] = other(name, key, level);
  }
  for (const [old, name] of Object.entries(level.aliases)) {
    found[old] = { ...found[name], description: `The old name of ${name}.`, deprecated: true };
  }
  return { type: "object", properties: found, additionalProperties: false };
}

function working(name: string, { schema, description, default: otherwise }: WorkingKey, at: Path) {
  const type = nested(at) ?? plain(schema);
  const value = schema.safeParse(undefined);
  const more: JsonSchema = {};
  if (value.success && value.data !== undefined) more.default = value.data;
  const text = otherwise ? `${description} Default: ${otherwise}.` : description;
  return { title: title(name), description: text, anyOf: [type, NULL].flat(), ...more };
}

/** The types of a key whose value is a mapping with keys of its own, or a list of them. */
function nested(at: Path): JsonSchema[] | undefined {
  if (at.at(-1) === "type" && levelAt(at)) {
    return [{ type: "string", enum: formatNames }, { type: "string" }, mapping(at)];
  }
  if (levelAt(at)) return [mapping(at)];
  if (!levelAt([...at, 0])) return undefined;
  const list: JsonSchema = { type: "array", items: mapping([...at, 0]) };
  if (at[0] !== "lr_groups") list.minItems = 1;
  return at[0] === "pretraining_dataset" ? [list, { type: "string" }] : [list];
}

function other(name: string, key: KnownKey, level: Level): JsonSchema {
  const type = plain(key.schema);
  const below = Object.entries(level.others).filter(([each]) => each.startsWith(`${name}.`));
  const own = below.map(([each, known]) => [each.slice(name.length + 1), known] as const);
  if (own.length > 0) {
    const inner = { ...level, others: Object.fromEntries(own) };
    type[0]!.properties = Object.fromEntries(
      own.flatMap(([each, known]) => each.includes(".") ? [] : [[each, other(each, known, inner)]]),
    );
  }
  const standing = key.status === "planned"
    ? "Not supported yet"
    : key.status === "refused"
    ? "Not supported"
    : "No effect";
  const more: JsonSchema = {};
  if (key.status !== "no effect") more.deprecated = true;
  return {
    title: title(name),
    description: `${key.description} ${standing}: ${key.reason}.`,
    anyOf: [...type, NULL],
    ...more,
  };
}

/** What zod says about a schema, without what holds for the file as a whole. */
function plain(schema: z.ZodType): JsonSchema[] {
  const { $schema: _, default: __, description: ___, ...rest } = z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
  }) as JsonSchema;
  return Array.isArray(rest.anyOf) ? rest.anyOf as JsonSchema[] : [rest];
}

function title(name: string): string {
  return name.replaceAll("_", " ");
}
