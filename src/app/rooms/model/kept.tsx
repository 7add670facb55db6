// What the browser keeps of models and data, what it weighs, and how to be rid of it.

import { DeleteButton } from "../../parts/delete_button.tsx";
import { bytes } from "../../parts/format.ts";
import { Notice } from "../../parts/notice.tsx";
import { text } from "../../text.ts";
import type { Kept } from "./requests.ts";
import {
  choose,
  chosen,
  download,
  kept,
  persist,
  persistRefused,
  remove,
  storage,
  transfer,
} from "./state.ts";

const words = text.model;

export function KeptModels() {
  const entries = kept.value.filter(({ kind }) => kind !== "site");
  return (
    <section aria-labelledby="kept-title">
      <h2 id="kept-title">{words.keptTitle}</h2>
      {entries.length === 0 ? <p class="quiet">{words.keptNothing}</p> : (
        <div class="scroll">
          <table id="kept">
            <thead>
              <tr>
                <th scope="col">{words.columns.name}</th>
                <th scope="col" class="what">{words.columns.what}</th>
                <th scope="col" class="number">{words.columns.size}</th>
                <th scope="col">{words.columns.actions}</th>
              </tr>
            </thead>
            <tbody>{entries.map((entry) => <Row key={entry.path} entry={entry} />)}</tbody>
          </table>
        </div>
      )}
      <Storage />
    </section>
  );
}

function Row({ entry: { kind, name, path, bytes: size, unfinished } }: { entry: Kept }) {
  const isChosen = chosen.value?.name === name;
  const isModel = kind === "own" || kind === "hub";
  return (
    <tr>
      <td class="name">{name}</td>
      <td class="what">{words.kinds[kind]}{unfinished && `, ${words.unfinished}`}</td>
      <td class="number">{bytes(size)}</td>
      <td>
        <div class="row actions">
          {isModel && !unfinished && (
            <button
              type="button"
              disabled={isChosen}
              aria-label={words.named(words.use, name)}
              onClick={() => choose(name)}
            >
              {isChosen ? words.inUse : words.use}
            </button>
          )}
          {kind === "hub" && unfinished && (
            <button
              type="button"
              disabled={!!transfer.value}
              aria-label={words.named(words.goOn, name)}
              onClick={() => download(name)}
            >
              {words.goOn}
            </button>
          )}
          <DeleteButton name={name} disabled={!!transfer.value} onDelete={() => remove(path)} />
        </div>
      </td>
    </tr>
  );
}

function Storage() {
  const now = storage.value;
  if (!now) return null;
  return (
    <div class="storage">
      <p class="quiet" id="usage">{words.usage(bytes(now.usage), bytes(now.quota))}</p>
      <meter aria-label={words.usageLabel} value={now.usage} max={now.quota || 1} />
      <p class="row quiet">
        <span id="persisted">{now.persisted ? words.persisted : words.notPersisted}</span>
        {!now.persisted && <button type="button" onClick={persist}>{words.persist}</button>}
      </p>
      {persistRefused.value && !now.persisted && <Notice kind="info">{words.persistRefused}
      </Notice>}
    </div>
  );
}
