// What the editor knows of keys and values: completion, and what a key means under the pointer.

import {
  type Completion,
  type CompletionContext,
  type CompletionResult,
  startCompletion,
} from "@codemirror/autocomplete";
import type { EditorView, Tooltip } from "@codemirror/view";
import { text } from "../../text.ts";
import { keysOf, kindOf, type Schema, schemaAt, standing, valuesOf } from "./schema.ts";
import { schema } from "./state.ts";
import { yamlPlace } from "./yaml_place.ts";

/** Keys of the mapping, or values of the key, at the cursor. */
export function completeYaml({ state, pos, explicit }: CompletionContext): CompletionResult | null {
  const doc = state.doc.toString();
  const place = schema.value && yamlPlace(doc, pos);
  if (!place) return null;
  const { parent, key, value } = place;
  const validFor = /^[\w.-]*$/;
  if (value && pos >= value.from) {
    const options = choices(schemaAt(schema.value, [...parent, key.name]));
    return options.length > 0 ? { from: value.from, options, validFor: /^[\w.:-]*$/ } : null;
  }
  if (!explicit && key.name === "") return null;
  const within = schemaAt(schema.value, parent);
  const keys = Object.entries(keysOf(within)).filter(([, each]) => standing(each) !== "refused");
  const isNew = !value;
  const options = [
    ...(place.isEntry ? choices(within) : []),
    ...keys.map(([name, each]) => keyCompletion(name, each, isNew)),
  ];
  return options.length > 0 ? { from: key.from, options, validFor } : null;
}

function keyCompletion(name: string, each: Schema, isNew: boolean): Completion {
  const works = standing(each) === "works";
  return {
    label: name,
    detail: works ? kindOf(each) : text.config.standing["no effect"],
    info: () => explain(name, each),
    boost: works ? 1 : -50,
    apply: isNew ? applyKey : name,
  };
}

/** Writes the key with its colon, and offers its values. */
function applyKey(view: EditorView, { label }: Completion, from: number, to: number): void {
  const insert = `${label}: `;
  view.dispatch({
    changes: { from, to, insert },
    selection: { anchor: from + insert.length },
    userEvent: "input.complete",
  });
  startCompletion(view);
}

function choices(of: Schema | undefined): Completion[] {
  return valuesOf(of).map((label) => ({ label }));
}

/** What the key of this line means. */
export function documentation({ state }: EditorView, pos: number): Tooltip | null {
  const place = schema.value && yamlPlace(state.doc.toString(), pos);
  if (!place?.value) return null;
  const { parent, key, value } = place;
  const found = schemaAt(schema.value, [...parent, key.name]);
  if (!found || pos < key.from || pos > value!.to) return null;
  return {
    pos: key.from,
    end: key.to,
    create: () => ({ dom: explain(key.name, found) }),
  };
}

function explain(name: string, of: Schema): HTMLElement {
  const dom = document.createElement("div");
  dom.className = "explain";
  const head = document.createElement("p");
  const code = document.createElement("strong");
  code.textContent = name;
  const more = [kindOf(of), text.config.standing[standing(of)]];
  if (of.default !== undefined) more.push(text.config.isDefault(JSON.stringify(of.default)));
  head.append(code, ` ${more.filter(Boolean).join("; ")}`);
  const body = document.createElement("p");
  body.textContent = of.description ?? "";
  dom.append(head, body);
  return dom;
}
