// What the model makes of the same prompts as training goes on (`generate_samples`).

import type { SampleEvent } from "../../../train/events.ts";
import { text } from "../../text.ts";
import { samples } from "./state.ts";

const words = text.train;

/** The texts by prompt, in the order of the run, and all steps that have some. */
function tableOf(events: readonly SampleEvent[]) {
  const steps = [...new Set(events.map(({ step }) => step))].sort((a, b) => a - b);
  const rows = new Map<string, { expected: string; texts: Map<number, string> }>();
  for (const { prompt, expected, step, generated } of events) {
    const row = rows.get(prompt) ?? { expected, texts: new Map() };
    row.texts.set(step, generated);
    rows.set(prompt, row);
  }
  return { steps, rows };
}

/** Prompts begin alike (a template), so their ends are shown. */
function endOf(prompt: string): string {
  const words = prompt.trim().split(/\s+/);
  return words.length > 16 ? `… ${words.slice(-16).join(" ")}` : words.join(" ");
}

export function Samples() {
  if (samples.value.length === 0) return null;
  const { steps, rows } = tableOf(samples.value);
  return (
    <section aria-labelledby="samples-title">
      <h3 id="samples-title">{words.samples}</h3>
      <div class="scroll" tabIndex={0} role="region" aria-labelledby="samples-title">
        <table class="samples">
          <thead>
            <tr>
              <th scope="col">{words.prompt}</th>
              {steps.map((step) => <th scope="col" key={step}>{words.atStep(step)}</th>)}
              <th scope="col">{words.expected}</th>
            </tr>
          </thead>
          <tbody>
            {[...rows].map(([prompt, { expected, texts }]) => (
              <tr key={prompt}>
                <th scope="row" title={prompt}>{endOf(prompt)}</th>
                {steps.map((step) => <td key={step}>{texts.get(step)?.trim() ?? words.none}</td>)}
                <td class="quiet">{expected.trim()}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
