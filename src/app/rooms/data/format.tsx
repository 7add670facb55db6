// How the rows are read: the format, why it was guessed, and the columns where they can be chosen.

import { CATALOGUE } from "../../../data/formats/catalogue.ts";
import { type Guess, OWN_PROMPT } from "../../../data/recognise.ts";
import { CHAT_TEMPLATES } from "../../../data/templates/chat_templates.ts";
import { text } from "../../text.ts";
import type { Entry } from "./requests.ts";
import { useTyped } from "./typed.ts";
import { change, guesses, preview, readable, type Shown } from "./state.ts";

const words = text.data;

const lines = new Map(
  CATALOGUE.flatMap(({ formats }) =>
    formats.flatMap(({ name, line, alike }) => [[name, line], ...Object.entries(alike ?? {})])
  ) as [string, string][],
);

/** The format that a name stands for: `alpaca` for `alpaca:chat`. */
const bases = new Map(
  CATALOGUE.flatMap(({ formats }) =>
    formats.flatMap(({ name, alike }) =>
      [name, ...Object.keys(alike ?? {})].map((each): [string, string] => [each, name])
    )
  ),
);

/** Keys of an entry that say which columns a format reads; they go when the format changes. */
const COLUMN_KEYS = ["field", "field_messages", "message_property_mappings", "roles"];

export function Format({ shown: { key, entry } }: { shown: Shown }) {
  if (key === "pretraining_dataset") return <p class="quiet">{words.pretraining}</p>;
  const name = formatName(entry);
  const guess = guesses.value.find(({ format }) => format === bases.get(name));
  const better = guess || name === "user_defined" ? undefined : guesses.value[0];
  return (
    <div class="format">
      <label class="field">
        {words.format}
        <select
          id="format"
          value={name}
          disabled={!readable.value}
          onChange={({ currentTarget }) => choose(currentTarget.value, entry)}
        >
          <option value="">{words.noFormat}</option>
          {CATALOGUE.map(({ title, formats }) => (
            <optgroup key={title} label={title}>
              {formats.flatMap(({ name, alike }) => [name, ...Object.keys(alike ?? {})])
                .map((each) => <option key={each} value={each}>{each} – {lines.get(each)}</option>)}
            </optgroup>
          ))}
          {name && !lines.has(name) && <option value={name}>{name}</option>}
        </select>
        <span class="hint">
          {guess ? words.recognised(guess.reason) : name === "" && words.chooseFormat}
        </span>
      </label>
      {better && (
        <p class="row">
          <span class="quiet">{words.looksLike(better.format, better.reason)}</span>
          <button type="button" class="small" onClick={() => apply(better)}>
            {words.use(better.format)}
          </button>
        </p>
      )}
      <Columns name={name} entry={entry} />
    </div>
  );
}

/** The name of the format; rows of tokens need no `type`. */
function formatName({ type }: Entry): string {
  if (type) return typeof type === "string" ? type : "user_defined";
  return guesses.value[0]?.format === "tokenized" ? "tokenized" : "";
}

function choose(name: string, entry: Entry): void {
  const guess = guesses.value.find(({ format }) => format === name);
  if (guess) return void apply(guess);
  const type = name === "user_defined" ? ownFormat(entry) : name || undefined;
  change({ ...without(COLUMN_KEYS), type });
}

function apply({ keys }: Guess): void {
  change({ ...without(COLUMN_KEYS), type: undefined, ...keys });
}

const without = (keys: string[]) => Object.fromEntries(keys.map((key) => [key, undefined]));

/** A description to begin with, from the columns that are there. */
function ownFormat({ type }: Entry): Record<string, unknown> {
  if (type && typeof type === "object") return type as Record<string, unknown>;
  const names = textColumns();
  const { format, no_input_format } = OWN_PROMPT;
  return {
    field_instruction: names[0] ?? "instruction",
    field_output: names.at(-1) ?? "output",
    format,
    no_input_format,
  };
}

function textColumns(): string[] {
  const columns = preview.value?.columns ?? [];
  return columns.filter(({ kind }) => kind === "text").map(({ name }) => name);
}

// ---- columns -----------------------------------------------------------------------------------

