// How the next token is chosen and how a question is put.

import type { Signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { text } from "../../text.ts";
import {
  conversational,
  format,
  maxNewTokens,
  opened,
  seed,
  temperature,
  topK,
  topP,
} from "./state.ts";

const words = text.chat.settings;

export function Settings() {
  // Open where there is room beside the conversation, closed on a phone.
  const [open] = useState(() => matchMedia("(min-width: 60rem)").matches);
  const isGreedy = temperature.value === 0;
  const context = opened.value?.context;
  return (
    <details class="card chat-settings" open={open}>
      <summary>{words.title}</summary>
      <div class="chat-fields">
        <NumberField
          name="temperature"
          value={temperature}
          max={5}
          step={0.1}
          hint={isGreedy ? words.greedy : words.drawn}
        />
        <div class="chat-numbers">
          <NumberField name="topK" value={topK} max={100000} disabled={isGreedy} />
          <NumberField
            name="topP"
            value={topP}
            min={0.01}
            max={1}
            step={0.01}
            disabled={isGreedy}
          />
          <NumberField name="seed" value={seed} max={2 ** 32 - 1} disabled={isGreedy} />
        </div>
        <NumberField
          name="maxNewTokens"
          value={maxNewTokens}
          min={1}
          max={100000}
          hint={context === undefined ? undefined : words.context(context)}
        />
        <label class="field">
          {words.format}
          <select
            id="chat-format"
            value={format.value}
            disabled={!opened.value}
            onChange={({ currentTarget: { value } }) => {
              format.value = value;
              conversational.value = value === "" ? opened.value?.conversational : undefined;
            }}
          >
            <option value="">{words.asTrained(opened.value?.format)}</option>
            {opened.value?.formats.map((name) => <option key={name} value={name}>{name}</option>)}
          </select>
        </label>
      </div>
    </details>
  );
}

interface NumberFieldProps {
  name: "temperature" | "topK" | "topP" | "seed" | "maxNewTokens";
  value: Signal<number>;
  min?: number;
  max: number;
  step?: number;
  disabled?: boolean;
  hint?: string | undefined;
}

/** A number that is taken over only when it lies in its bounds. */
function NumberField(
  { name, value, min = 0, max, step = 1, disabled = false, hint }: NumberFieldProps,
) {
  return (
    <label class="field">
      {words[name]}
      <input
        id={`chat-${name}`}
        type="number"
        min={min}
        max={max}
        step={step}
        disabled={disabled}
        value={value.value}
        aria-describedby={hint === undefined ? undefined : `chat-${name}-hint`}
        onChange={({ currentTarget }) => {
          const wanted = currentTarget.valueAsNumber;
          if (currentTarget.checkValidity() && !Number.isNaN(wanted)) value.value = wanted;
          else currentTarget.value = String(value.value);
        }}
      />
      {hint !== undefined && <span class="hint" id={`chat-${name}-hint`}>{hint}</span>}
    </label>
  );
}
