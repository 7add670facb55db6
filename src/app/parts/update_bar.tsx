// A quiet line at the end of the page when a new version of it has arrived.

import { runGoesOn, takeUpdate, updateWaits } from "../offline.ts";
import { text } from "../text.ts";

const words = text.update;

export function UpdateBar() {
  if (!updateWaits.value) return null;
  return (
    <div class="update" role="status">
      <span>{runGoesOn.value ? words.later : words.ready}</span>
      <button type="button" disabled={runGoesOn.value} onClick={takeUpdate}>{words.reload}</button>
    </div>
  );
}
