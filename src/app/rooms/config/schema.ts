// What the JSON Schema of a configuration says about a key, for completion, hover and the form.

import type { Path } from "../../config_text.ts";

/** The parts of a JSON Schema that the schema of a configuration uses. */
export interface Schema {
  title?: string;
  description?: string;
  type?: string;
  default?: unknown;
  /** Eft refuses the key. */
  deprecated?: boolean;
  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
  exclusiveMaximum?: number;
  enum?: unknown[];
  anyOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
}

/** The keys of a mapping, of the mappings of a list, or of one of several choices. */
export function keysOf(schema: Schema | undefined): Record<string, Schema> {
  return variants(schema).find(({ properties }) => properties)?.properties ?? {};
}

/** The schema of what stands at a path. */
export function schemaAt(schema: Schema | undefined, path: Path): Schema | undefined {
  for (const step of path) {
    schema = typeof step === "number"
      ? variants(schema).find(({ items }) => items)?.items
      : keysOf(schema)[step];
  }
  return schema;
}

/** The values that can be listed. */
export function valuesOf(schema: Schema | undefined): string[] {
  const found = variants(schema).flatMap((each) =>
    each.type === "boolean" ? ["true", "false"] : (each.enum ?? []).map(String)
  );
  return [...new Set(found)];
}

/** What a value may be: "a whole number, 1 or more", "true or false". */
export function kindOf(schema: Schema): string {
  const kinds = variants(schema).flatMap((each) => {
    if (each.type === "boolean") return "true or false";
    if (each.enum) return each.enum.length > 8 ? "a name" : each.enum.join(", ");
    if (each.type === "array") return "a list";
    if (each.type === "object") return "a mapping";
    if (each.type === "string") return "text";
    if (each.type !== "integer" && each.type !== "number") return [];
    const number = each.type === "integer" ? "a whole number" : "a number";
    if (typeof each.minimum === "number") return `${number}, ${each.minimum} or more`;
    return typeof each.exclusiveMinimum === "number"
      ? `${number} above ${each.exclusiveMinimum}`
      : number;
  });
  return [...new Set(kinds)].join(", or ");
}

/** How a key stands with Eft; the schema says it in the description. */
export function standing(schema: Schema): "works" | "no effect" | "refused" {
  if (schema.deprecated) return "refused";
  return /\bNo effect: /.test(schema.description ?? "") ? "no effect" : "works";
}

function variants(schema: Schema | undefined): Schema[] {
  return schema ? [schema, ...(schema.anyOf ?? []).flatMap(variants)] : [];
}
