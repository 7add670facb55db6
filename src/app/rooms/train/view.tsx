// Where a run is started and watched.

import { Notice } from "../../parts/notice.tsx";
import { text } from "../../text.ts";
import { Plan } from "../plan/view.tsx";
import { failure, running, startRun, status } from "./state.ts";

export default function Train() {
  return (
    <>
      <h1>{text.train.title}</h1>
      {!running.value && <Plan />}
      <p class="row">
        <button
          id="start"
          type="button"
          class="primary"
          disabled={running.value}
          onClick={() => startRun()}
        >
          {text.train.start}
        </button>
        <output id="status" aria-live="polite">{status}</output>
      </p>
      {failure.value && <Notice kind="error">{failure.value}</Notice>}
    </>
  );
}
