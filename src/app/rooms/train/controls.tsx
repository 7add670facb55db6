// How far the run is, and what can be done with it now.

import { useRef } from "preact/hooks";
import { count, duration } from "../../parts/format.ts";
import { text } from "../../text.ts";
import {
  control,
  discard,
  last,
  pausedAt,
  phase,
  preparing,
  record,
  resumeRun,
  running,
  stop,
  version,
} from "./state.ts";

const words = text.train;

export function Controls() {
  const dialog = useRef<HTMLDialogElement>(null);
  const now = phase.value;
  const ending = now === "stopping" || now === "discarding";
  return (
    <>
      <div class="row" role="group" aria-label={words.run}>
        {now === "paused"
          ? (
            <>
              <button type="button" id="go-on" class="primary" onClick={() => control("goOn")}>
                {words.goOn}
              </button>
              <button type="button" id="one-step" onClick={() => control("step")}>
                {words.one}
              </button>
            </>
          )
          : (
            <button
              type="button"
              id="pause"
              disabled={now === "pausing" || ending}
              onClick={() => control("pause")}
            >
              {words.pause}
            </button>
          )}
        <button type="button" id="stop" disabled={ending} onClick={stop}>{words.stop}</button>
        <DiscardButton label={words.discard} dialog={dialog} disabled={now === "discarding"} />
      </div>
    </>
  );
}

/** For a run that does not go on: what to do with it. */
export function Again({ id }: { id: string }) {
  const dialog = useRef<HTMLDialogElement>(null);
  return (
    <p class="row">
      <button type="button" id="resume" class="primary" onClick={() => resumeRun(id)}>
        {words.goOn}
      </button>
      <DiscardButton label={words.discardRun} dialog={dialog} disabled={false} />
    </p>
  );
}

/** Asks first: there is no way back. */
function DiscardButton(
  { label, dialog, disabled }: {
    label: string;
    dialog: { current: HTMLDialogElement | null };
    disabled: boolean;
  },
) {
  return (
    <>
      <button
        type="button"
        id="discard"
        class="danger"
        disabled={disabled}
        onClick={() => dialog.current!.showModal()}
      >
        {label}
      </button>
      <dialog ref={dialog} aria-labelledby="discard-title">
        <h2 id="discard-title">{words.discardAsks}</h2>
        <p>{words.discardSays}</p>
        <div class="row">
          <button
            type="button"
            id="discard-yes"
            class="danger"
            onClick={() => {
              dialog.current!.close();
              void discard(record.value!.id);
            }}
          >
            {words.discardYes}
          </button>
          <button type="button" onClick={() => dialog.current!.close()}>{words.discardNo}</button>
        </div>
      </dialog>
    </>
  );
}

export function Status() {
  version.value;
  const { step = 0, steps = 0 } = record.value ?? {};
  const done = Math.max(step, last?.step ?? 0, pausedAt.value?.step ?? 0);
  return (
    <div class="status">
      {steps > 0 && <progress max={steps} value={done} aria-label={words.progress} />}
      <p id="status" class="row figures">{statusWords(done, steps)}</p>
    </div>
  );
}

function statusWords(done: number, steps: number) {
  const now = phase.value;
  const at = pausedAt.value;
  if (now === "stopping") return words.stopping;
  if (now === "discarding") return words.discarding;
  if (now === "paused" && at) return words.pausedAfter(at.step, at.loss?.toFixed(4));
  if (now === "pausing") return words.pausing;
  if (preparing.value) {
    const { what, done, total } = preparing.value;
    return words.preparing(what, Math.floor(100 * done / Math.max(1, total)));
  }
  if (running.value && !last) return steps > 0 ? words.compiling : words.starting;
  return (
    <>
      <strong>{words.stepOf(done, steps)}</strong>
      {last && <span>{words.lossNow(last.loss.toFixed(4))}</span>}
      {last && <span>{words.perSecond(count(Math.round(last.tokens_per_second)))}</span>}
      {last && running.value && <span>{words.left(duration(last.seconds_left))}</span>}
    </>
  );
}
