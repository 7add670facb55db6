// What a person sees first: the GPU it has found, a run to try at once, and the way to an own one.

import { useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { examples } from "../../examples.ts";
import { Notice } from "../../parts/notice.tsx";
import { link } from "../../routes.ts";
import { text } from "../../text.ts";
import { browserHelp } from "./browser_help.ts";
import {
  adapter,
  aside,
  busy,
  cutOff,
  examplesFailed,
  failure,
  findRuns,
  learnt,
  look,
  missing,
  openInConfig,
  takeBack,
  trainsHere,
  tryNow,
} from "./state.ts";
import "./start.css";

const words = text.start;

export default function Start() {
  useEffect(() => void look(), []);
  useSignalEffect(() => {
    trainsHere.value; // again when a run begins or ends
    void findRuns();
  });
  return (
    <div class="start-room">
      <div class="hero">
        <div>
          <h1>{words.title}</h1>
          <p class="lead">{words.lead}</p>
          <Adapter />
        </div>
        {missing.value ? <Help /> : <Try />}
      </div>
      {failure.value && <Notice kind="error">{failure.value}</Notice>}
      {adapter.value?.software && <Notice kind="warning">{words.softwareMeans}</Notice>}
      {cutOff.value.map(({ id, name, step, steps }) => (
        <Notice key={id} kind="info">
          {words.cut(name, step, steps)} <a href={link("train", id)}>{words.cutLink}</a>
        </Notice>
      ))}
      {aside.value && (
        <Notice kind="info">
          {words.kept(aside.value.name)}{" "}
          <button type="button" onClick={takeBack}>{words.keptButton}</button>
        </Notice>
      )}
      <h2>{words.stepsTitle}</h2>
      <ol class="steps">
        {words.steps.map(({ room, title, says }) => (
          <li key={room} class="card">
            <h3>
              <a href={link(room)}>{title}</a>
            </h3>
            <p>{says}</p>
          </li>
        ))}
      </ol>
      <p class="privacy quiet">{words.privacy}</p>
      <Examples />
    </div>
  );
}

function Adapter() {
  const found = adapter.value;
  const state = found ? (found.software ? "slow" : "ready") : missing.value ? "none" : "looking";
  return (
    <p class={`adapter ${state}`}>
      <span class="quiet">{words.adapter}</span>
      <output id="adapter">
        {found
          ? found.name + (found.software ? ` (${words.software})` : "")
          : missing.value
          ? words.noAdapter
          : words.looking}
      </output>
    </p>
  );
}

function Try() {
  return (
    <section class="card try" aria-labelledby="try-title">
      <h2 id="try-title">{words.tryTitle}</h2>
      <p>{words.tryLead}</p>
      <p class="row">
        <button
          id="try"
          type="button"
          class="primary"
          disabled={!adapter.value || busy.value}
          onClick={tryNow}
        >
          {busy.value ? words.tryBusy : words.tryButton}
        </button>
        {busy.value && <a href={link("train")}>{words.watch}</a>}
      </p>
      {learnt.value
        ? (
          <Notice kind="good">
            {words.tryDone(learnt.value)} <a href={link("chat", learnt.value.id)}>{words.tryAsk}</a>
            {" "}
            {words.tryAnswer}
          </Notice>
        )
        : <p class="quiet">{words.tryAfter}</p>}
    </section>
  );
}

function Help() {
  const { userAgent: agent } = navigator;
  const noAdapter = missing.value === "adapter";
  const lines = browserHelp({ agent, host: location.host, secure: isSecureContext, noAdapter });
  return (
    <section class="card help" id="help" aria-labelledby="help-title">
      <h2 id="help-title">{noAdapter ? words.help.noAdapter : words.help.title}</h2>
      <p>{words.help.lead}</p>
      <ol>{lines.map((line) => <li key={line}>{line}</li>)}</ol>
      <p class="quiet">{words.help.still}</p>
    </section>
  );
}

function Examples() {
  return (
    <section aria-labelledby="examples-title">
      <h2 id="examples-title">{words.examples}</h2>
      {examplesFailed.value && <Notice kind="error">{words.examplesFailed}</Notice>}
      <div class="grid examples">
        {examples.value.map(({ name, about }) => (
          <article key={name} class="card example">
            <h3>
              <code>{name.replace(/^examples\//, "")}</code>
            </h3>
            <p>{about}</p>
            <button type="button" aria-label={words.open(name)} onClick={() => openInConfig(name)}>
              {words.openShort}
            </button>
          </article>
        ))}
      </div>
    </section>
  );
}
