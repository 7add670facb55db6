// docs/config.md, made from the list of keys.
import type { Path } from "./document.ts";
import { GROUPS } from "./keys.ts";
import type { KnownKey } from "./keys/known.ts";
import { levelAt } from "./levels.ts";
import { ALIASES, DATASET_ALIASES, PRETRAINING_ALIASES, SAME_AS } from "./names.ts";
import { configJsonSchema, fieldJsonSchema, type JsonSchema } from "./json_schema.ts";
import type { WorkingKey } from "./values.ts";

/** Keys by what they are here. */
export function countKeys(): Record<"works" | KnownKey["status"], number> {
  const counts = { works: 0, "no effect": 0, planned: 0, refused: 0 };
  for (const { works, others } of GROUPS) {
    counts.works += Object.keys(works).length;
    for (const { status } of Object.values(others)) counts[status]++;
  }
  for (const { at } of LEVELS) counts.works += Object.keys(levelAt(at)!.keys).length;
  return counts;
}

/** Mappings with keys of their own. */
const LEVELS: { group: string; title: string; name: string; at: Path }[] = [
  {
    group: "Data",
    title: "Entries of `datasets` and `test_datasets`",
    name: "datasets",
    at: ["datasets", 0],
  },
  {
    group: "Data",
    title: "A format of your own: `type` as a mapping",
    name: "datasets.type",
    at: ["datasets", 0, "type"],
  },
  {
    group: "Data",
    title: "Entries of `pretraining_dataset`",
    name: "pretraining_dataset",
    at: ["pretraining_dataset", 0],
  },
  ...[
    ["Model, tokenizer, precision", "special_tokens"],
    ["Model, tokenizer, precision", "bnb_config_kwargs"],
    ["Adapters, and what is trained", "peft"],
    ["Adapters, and what is trained", "peft.loftq_config"],
    ["Training", "gradient_checkpointing_kwargs"],
  ].map(([group, name]) => ({
    group: group!,
    title: `\`${name}\``,
    name: name!,
    at: name!.split("."),
  })),
  {
    group: "Optimizer, learning rate",
    title: "Entries of `lr_groups`",
    name: "lr_groups",
    at: ["lr_groups", 0],
  },
];

/** The page; `intro` stands before the tables. */
export function configMarkdown(intro: string): string {
  const schema = configJsonSchema();
  const counts = countKeys();
  const total = Object.values(counts).reduce((a, b) => a + b);
  const parts = [
    "# Configuration",
    "<!-- Made by scripts/config_docs.ts from src/config/keys; do not edit. -->",
    `Eft reads Axolotl's YAML. It knows ${total} keys: ${counts.works} work, ` +
    `${counts["no effect"]} are accepted and have no effect here, ${counts.planned} are planned ` +
    `and refused until then, ${counts.refused} are refused. One of these that is unset, false, 0, ` +
    "empty or at its default asks for nothing and is never refused.",
    intro.trim(),
  ];
  for (const { title, works, others } of GROUPS) {
    parts.push(`## ${title}`);
    if (Object.keys(works).length > 0) parts.push(worksTable(works, "", schema));
    for (const [status, heading] of STATUS) {
      const rows = Object.entries(others).filter(([, key]) => key.status === status);
      if (rows.length > 0) parts.push(`### ${title}: ${heading}`, othersTable(rows));
    }
    for (const { title: below, name, at } of LEVELS.filter(({ group }) => group === title)) {
      parts.push(`### ${below}`, worksTable(levelAt(at)!.keys, `${name}.`, schema));
    }
  }
  parts.push("## Other names", aliases(), "Words that mean another word here:", sameAs());
  return parts.join("\n\n") + "\n";
}

const STATUS = [
  ["no effect", "no effect here"],
  ["planned", "planned"],
  ["refused", "refused"],
] as const;

function worksTable(keys: Record<string, WorkingKey>, prefix: string, whole: JsonSchema): string {
  const rows = Object.entries(keys).map(([name, key]) => {
    const schema = fieldJsonSchema(prefix + name, whole)!;
    const otherwise = key.default ??
      (schema.default === undefined ? "" : `\`${JSON.stringify(schema.default)}\``);
    return [`\`${name}\``, typeOf(schema), otherwise, key.description];
  });
  return table(["key", "type", "default", "meaning"], rows);
}

function othersTable(keys: [string, KnownKey][]): string {
  const rows = keys.map(([name, key]) => [
    `\`${name}\``,
    key.type.replaceAll('"', ""),
    key.default ? `\`${key.default}\`` : "",
    key.description,
    `${key.reason}.`,
  ]);
  return table(["key", "type", "default", "meaning", "here"], rows);
}

/** A type in a few words. */
function typeOf(schema: JsonSchema): string {
  if (Array.isArray(schema.enum)) {
    return schema.enum.length > 12
      ? `${schema.enum.slice(0, 6).join(", ")}, ...`
      : schema.enum.join(", ");
  }
  if (Array.isArray(schema.anyOf)) {
    const words = (schema.anyOf as JsonSchema[]).map(typeOf).filter((word) => word !== "null");
    return [...new Set(words)].join(" or ");
  }
  if (schema.pattern) return "text like tokenizer_default_fallback_*";
  switch (schema.type) {
    case "string":
      return "text";
    case "boolean":
      return "flag";
    case "object":
      return "mapping";
    case "array":
      return schema.items ? `list of ${typeOf(schema.items as JsonSchema)}` : "list";
    default:
      return String(schema.type ?? "any");
  }
}

function aliases(): string {
  const rows = [
    ...Object.entries(ALIASES),
    ...Object.entries(DATASET_ALIASES).map((pair) => pair.map((name) => `datasets.${name}`)),
    ...Object.entries(PRETRAINING_ALIASES).map((pair) =>
      pair.map((name) => `pretraining_dataset.${name}`)
    ),
  ];
  return table(["old name", "key"], rows.map((row) => row.map((name) => `\`${name}\``)));
}

function sameAs(): string {
  const rows = Object.entries(SAME_AS).flatMap(([name, meanings]) =>
    [...meanings].map(([word, { value, note }]) => [
      `\`${name}: ${word}\``,
      `\`${value}\``,
      `${note}.`,
    ])
  );
  return table(["written", "read as", "why"], rows);
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
