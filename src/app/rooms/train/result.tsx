// The end of a run: what came out, and its files.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { engine } from "../../engine.ts";
import { bytes, count, duration } from "../../parts/format.ts";
import { messageOf, Notice } from "../../parts/notice.tsx";
import { link } from "../../routes.ts";
import { text } from "../../text.ts";
import { runFolder } from "../runs/record.ts";
import { saveFile } from "./save.ts";
import { end } from "./state.ts";

const words = text.train;
const files = signal<{ id: string; list: { name: string; size: number }[] } | undefined>();
const failure = signal("");

export function Result({ id }: { id: string }) {
  const last = end.value;
  useEffect(() => void list(id), [id, last]);
  if (!last) return null;
  return (
    <section id="result" aria-labelledby="result-title">
      <h3 id="result-title">{words.result}</h3>
      <p id="summary">
        {words.summary(
          last.steps,
          duration(last.wall_seconds),
          last.train_loss.toFixed(4),
          count(Math.round(last.tokens_per_second)),
        )} {last.ended_by && words.endedBy[last.ended_by]}{" "}
        {last.best_step !== undefined && words.bestStep(last.best_step)}
      </p>
      <p class="row">
        <a class="button primary" href={link("chat", id)}>{words.toChat}</a>
        <a class="button" href={link("runs")}>{words.toRuns}</a>
      </p>
      {failure.value && <Notice kind="error">{failure.value}</Notice>}
      <ul class="files plain-list">
        {files.value?.id === id && files.value.list.map(({ name, size }) => (
          <li key={name}>
            <button
              type="button"
              class="plain"
              aria-label={words.download(name)}
              onClick={() => download(id, name)}
            >
              {name}
            </button>
            <span class="quiet">{bytes(size)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

async function list(id: string): Promise<void> {
  try {
    files.value = { id, list: await engine().ask("train.list", { path: folder(id) }) };
  } catch {
    files.value = undefined; // a run that failed has no result
  }
}

async function download(id: string, name: string): Promise<void> {
  failure.value = "";
  try {
    const { bytes } = await engine().ask("train.file", { path: `${folder(id)}/${name}` });
    saveFile(name, "application/octet-stream", bytes);
  } catch (error) {
    failure.value = messageOf(error);
  }
}

function folder(id: string): string {
  return `${runFolder(id)}/output`;
}
