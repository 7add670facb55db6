// What a run has said in words, which checkpoints lie ready, and its numbers as a table.

import { useState } from "preact/hooks";
import { text } from "../../text.ts";
import { hasValues, type Measure } from "./curves.ts";
import { checkpoints, curves, notes, version } from "./state.ts";
import { shortNumber } from "../../parts/format.ts";

const words = text.train;

export function Notes() {
  return (
    <>
      {notes.value.length > 0 && (
        <section aria-labelledby="notes-title">
          <h3 id="notes-title">{words.notes}</h3>
          <ul id="notes" class="plain-list">
            {notes.value.map((note) => <li key={note} class="notice">{note}</li>)}
          </ul>
        </section>
      )}
      {checkpoints.value.length > 0 && (
        <p id="checkpoints">
          <strong>{words.checkpoints}</strong>:{" "}
          {checkpoints.value.map(({ step }) => words.checkpoint(step)).join(", ")}
        </p>
      )}
    </>
  );
}

/** Rows of the table; a longer one would slow the page. */
const most = 200;

export function Log() {
  const [open, setOpen] = useState(false);
  return (
    <details id="log" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>{words.log}</summary>
      {open && <Table />}
    </details>
  );
}

function Table() {
  version.value;
  const all = curves.step.length;
  const rows = Array.from({ length: Math.min(all, most) }, (_, i) => all - 1 - i);
  const columns = (Object.keys(words.measures) as Measure[]).filter((each) =>
    hasValues(curves[each])
  );
  return (
    <>
      {all > most && <p class="quiet">{words.logShort(most)}</p>}
      <div class="scroll log" tabIndex={0} role="region" aria-label={words.log}>
        <table>
          <thead>
            <tr>
              <th scope="col" class="number">{words.step}</th>
              <th scope="col" class="number">{words.epoch}</th>
              <th scope="col" class="number">{words.seconds}</th>
              {columns.map((each) => (
                <th scope="col" class="number" key={each}>{words.measures[each]}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={curves.step[row]}>
                <td class="number">{curves.step[row]}</td>
                <td class="number">{shown(curves.epoch[row], 2)}</td>
                <td class="number">{shown(curves.seconds[row], 1)}</td>
                {columns.map((each) => <td class="number" key={each}>{shown(curves[each][row])}
                </td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function shown(value: number | null | undefined, digits?: number): string {
  if (value === null || value === undefined) return words.none;
  return digits === undefined ? shortNumber(value) : value.toFixed(digits);
}
