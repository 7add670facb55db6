// The form: the keys that matter most, in groups, and what one choice of a method means in keys.

import type { Change } from "../../config_text.ts";

export type Kind = "number" | "text" | "list" | "choice" | "flag";

export interface Field {
  key: string;
  kind: Kind;
}

export interface Group {
  name: "model" | "lora" | "batch" | "steps" | "optimizer" | "report";
  fields: Field[];
  /** Only of use with an adapter. */
  adapter?: true;
}

const fields = (kind: Kind, ...keys: string[]) => keys.map((key) => ({ key, kind }));

export const groups: Group[] = [
  { name: "model", fields: fields("text", "base_model", "output_dir") },
  {
    name: "lora",
    adapter: true,
    fields: [
      ...fields("number", "lora_r", "lora_alpha", "lora_dropout"),
      ...fields("flag", "lora_target_linear"),
      ...fields("list", "lora_target_modules"),
    ],
  },
  {
    name: "batch",
    fields: [
      ...fields("number", "sequence_len", "micro_batch_size", "gradient_accumulation_steps"),
      ...fields("flag", "sample_packing", "gradient_checkpointing"),
    ],
  },
  {
    name: "steps",
    fields: fields("number", "num_epochs", "max_steps", "val_set_size", "seed"),
  },
  {
    name: "optimizer",
    fields: [
      ...fields("number", "learning_rate"),
      ...fields("choice", "optimizer", "lr_scheduler"),
      ...fields("number", "warmup_steps", "warmup_ratio", "weight_decay", "max_grad_norm"),
    ],
  },
  { name: "report", fields: fields("number", "logging_steps", "eval_steps", "save_steps") },
];

type Values = Record<string, unknown>;

export const methods = ["full", "lora", "qlora", "lora8bit", "gptq"] as const;
export type Method = typeof methods[number];

/** The method that a configuration names; undefined for one that the form does not offer. */
export function methodOf(values: Values): Method | undefined {
  const { adapter, load_in_4bit, load_in_8bit, gptq } = values;
  if (!adapter) return load_in_4bit || load_in_8bit || gptq ? undefined : "full";
  if (adapter === "qlora") return "qlora";
  if (adapter !== "lora") return undefined;
  return load_in_4bit ? "qlora" : load_in_8bit ? "lora8bit" : gptq ? "gptq" : "lora";
}

/** The keys that make a configuration one of that method; an adapter gets a rank and its places. */
export function methodChanges(method: Method, values: Values): Change[] {
  const set: Values = {
    adapter: method === "full" ? undefined : method === "qlora" ? "qlora" : "lora",
    load_in_4bit: method === "qlora" || undefined,
    load_in_8bit: method === "lora8bit" || undefined,
    gptq: method === "gptq" || undefined,
  };
  if (method !== "full") {
    set.lora_r = values.lora_r ?? 16;
    set.lora_alpha = values.lora_alpha ?? 32;
    if (!values.lora_target_modules && !values.lora_target_linear) set.lora_target_linear = true;
  }
  return Object.entries(set)
    .filter(([key, value]) => (value ?? null) !== (values[key] ?? null))
    .map(([key, value]) => [[key], value]);
}

/** What was typed into a field as a value for the YAML; undefined unsets the key. */
export function typedValue(kind: Kind, typed: string): unknown {
  const trimmed = typed.trim();
  if (trimmed === "") return undefined;
  if (kind === "number") return Number.isNaN(Number(trimmed)) ? trimmed : Number(trimmed);
  if (kind === "list" && trimmed.includes(",")) {
    return trimmed.split(",").map((each) => each.trim()).filter(Boolean);
  }
  return kind === "list" ? [trimmed] : trimmed;
}

/** A value as a field shows it. */
export function shownValue(value: unknown): string {
  if (value === undefined || value === null) return "";
  return Array.isArray(value) ? value.join(", ") : String(value);
}
