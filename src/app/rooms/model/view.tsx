// The model that is trained: which one it is, where another can come from, and what is kept here.

import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { ModelFacts } from "../../../model/inspect.ts";
import { bytes, count } from "../../parts/format.ts";
import { Notice } from "../../parts/notice.tsx";
import { text } from "../../text.ts";
import { KeptModels } from "./kept.tsx";
import { Sources } from "./sources.tsx";
import {
  chosen,
  chosenState,
  download,
  message,
  refresh,
  transfer,
  transferred,
  watchConfig,
} from "./state.ts";
import "./model.css";

const words = text.model;

export default function Model() {
  useEffect(() => {
    refresh();
    return watchConfig();
  }, []);
  return (
    <div class="model-room">
      <h1>{words.title}</h1>
      <p class="lead">{words.lead}</p>
      <section class="card" aria-labelledby="chosen-title">
        <h2 id="chosen-title">{words.chosen}</h2>
        <Chosen />
      </section>
      <Message />
      {transfer.value && <Progress />}
      <h2>{words.choose}</h2>
      <Sources />
      <KeptModels />
    </div>
  );
}

function Chosen() {
  const now = chosen.value, state = chosenState.value;
  if (!now) return <p class="quiet">{words.none}</p>;
  return (
    <>
      <p class="chosen-name">
        <code id="chosen">{now.name}</code>
        {now.revision && <span class="quiet">@ {now.revision}</span>}
      </p>
      {state === "looking"
        ? <p class="quiet" role="status">{words.looking}</p>
        : state.state === "ready"
        ? <Facts facts={state.facts} />
        : state.state === "broken"
        ? <Lines kind="error" lines={[words.broken, ...state.problems]} />
        : (
          <p class="row">
            <span class="quiet">{words.absent}</span>
            <button
              type="button"
              disabled={!!transfer.value}
              onClick={() => download(now.name, now.revision)}
            >
              {words.download}
            </button>
          </p>
        )}
    </>
  );
}

function Facts({ facts }: { facts: ModelFacts }) {
  const rows: [string, string][] = [
    [words.facts.family, facts.architecture.replace(/ForCausalLM$/, "")],
    [words.facts.parameters, short(facts.parameters)],
    [words.facts.bytes, bytes(facts.bytes)],
    [
      words.facts.dtype,
      facts.quantization
        ? words.quantized(facts.quantization.method, facts.quantization.bits)
        : facts.dtype,
    ],
    [words.facts.layers, count(facts.layers)],
    [words.facts.width, count(facts.width)],
    [words.facts.heads, words.heads(count(facts.heads), count(facts.keyHeads))],
    [words.facts.vocabulary, words.tokens(count(facts.vocabulary))],
    [words.facts.positions, words.tokens(count(facts.positions))],
  ];
  return (
    <dl class="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** 857216 -> "857 thousand", 494032768 -> "494 million". */
function short(parameters: number): string {
  const [unit, name] = parameters >= 1e9
    ? [1e9, "billion"]
    : parameters >= 1e6
    ? [1e6, "million"]
    : [1e3, "thousand"];
  const value = parameters / unit;
  return `${value.toFixed(value < 10 ? 1 : 0)} ${name}`;
}

function Message() {
  const now = message.value;
  const place = useRef<HTMLDivElement>(null);
  // It may stand above what the person looks at.
  useSignalEffect(() => {
    if (message.value) {
      requestAnimationFrame(() => place.current?.scrollIntoView({ block: "nearest" }));
    }
  });
  return <div class="message" ref={place}>{now && <Lines kind={now.kind} lines={now.lines} />}
  </div>;
}

/** One sentence, or a sentence and a list. */
function Lines({ kind, lines }: { kind: "good" | "info" | "error"; lines: string[] }) {
  const [first, ...rest] = lines;
  return <Notice kind={kind}>{[first, ...rest.map((line) => `• ${line}`)].join("\n")}</Notice>;
}

function Progress() {
  const { kind, title, files, abort } = transfer.value!;
  const { done, total } = transferred.value;
  return (
    <section class="card transfer" aria-label={title}>
      <div class="row">
        <strong role="status">{title}</strong>
        {total > 0 && <span class="quiet">{words.total(bytes(done), bytes(total))}</span>}
        <button type="button" class="end" onClick={() => abort.abort()}>{words.cancel}</button>
      </div>
      {total > 0
        ? <progress aria-label={title} value={done} max={total} />
        : <progress aria-label={title} />}
      {kind === "download" && (
        <ul class="files">
          {files.map(({ file, done, total }) => (
            <li key={file}>
              <span class="file">{file.slice(file.lastIndexOf("/") + 1)}</span>
              <span class="quiet">
                {done === 0
                  ? words.waiting
                  : done === total
                  ? words.done
                  : words.total(bytes(done), total === undefined ? "?" : bytes(total))}
              </span>
              <progress aria-label={file} value={done} max={total || 1} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
