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
      <NumberField name="temperature" value={temperature} min={0} max={5} step={0.1} />
      <p class="quiet" id="greedy">{isGreedy ? words.greedy : words.drawn}</p>
      <NumberField name="topK" value={topK} min={0} max={100000} step={1} disabled={isGreedy} />
      <NumberField name="topP" value={topP} min={0.01} max={1} step={0.01} disabled={isGreedy} />
      <NumberField
        name="seed"
        value={seed}
        min={0}
        max={2 ** 32 - 1}
        step={1}
        disabled={isGreedy}
      />
      <NumberField name="maxNewTokens" value={maxNewTokens} min={1} max={100000} step={1} />
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
        <span class="hint">{words.formatHint}</span>
      </label>
      {context !== undefined && <p class="quiet">{words.context(context)}</p>}
    </details>
  );
}

interface NumberFieldProps {
  name: keyof typeof words.numbers;
  value: Signal<number>;
  min: number;
  max: number;
  step: number;
  disabled?: boolean;
}

/** A number that is taken over only when it lies in its bounds. */
function NumberField({ name, value, min, max, step, disabled }: NumberFieldProps) {
  const [label, hint] = words.numbers[name];
  return (
    <label class="field">
      {label}
      <input
        id={`chat-${name}`}
        type="number"
        min={min}
        max={max}
        step={step}
        disabled={disabled}
        value={value.value}
        aria-describedby={`chat-${name}-hint`}
        onChange={({ currentTarget }) => {
          const wanted = currentTarget.valueAsNumber;
          if (currentTarget.checkValidity() && !Number.isNaN(wanted)) value.value = wanted;
          else currentTarget.value = String(value.value);
        }}
      />
      <span class="hint" id={`chat-${name}-hint`}>{hint}</span>
    </label>
  );
}
