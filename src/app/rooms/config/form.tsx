// The form beside the YAML: every field shows what the text says, and a change edits the text.

import { setKey, setKeys } from "../../config_edit.ts";
import { codeWords } from "../../parts/code_words.tsx";
import { text } from "../../text.ts";
import {
  type Field,
  type Group,
  groups,
  type Method,
  methodChanges,
  methodOf,
  methods,
  shownValue,
  typedValue,
} from "./fields.ts";
import { schemaAt, valuesOf } from "./schema.ts";
import { broken, findings, schema, values } from "./state.ts";

type Values = Record<string, unknown>;

export function Form() {
  const now = values.value;
  return (
    <form id="config-form" onSubmit={(event) => event.preventDefault()}>
      {broken.value && <p class="notice warning" role="status">{text.config.formOff}</p>}
      <fieldset class="all" disabled={broken.value}>
        {groups.map((group) => (
          (!group.adapter || methodOf(now) !== "full") &&
          <GroupView key={group.name} group={group} now={now} />
        ))}
      </fieldset>
    </form>
  );
}

function GroupView({ group, now }: { group: Group; now: Values }) {
  return (
    <fieldset class="card group">
      <legend>{text.config.groups[group.name]}</legend>
      {group.name === "model" && <MethodField now={now} />}
      {group.fields.map((field) => <FieldView key={field.key} field={field} now={now} />)}
    </fieldset>
  );
}

function MethodField({ now }: { now: Values }) {
  const method = methodOf(now) ?? "other";
  return (
    <div class="field wide">
      <label for="field-method">{text.config.method}</label>
      <select
        id="field-method"
        aria-describedby="help-method"
        value={method}
        onChange={({ currentTarget }) => setKeys(methodChanges(currentTarget.value as Method, now))}
      >
        {[...methods, ...(method === "other" ? ["other" as const] : [])].map((each) => (
          <option key={each} value={each} selected={each === method}>
            {text.config.methods[each]}
          </option>
        ))}
      </select>
      <span class="hint" id="help-method">{text.config.methodHelp}</span>
    </div>
  );
}

function FieldView({ field: { key, kind }, now }: { field: Field; now: Values }) {
  const said = schemaAt(schema.value, [key]);
  const value = now[key];
  const problem = findings.value?.find((each) => {
    return each.severity === "error" && (each.key === key || each.key.startsWith(`${key}.`));
  });
  const otherwise = said?.default === undefined ? undefined : String(said.default);
  const id = `field-${key}`;
  const shared = {
    id,
    "aria-describedby": `help-${key}`,
    "aria-invalid": problem ? true : undefined,
  };
  const help = (
    <span class="hint" id={`help-${key}`}>
      {problem ? <strong class="problem">{codeWords(problem.message)}</strong> : said?.description}
    </span>
  );
  if (kind === "flag") {
    return (
      <div class="field">
        <span class="flag">
          <input
            {...shared}
            type="checkbox"
            checked={(value ?? said?.default) === true}
            onChange={({ currentTarget }) => setKey([key], currentTarget.checked)}
          />
          <label for={id}>{key}</label>
        </span>
        {help}
      </div>
    );
  }
  const shown = shownValue(value);
  const commit = (typed: string) => {
    if (typed !== shown) setKey([key], typedValue(kind, typed));
  };
  return (
    <div class={`field ${kind}`}>
      <label for={id}>{key}</label>
      {kind === "choice"
        ? (
          <select
            {...shared}
            value={shown}
            onChange={({ currentTarget }) => commit(currentTarget.value)}
          >
            <option value="" selected={shown === ""}>
              {otherwise ? text.config.isDefault(otherwise) : text.config.unset}
            </option>
            {[...new Set([...valuesOf(said), shown])].filter(Boolean).map((each) => (
              <option key={each} value={each} selected={each === shown}>{each}</option>
            ))}
          </select>
        )
        : (
          <input
            {...shared}
            type="text"
            inputMode={kind === "number" ? "decimal" : undefined}
            autocomplete="off"
            spellcheck={false}
            placeholder={otherwise && text.config.isDefault(otherwise)}
            value={shown}
            onChange={({ currentTarget }) => commit(currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === "Enter") commit(event.currentTarget.value);
            }}
          />
        )}
      {help}
    </div>
  );
}
