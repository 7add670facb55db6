// Deletes something that is kept in this browser. There is no way back, so it asks a second time.

import { useState } from "preact/hooks";
import { text } from "../text.ts";

const words = text.delete;

export interface DeleteButtonProps {
  name: string;
  disabled?: boolean;
  onDelete: () => void;
}

export function DeleteButton({ name, disabled, onDelete }: DeleteButtonProps) {
  const [asks, setAsks] = useState(false);
  if (!asks) {
    return (
      <button
        type="button"
        disabled={disabled}
        aria-label={words.named(words.delete, name)}
        onClick={() => setAsks(true)}
      >
        {words.delete}
      </button>
    );
  }
  return (
    <>
      <button
        type="button"
        class="danger"
        ref={(button) => button?.focus()}
        aria-label={words.named(words.sure, name)}
        onClick={() => {
          setAsks(false);
          onDelete();
        }}
      >
        {words.sure}
      </button>
      <button type="button" onClick={() => setAsks(false)}>{words.keep}</button>
    </>
  );
}
