// A sample token by token. What is trained is told by colour, weight and underline; label and id
// of the token under the pointer or the cursor stand in a line below, where they cover nothing.

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { IGNORE } from "../../../data/sample.ts";
import { count } from "../../parts/format.ts";
import { text } from "../../text.ts";
import type { ShownSample } from "./requests.ts";

const words = text.data;

/** Tokens that are drawn at once; a long sample is opened in such steps. */
const STEP = 300;

type State = keyof typeof words.states;

const stateOf = (label: number): State =>
  label === IGNORE ? "masked" : label === 0 ? "zero" : "trained";

export function Legend() {
  return (
    <p class="legend">
      {(Object.keys(words.states) as State[]).map((state) => (
        <span key={state}>
          <span class={`token ${state}`}>{words.legend[state]}</span> {words.states[state]}
        </span>
      ))}
      <span class="quiet">{words.legendHint}</span>
    </p>
  );
}

export function Tokens({ sample, name }: { sample: ShownSample; name: string }) {
  const { texts, ids, labels, trained, dropped } = sample;
  const shown = useSignal(STEP);
  /** The token that has the cursor, and the one that is told about. */
  const cursor = useSignal(0), told = useSignal(-1);
  const list = useRef<HTMLDivElement>(null);
  const visible = Math.min(shown.value, texts.length);
  // The same row may have become fewer tokens since.
  const stop = Math.min(cursor.value, visible - 1);

  const move = (to: number) => {
    cursor.value = told.value = Math.max(0, Math.min(visible - 1, to));
    (list.current!.children[cursor.value] as HTMLElement).focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const steps: Record<string, number> = {
      ArrowRight: cursor.value + 1,
      ArrowDown: cursor.value + 1,
      ArrowLeft: cursor.value - 1,
      ArrowUp: cursor.value - 1,
      PageDown: cursor.value + 20,
      PageUp: cursor.value - 20,
      Home: 0,
      End: visible - 1,
    };
    if (!Object.hasOwn(steps, event.key) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    move(steps[event.key]);
  };
  const tell = (event: Event) => {
    const index = (event.target as HTMLElement).dataset.index;
    if (index !== undefined) told.value = Number(index);
  };
  const i = told.value;
  return (
    <div class="sample">
      <p class="quiet">
        <strong>{name}</strong> {words.sample(count(texts.length), count(trained))}
        {dropped && <span class="left-out">{words.leftOut(dropped)}</span>}
      </p>
      <div
        ref={list}
        class="tokens"
        role="listbox"
        aria-label={words.tokensOf(name)}
        aria-orientation="horizontal"
        onKeyDown={onKeyDown}
        onPointerOver={tell}
        onPointerLeave={() => told.value = -1}
        onFocusIn={(event) => {
          tell(event);
          cursor.value = told.value;
        }}
        onFocusOut={() => told.value = -1}
      >
        {texts.slice(0, visible).map((each, i) => (
          <span
            key={i}
            role="option"
            class={`token ${stateOf(labels[i])}`}
            data-index={i}
            tabIndex={i === stop ? 0 : -1}
            aria-selected={i === stop}
            aria-label={words.tokenLabel(spoken(each), words.states[stateOf(labels[i])])}
            aria-description={words.tokenNumbers(labels[i], ids[i])}
          >
            {visibleText(each)}
          </span>
        ))}
      </div>
      <p class="told" aria-hidden="true">
        {i >= 0 && i < texts.length
          ? words.told(i + 1, JSON.stringify(texts[i]), words.states[stateOf(labels[i])]) +
            words.tokenNumbers(labels[i], ids[i])
          : " "}
      </p>
      {visible < texts.length && (
        <button
          type="button"
          class="small"
          onClick={() => shown.value += STEP}
        >
          {words.moreTokens(count(Math.min(STEP, texts.length - visible)), count(texts.length))}
        </button>
      )}
    </div>
  );
}

/** Line breaks and tabs are seen, and still break. */
function visibleText(each: string): string {
  return each.replaceAll("\n", "⏎\n").replaceAll("\t", "⇥\t") || "∅";
}

function spoken(each: string): string {
  return each.replaceAll("\n", " line break ").replaceAll("\t", " tab ").trim() || "space";
}
