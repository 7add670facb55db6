// The questions and their answers: base and tuned in two columns, with the tokens in which they
// differ marked by a line below and a tint.

import { useEffect, useRef } from "preact/hooks";
import type { Answer, Piece, Side } from "../../../infer/chat.ts";
import { text } from "../../text.ts";
import { differences } from "./differences.ts";
import { conversational, type Said, type Turn, turns } from "./state.ts";

const words = text.chat;

export function Conversation() {
  if (turns.value.length === 0) return <p class="chat-empty quiet">{words.empty}</p>;
  return (
    <ol class="chat-turns" aria-label={words.conversation}>
      {turns.value.map((turn, i) => <TurnView key={i} turn={turn} />)}
      {turns.value.length > 1 && conversational.value === false && (
        <li class="quiet">{words.single}</li>
      )}
    </ol>
  );
}

function TurnView({ turn: { question, sides, said } }: { turn: Turn }) {
  const marks = marksOf(said.value);
  const item = useRef<HTMLLIElement>(null);
  const isOver = sides.every((side) => said.value[side]?.answer);
  // The newest answers are in sight when they begin and when they are whole.
  useEffect(() => item.current?.scrollIntoView({ block: "nearest" }), [isOver]);
  return (
    <li class="chat-turn" ref={item}>
      <p class="chat-question">{question}</p>
      <div class={`chat-answers ${sides.length > 1 ? "two" : ""}`}>
        {sides.map((side) => (
          <AnswerView key={side} side={side} said={said.value[side]} marks={marks[side]} />
        ))}
      </div>
    </li>
  );
}

function AnswerView(
  { side, said, marks }: { side: Side; said: Said | undefined; marks: boolean[] | undefined },
) {
  const { pieces = [], answer } = said ?? {};
  return (
    <article class={`chat-answer ${side}`} aria-label={words.sides[side]} aria-busy={!answer}>
      <h3>{words.sides[side]}</h3>
      <p class="chat-text">
        {runsOf(pieces, marks).map(({ marked, said }, i) =>
          marked ? <mark key={i}>{said}</mark> : <span key={i}>{said}</span>
        )}
        {!answer && <span class="chat-caret" aria-hidden="true" />}
        {answer && answer.text === "" && <em class="quiet">{words.nothing}</em>}
      </p>
      <p class="chat-figures quiet">{answer ? figures(answer) : words.answering(pieces.length)}</p>
    </article>
  );
}

/** Pieces that are marked alike as one element. */
function runsOf(
  pieces: readonly Piece[],
  marks: readonly boolean[] = [],
): { marked: boolean; said: string }[] {
  const runs: { marked: boolean; said: string }[] = [];
  pieces.forEach(({ text }, i) => {
    const marked = marks[i] === true;
    const last = runs.at(-1);
    if (last?.marked === marked) last.said += text;
    else runs.push({ marked, said: text });
  });
  return runs;
}

/** While both are speaking, they are compared as far as both have come. */
function marksOf({ base, tuned }: Partial<Record<Side, Said>>): Partial<Record<Side, boolean[]>> {
  if (!base || !tuned) return {};
  const isOver = base.answer && tuned.answer;
  const length = isOver ? Infinity : Math.min(base.pieces.length, tuned.pieces.length);
  const keys = (said: Said) => said.pieces.slice(0, length).map(({ tokens }) => tokens.join());
  const [a, b] = differences(keys(base), keys(tuned));
  return { base: a, tuned: b };
}

function figures(
  { tokens, tokensPerSecond, firstSeconds, endedBy }: Answer,
): string {
  return [
    words.tokens(tokens),
    ...(tokensPerSecond > 0 ? [words.speed(tokensPerSecond)] : []),
    ...(tokens > 0 ? [words.first(firstSeconds)] : []),
    ...(endedBy === "stop" ? [] : [words.endedBy[endedBy]]),
  ].join(" · ");
}
