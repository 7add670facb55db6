// Past runs: a list, the curves of the chosen ones over each other, and how their configurations
// differ.

import { signal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { bytes, count } from "../../parts/format.ts";
import { Notice } from "../../parts/notice.tsx";
import { go, link, route } from "../../routes.ts";
import { text } from "../../text.ts";
import { Result } from "../result/view.tsx";
import type { Measure } from "../train/curves.ts";
import { curvesOf, lastValue, Overlay } from "./overlay.tsx";
import type { ListedRun } from "./requests.ts";
import {
  configDifferences,
  events,
  failure,
  refresh,
  remove,
  runs,
  select,
  selected,
  selectedRuns,
  takeConfig,
} from "./state.ts";
import "./runs.css";

const words = text.runs;
const measure = signal<Measure>("loss");
const log = signal(false);
const deleting = signal<ListedRun | undefined>(undefined);

export default function Runs() {
  const { rest } = route.value;
  useEffect(() => {
    if (rest !== "") selected.value = [rest];
    refresh();
  }, [rest]);
  const list = runs.value;
  return (
    <>
      <h1>{words.title}</h1>
      {failure.value && <Notice kind="error">{failure.value}</Notice>}
      {list === undefined
        ? <p class="quiet" role="status">{words.reading}</p>
        : list.length === 0
        ? (
          <p>
            {words.noRuns} <a href="#/train">{words.begin}</a>
          </p>
        )
        : (
          <>
            <p id="choose-runs" class="quiet">{words.choose}</p>
            <List runs={list} />
          </>
        )}
      {selectedRuns.value.length > 0 && <Curves />}
      {selectedRuns.value.length > 1 && <Differences />}
      {selectedRuns.value.length === 1 && (
        <section aria-labelledby="take-along">
          <h2 id="take-along">{text.result.title}</h2>
          <Result id={selectedRuns.value[0].id} />
        </section>
      )}
      <Confirmation />
    </>
  );
}

function List({ runs }: { runs: ListedRun[] }) {
  const toggle = (id: string, on: boolean) =>
    select(on ? [...selected.value, id] : selected.value.filter((each) => each !== id));
  return (
    <div class="scroll">
      <table class="runs" aria-label={words.title} aria-describedby="choose-runs">
        <thead>
          <tr>
            <th scope="col">{words.columns.run}</th>
            <th scope="col">{words.columns.state}</th>
            <th scope="col" class="number">{words.columns.steps}</th>
            <th scope="col" class="number">{words.columns.loss}</th>
            <th scope="col" class="number">{words.columns.evalLoss}</th>
            <th scope="col" class="number">{words.columns.size}</th>
            <th scope="col">{words.columns.actions}</th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <tr key={run.id}>
              <th scope="row">
                <label>
                  <input
                    type="checkbox"
                    checked={selected.value.includes(run.id)}
                    onChange={({ currentTarget }) => toggle(run.id, currentTarget.checked)}
                  />
                  <span>
                    {run.name}
                    <small>{run.started ? new Date(run.started).toLocaleString() : run.id}</small>
                  </span>
                </label>
              </th>
              <td>
                {run.interrupted ? words.states.interrupted : words.states[run.state]}
                {run.message && <small>{run.message}</small>}
              </td>
              <td class="number">{count(run.step)} / {count(run.steps)}</td>
              <td class="number">{run.loss?.toFixed(4) ?? words.none}</td>
              <td class="number">{run.eval_loss?.toFixed(4) ?? words.none}</td>
              <td class="number">{bytes(run.bytes)}</td>
              <td>
                <Actions run={run} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Actions({ run }: { run: ListedRun }) {
  const take = async () => await takeConfig(run) && go("config");
  return (
    <span class="row actions">
      <a class="button" href={link("train", run.id)} aria-label={words.openOf(run.name)}>
        {words.open}
      </a>
      <button type="button" onClick={take} aria-label={words.takeConfigOf(run.name)}>
        {words.takeConfig}
      </button>
      {!run.onSite && (
        <button
          type="button"
          class="danger"
          disabled={run.state === "running" && !run.interrupted}
          onClick={() => deleting.value = run}
          aria-label={words.deleteOf(run.name)}
        >
          {words.delete}
        </button>
      )}
    </span>
  );
}

function Curves() {
  const chosen = selectedRuns.value;
  const read = events.value;
  const measured = measure.value;
  const drawn = useMemo(
    () => chosen.map(({ id, name }) => ({ id, name, curves: curvesOf(read.get(id) ?? []) })),
    [chosen, read],
  );
  const last = drawn.map(({ name, curves }) => ({
    name,
    value: lastValue(curves[measured]),
  }));
  return (
    <section aria-labelledby="curves">
      <h2 id="curves">{words.curves}</h2>
      <p class="row">
        <label class="row">
          {words.measure}
          <select
            value={measured}
            onChange={({ currentTarget }) => measure.value = currentTarget.value as Measure}
          >
            {Object.entries(words.measures).map(([value, title]) => (
              <option key={value} value={value}>{title}</option>
            ))}
          </select>
        </label>
        <label class="row">
          <input
            type="checkbox"
            checked={log.value}
            onChange={({ currentTarget }) => log.value = currentTarget.checked}
          />
          {words.log}
        </label>
      </p>
      {last.every(({ value }) => value === words.none)
        ? <p class="quiet">{words.noCurve}</p>
        : (
          <Overlay
            runs={drawn}
            measure={measured}
            log={log.value}
            label={words.curvesLabel(
              words.measures[measured],
              last.map(({ name, value }) => `${name}: ${value}`),
            )}
          />
        )}
    </section>
  );
}

function Differences() {
  const found = configDifferences.value;
  return (
    <section aria-labelledby="differences">
      <h2 id="differences">{words.differences}</h2>
      {found.length === 0
        ? <p class="quiet">{words.same}</p>
        : (
          <div class="scroll" tabIndex={0} role="region" aria-labelledby="differences">
            <table>
              <thead>
                <tr>
                  <th scope="col">{words.key}</th>
                  {selectedRuns.value.map(({ id, name }) => <th key={id} scope="col">{name}</th>)}
                </tr>
              </thead>
              <tbody>
                {found.map(({ key, values }) => (
                  <tr key={key}>
                    <th scope="row">
                      <code>{key}</code>
                    </th>
                    {values.map((value, i) => (
                      <td key={i}>
                        {value === ""
                          ? <span class="quiet">{words.missing}</span>
                          : <code>{value}</code>}
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
    </section>
  );
}

function Confirmation() {
  const dialog = useRef<HTMLDialogElement>(null);
  const run = deleting.value;
  useEffect(() => {
    if (run) dialog.current!.showModal();
  }, [run]);
  return (
    <dialog
      ref={dialog}
      onClose={() => deleting.value = undefined}
      aria-labelledby="delete-title"
    >
      {run && (
        <form method="dialog">
          <h2 id="delete-title">{words.deleteOf(run.name)}</h2>
          <p>{words.deleteWarning(bytes(run.bytes))}</p>
          <p class="row">
            <button type="submit" class="danger" onClick={() => remove(run.id)}>
              {words.delete}
            </button>
            <button type="submit" autofocus>{words.keep}</button>
          </p>
        </form>
      )}
    </dialog>
  );
}
