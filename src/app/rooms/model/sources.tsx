// Where a model can come from: the page itself, this computer, Hugging Face.

import { signal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { hubAddress, hubToken, rememberHub } from "../../hub.ts";
import { Drop } from "../../parts/drop.tsx";
import { bytes } from "../../parts/format.ts";
import { text } from "../../text.ts";
import { choose, chosen, download, importFiles, kept, transfer } from "./state.ts";

const words = text.model;
const hubName = signal("");
const revision = signal("");

/** Models of supported families that train on ordinary graphics cards. */
const suggestions = [
  "HuggingFaceTB/SmolLM2-135M-Instruct",
  "HuggingFaceTB/SmolLM2-360M-Instruct",
  "Qwen/Qwen2.5-0.5B-Instruct",
  "TinyLlama/TinyLlama-1.1B-Chat-v1.0",
];

export function Sources() {
  return (
    <div class="grid sources">
      <Embedded />
      <Own />
      <Hub />
    </div>
  );
}

function Embedded() {
  return (
    <section class="card" aria-labelledby="embedded-title">
      <h3 id="embedded-title">{words.embedded}</h3>
      <p class="quiet">{words.embeddedSays}</p>
      <ul class="plain">
        {kept.value.filter(({ kind }) => kind === "site").map(({ name, bytes: size }) => {
          const title = name.slice(name.lastIndexOf("/") + 1);
          const isChosen = chosen.value?.name === name;
          return (
            <li key={name} class="row">
              <strong>{title}</strong>
              <span class="quiet">{bytes(size)}</span>
              <button
                type="button"
                disabled={isChosen}
                aria-label={words.named(words.use, title)}
                onClick={() => choose(name)}
              >
                {isChosen ? words.inUse : words.use}
              </button>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

function Own() {
  const input = useRef<HTMLInputElement>(null);
  return (
    <section class="card" aria-labelledby="own-title">
      <h3 id="own-title">{words.own}</h3>
      <p class="quiet">{words.ownSays}</p>
      <Drop label={words.ownFolder} folder onFiles={importFiles}>
        <button type="button" onClick={() => input.current!.click()}>{words.ownFiles}</button>
        <input
          ref={input}
          id="model-files"
          type="file"
          hidden
          multiple
          aria-label={words.ownFiles}
          onChange={({ currentTarget }) => {
            const files = [...currentTarget.files!];
            currentTarget.value = "";
            importFiles(files.map((file) => [file.name, file]));
          }}
        />
      </Drop>
    </section>
  );
}

function Hub() {
  return (
    <section class="card" aria-labelledby="hub-title">
      <h3 id="hub-title">{words.hub}</h3>
      <form
        class="hub"
        onSubmit={(event) => {
          event.preventDefault();
          download(hubName.value.trim(), revision.value.trim());
        }}
      >
        <label class="field">
          {words.hubName}
          <span class="row together">
            <input
              id="hub-name"
              list="hub-names"
              value={hubName}
              placeholder={words.hubExample}
              autocomplete="off"
              autocapitalize="off"
              spellcheck={false}
              required
              onInput={({ currentTarget }) => hubName.value = currentTarget.value}
            />
            <button type="submit" class="primary" disabled={!!transfer.value}>
              {words.download}
            </button>
          </span>
        </label>
        <datalist id="hub-names">
          {suggestions.map((name) => <option key={name} value={name} />)}
        </datalist>
        <p class="quiet suggestions">
          {words.suggestions}: {suggestions.map((name) => (
            <button
              key={name}
              type="button"
              class="link"
              onClick={() => hubName.value = name}
            >
              {name.slice(name.indexOf("/") + 1)}
            </button>
          ))}
        </p>
        <details>
          <summary>{words.hubMore}</summary>
          <Field
            id="hub-token"
            label={words.hubToken}
            hint={words.hubTokenHint}
            value={hubToken}
            secret
          />
          <label class="check">
            <input
              type="checkbox"
              checked={rememberHub}
              onChange={({ currentTarget }) => rememberHub.value = currentTarget.checked}
            />
            {words.hubRemember}
          </label>
          <Field
            id="hub-revision"
            label={words.hubRevision}
            hint={words.hubRevisionHint}
            value={revision}
          />
          <Field
            id="hub-address"
            label={words.hubAddress}
            hint={words.hubAddressHint}
            value={hubAddress}
          />
        </details>
      </form>
    </section>
  );
}

interface FieldProps {
  id: string;
  label: string;
  hint: string;
  value: { value: string };
  secret?: boolean;
}

function Field({ id, label, hint, value, secret }: FieldProps) {
  const shared = {
    id,
    autocomplete: "off",
    spellcheck: false,
    value: value.value,
    "aria-describedby": `${id}-hint`,
    onInput: ({ currentTarget }: { currentTarget: HTMLInputElement }) => {
      value.value = currentTarget.value;
    },
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {secret ? <input type="password" {...shared} /> : <input type="text" {...shared} />}
      <span id={`${id}-hint`} class="hint">{hint}</span>
    </div>
  );
}
