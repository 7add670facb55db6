// Where a run is started, watched, and gone on with after a reload.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { duration } from "../../parts/format.ts";
import { messageOf, Notice } from "../../parts/notice.tsx";
import { route } from "../../routes.ts";
import { text } from "../../text.ts";
import { Plan } from "../plan/view.tsx";
import { BatchView } from "./batch.tsx";
import { Again, Controls, Status } from "./controls.tsx";
import { CurvesView } from "./curves_view.tsx";
import { Log, Notes } from "./log.tsx";
import { Result } from "./result.tsx";
import { Samples } from "./samples.tsx";
import {
  elsewhere,
  failure,
  lookElsewhere,
  notice,
  onSite,
  openRun,
  phase,
  record,
  running,
  spoken,
  startRun,
} from "./state.ts";
import "./train.css";
import { slowed } from "./watch.ts";

const words = text.train;

/** Said of a run that the address names and this browser does not have. */
const missing = signal("");

/** Milliseconds between two looks at a run in another tab. */
const lookEvery = 2000;

export default function Train() {
  const { rest } = route.value;
  useEffect(() => {
    missing.value = "";
    if (!running.value) void openNamed(rest);
    const timer = setInterval(() => {
      if (!running.value) void look(elsewhere.value);
    }, lookEvery);
    return () => clearInterval(timer);
  }, [rest]);
  const shown = record.value;
  const first = running.value || shown && shown.state !== "failed";
  return (
    <div class="train">
      <h1>{words.title}</h1>
      <p class="visually-hidden" role="status">{spoken}</p>
      {failure.value && <Notice kind="error">{failure.value}</Notice>}
      {missing.value && <Notice kind="error">{missing.value}</Notice>}
      {notice.value && <Notice kind="info">{notice.value}</Notice>}
      {slowed.value && (
        <Notice kind="warning">
          {words.slowed(seconds(slowed.value.hidden), seconds(slowed.value.visible))}
        </Notice>
      )}
      {first && <Run />}
      {!running.value && <Before />}
      {!first && <Run />}
    </div>
  );
}

function seconds(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : duration(milliseconds / 1000);
}

/** Opens the run that the address names, or, where it names none, what `look` finds. */
async function openNamed(id: string): Promise<void> {
  const found = await look(id || undefined);
  if (!found && id !== "") missing.value = words.gone(id);
}

/** Looks at other tabs and opens a run, the newest when none is shown yet; false where it is not kept. */
async function look(id: string | undefined): Promise<boolean> {
  try {
    await lookElsewhere();
    const wanted = id ?? elsewhere.value;
    return wanted === undefined && record.value !== undefined || await openRun(wanted);
  } catch (error) {
    failure.value = messageOf(error);
    return true;
  }
}

/** What will happen, and the button that makes it happen. */
function Before() {
  const other = elsewhere.value !== undefined;
  return (
    <section>
      <Plan />
      <p>
        <button
          id="start"
          type="button"
          class="primary"
          disabled={other}
          onClick={() => startRun()}
        >
          {record.value ? words.startAgain : words.start}
        </button>
      </p>
    </section>
  );
}

function Run() {
  const shown = record.value;
  if (!shown) return running.value ? <Live /> : null;
  const { id, name, step, steps, state, message } = shown;
  const isElsewhere = elsewhere.value === id;
  const isCutOff = state === "running" && !running.value && !isElsewhere;
  const label = phase.value === "paused"
    ? words.state.paused
    : isElsewhere
    ? words.state.elsewhere
    : isCutOff
    ? words.state.cutOff
    : words.state[state];
  return (
    <section class="run" aria-labelledby="run-title">
      <h2 id="run-title" class="row">
        {name} <span id="state" class={`chip ${isCutOff ? "cut-off" : state}`}>{label}</span>
      </h2>
      {running.value ? <Live /> : <Status />}
      {isElsewhere && <Notice kind="info">{words.goneOnElsewhere(name)}</Notice>}
      {isCutOff && <Notice kind="warning">{words.cutOff(step, steps)}</Notice>}
      {!running.value && state === "stopped" && (
        <Notice kind="info">{words.stopped(step, steps)}</Notice>
      )}
      {!running.value && state === "failed" && message && !failure.value && (
        <Notice kind="error">{message}</Notice>
      )}
      {!running.value && !isElsewhere && !onSite.value && state !== "finished" && <Again id={id} />}
      {!running.value && (state === "finished" || state === "stopped") && <Result id={id} />}
      <CurvesView />
      <BatchView />
      <Samples />
      <Notes />
      <Log />
    </section>
  );
}

function Live() {
  return (
    <>
      <Status />
      <Controls />
    </>
  );
}
