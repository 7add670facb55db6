// Where the model is asked, before and after its training side by side.

import { useEffect } from "preact/hooks";
import { Drop } from "../../parts/drop.tsx";
import { Notice } from "../../parts/notice.tsx";
import { route } from "../../routes.ts";
import { text } from "../../text.ts";
import { running } from "../train/state.ts";
import { Composer } from "./composer.tsx";
import { Conversation } from "./conversation.tsx";
import { Settings } from "./settings.tsx";
import {
  busy,
  type Choice,
  choice,
  choose,
  dropAdapter,
  dropped,
  enter,
  failure,
  leave,
  loading,
  opened,
  results,
  spoken,
  stop,
} from "./state.ts";
import type { RunRecord } from "../runs/record.ts";
import "./chat.css";

const words = text.chat;

export default function ChatRoom() {
  const { rest } = route.value;
  const trains = running.value;
  useEffect(() => {
    if (trains) leave();
    else void enter(rest); // also when a run has ended: it may have a result
  }, [rest, trains]);
  useEffect(() => leave, []);
  return (
    <div
      class="chat"
      onKeyDown={(event) => {
        if (event.key === "Escape" && busy.value) stop();
      }}
    >
      <h1>{words.title}</h1>
      <p class="lead">{words.lead}</p>
      <div class="chat-columns">
        <div class="chat-main">
          {running.value && <Notice kind="info">{words.busy}</Notice>}
          {failure.value && <Notice kind="error">{failure.value}</Notice>}
          <Conversation />
          <Loading />
          <Composer disabled={running.value} />
          <p class="chat-live" role="status" aria-live="polite">{spoken.value}</p>
        </div>
        <aside class="chat-side" aria-label={words.model}>
          <ModelChoice />
          <Settings />
        </aside>
      </div>
    </div>
  );
}

function ModelChoice() {
  const runs = Map.groupBy(results.value, ({ run }) => run.id);
  const now = choice.value;
  const { value } = opened;
  return (
    <section class="card chat-model">
      <h2>{words.model}</h2>
      <label class="field">
        {words.choose}
        <select
          id="chat-model"
          disabled={running.value}
          value={typeof now === "object" ? now.folder : now}
          onChange={({ currentTarget: { value } }) => choose(choiceOf(value))}
        >
          {[...runs].map(([id, places]) => (
            <optgroup key={id} label={runTitle(places[0].run)}>
              {places.map(({ run: { name }, folder, step }) => (
                <option key={folder} value={folder}>
                  {step === undefined
                    ? words.result(shortName(name))
                    : words.checkpoint(shortName(name), step)}
                </option>
              ))}
            </optgroup>
          ))}
          <optgroup label={words.configured}>
            <option value="base">{words.baseOnly}</option>
            {dropped.value && <option value="dropped">{words.dropped(dropped.value.name)}</option>}
          </optgroup>
        </select>
      </label>
      {value && (
        <p class="quiet" id="chat-source">
          {value.sides.length > 1 ? words.loadedBoth(value.source) : words.loaded(value.source)}
          {value.takesTurns && ` ${words.takesTurns}`}
        </p>
      )}
      <details>
        <summary>{words.dropTitle}</summary>
        <Drop label={words.drop} folder onFiles={(files) => void dropAdapter(files)}>
          <span class="quiet">{words.dropHint}</span>
        </Drop>
      </details>
    </section>
  );
}

function choiceOf(value: string): Choice {
  return value === "base" || value === "dropped" ? value : { folder: value };
}

/** "examples/tiny/lora.yml" -> "lora". */
function shortName(name: string): string {
  return name.replace(/^.*\//, "").replace(/\.ya?ml$/, "");
}

function runTitle({ name, started }: RunRecord): string {
  if (started === undefined) return name;
  const when = new Date(started)
    .toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  return `${name}, ${when}`;
}

function Loading() {
  if (!loading.value) return null;
  const { what, done, total } = loading.value;
  const share = total > 0 ? done / total : 0;
  return (
    <div class="card chat-loading">
      <label for="chat-progress">{words.loading(what)}</label>
      <progress id="chat-progress" max={1} value={share} />
      <button type="button" onClick={stop}>{words.cancel}</button>
    </div>
  );
}
