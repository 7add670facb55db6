// The line that questions are written on. Enter sends, Shift+Enter begins a new line.

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { text } from "../../text.ts";
import { answering, ask, newConversation, stop, turns } from "./state.ts";

const words = text.chat;

export function Composer({ disabled }: { disabled: boolean }) {
  const draft = useSignal("");
  const field = useRef<HTMLTextAreaElement>(null);
  const isReady = !disabled && !answering.value && draft.value.trim() !== "";
  const send = async () => {
    if (!isReady) return;
    const question = draft.value;
    draft.value = "";
    field.current?.focus();
    const isAnswered = await ask(question);
    if (!isAnswered && draft.value === "") draft.value = question; // nobody should type it again
  };
  return (
    <form
      class="chat-composer card"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <label class="field" for="question">{words.question}</label>
      <textarea
        id="question"
        ref={field}
        rows={2}
        value={draft.value}
        aria-describedby="question-keys"
        onInput={({ currentTarget }) => draft.value = currentTarget.value}
        onKeyDown={(event) => {
          // While a word is being composed, Enter belongs to the input method.
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          void send();
        }}
      />
      <div class="row">
        {answering.value
          ? <button type="button" id="stop" class="primary" onClick={stop}>{words.stop}</button>
          : (
            <button
              type="submit"
              id="send"
              class="primary"
              disabled={!isReady}
            >
              {words.send}
            </button>
          )}
        <button
          type="button"
          id="new-conversation"
          disabled={turns.value.length === 0 || answering.value}
          onClick={() => {
            newConversation();
            field.current?.focus();
          }}
        >
          {words.newConversation}
        </button>
        <span class="quiet chat-keys" id="question-keys">{words.keys}</span>
      </div>
    </form>
  );
}