function Columns({ name, entry }: { name: string; entry: Entry }) {
  if (name.startsWith("chat_template")) return <ChatColumns entry={entry} />;
  if (name === "completion") {
    return (
      <div class="grid">
        <Choice
          label={words.columns.text}
          value={String(entry.field ?? "text")}
          from={textColumns()}
          onChoose={(field) => change({ field: field === "text" ? undefined : field })}
        />
      </div>
    );
  }
  if (name === "user_defined") return <OwnColumns entry={entry} />;
  if (name === "") return null;
  return (
    <p>
      <button
        type="button"
        class="small"
        disabled={!readable.value}
        onClick={() => choose("user_defined", entry)}
      >
        {words.mapByHand}
      </button>
    </p>
  );
}

function ChatColumns({ entry }: { entry: Entry }) {
  const columns = (preview.value?.columns ?? []).filter(({ kind }) => kind !== "other");
  const column = String(entry.field_messages ?? "messages");
  const fields = columns.find(({ name }) => name === column)?.fields ?? [];
  const mapped = (entry.message_property_mappings ?? {}) as Record<string, string>;
  const { role = "role", content = "content" } = mapped;
  const map = (next: Record<string, string>) => {
    const all = { ...mapped, role, content, ...next };
    const isUsual = Object.entries(all).every(([key, field]) => key === field);
    change({ message_property_mappings: isUsual ? undefined : all });
  };
  return (
    <div class="grid">
      <Choice
        label={words.columns.messages}
        value={column}
        from={columns.map(({ name }) => name)}
        onChoose={(name) => change({ field_messages: name === "messages" ? undefined : name })}
      />
      <Choice
        label={words.columns.role}
        value={role}
        from={fields}
        onChoose={(role) => map({ role })}
      />
      <Choice
        label={words.columns.content}
        value={content}
        from={fields}
        onChoose={(content) => map({ content })}
      />
      <Choice
        label={words.columns.template}
        value={String(entry.chat_template ?? "")}
        from={Object.keys(CHAT_TEMPLATES)}
        empty={preview.value?.hasTemplate === false ? words.noTemplate : words.usualTemplate}
        onChoose={(name) => change({ chat_template: name || undefined })}
      />
    </div>
  );
}

function OwnColumns({ entry }: { entry: Entry }) {
  const type = (entry.type ?? {}) as Record<string, string>;
  const names = textColumns();
  const set = (key: string, value: string | undefined) => {
    const next = Object.entries({ ...type, [key]: value }).filter(([, each]) => each !== undefined);
    return change({ type: Object.fromEntries(next) });
  };
  const column = (key: string, usual: string, optional = false) => (
    <Choice
      label={words.columns[usual as "instruction"]}
      value={type[key] ?? (optional ? "" : usual)}
      from={names}
      empty={optional ? words.noColumn : undefined}
      onChoose={(name) => set(key, name || undefined)}
    />
  );
  const area = (key: keyof typeof OWN_PROMPT, label: string) => (
    <Area
      label={label}
      value={type[key] ?? ""}
      onText={(text) => set(key, text || undefined)}
    />
  );
  return (
    <>
      <div class="grid">
        {column("field_instruction", "instruction")}
        {column("field_input", "input", true)}
        {column("field_output", "output")}
        {column("field_system", "system", true)}
      </div>
      <div class="grid">
        {area("no_input_format", words.noInputFormat)}
        {type.field_input !== undefined && area("format", words.promptFormat)}
        {type.field_system !== undefined && area("system_format", words.systemFormat)}
      </div>
      <p class="hint quiet">{words.formatHint}</p>
    </>
  );
}

function Area({ label, value, onText }: {
  label: string;
  value: string;
  onText: (text: string) => Promise<void>;
}) {
  return (
    <label class="field">
      {label}
      <textarea rows={4} spellcheck={false} {...useTyped(value, onText)} />
    </label>
  );
}

/** One of some names; a value that is none of them stays to be seen. */
function Choice({ label, value, from, empty, onChoose }: {
  label: string;
  value: string;
  from: readonly string[];
  /** What the choice of nothing is called, where that can be chosen. */
  empty?: string | undefined;
  onChoose: (name: string) => void;
}) {
  const names = value === "" || from.includes(value) ? from : [...from, value];
  return (
    <label class="field">
      {label}
      <select
        value={value}
        disabled={!readable.value}
        onChange={({ currentTarget }) => onChoose(currentTarget.value)}
      >
        {empty !== undefined && <option value="">{empty}</option>}
        {names.map((name) => (
          <option key={name} value={name}>
            {from.includes(name) ? name : words.missing(name)}
          </option>
        ))}
      </select>
    </label>
  );
}
