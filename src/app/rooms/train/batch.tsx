// The batch behind a point of the curve: the rows that made that step, with what was trained marked.

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { engine } from "../../engine.ts";
import { count } from "../../parts/format.ts";
import { messageOf, Notice } from "../../parts/notice.tsx";
import { text } from "../../text.ts";
import type { StepBatch } from "./requests.ts";
import { record } from "./state.ts";

const words = text.train;

const asked = signal<{ id: string; step: number } | undefined>();
const batch = signal<StepBatch | undefined>();
const failure = signal("");

export async function showBatch(step: number): Promise<void> {
  const { id, steps } = record.value!;
  step = Math.min(Math.max(1, step), steps);
  const wanted = { id, step };
  asked.value = wanted;
  failure.value = "";
  try {
    const found = await engine().ask("train.batch", wanted);
    if (asked.value === wanted) batch.value = found;
  } catch (error) {
    if (asked.value === wanted) failure.value = messageOf(error);
  }
}

function close(): void {
  asked.value = batch.value = undefined;
}

export function BatchView() {
  const section = useRef<HTMLElement>(null);
  const open = asked.value !== undefined && asked.value.id === record.value?.id;
  useEffect(() => {
    if (open) section.current!.scrollIntoView({ block: "nearest" });
  }, [open]);
  if (!open) return null;
  const { step } = asked.value!;
  const { steps } = record.value!;
  const found = batch.value;
  return (
    <section class="card batch" ref={section} aria-labelledby="batch-title">
      <div class="row between">
        <h3 id="batch-title">{words.batch} {step}</h3>
        <span class="row">
          <button type="button" disabled={step <= 1} onClick={() => showBatch(step - 1)}>
            {words.batchEarlier}
          </button>
          <button type="button" disabled={step >= steps} onClick={() => showBatch(step + 1)}>
            {words.batchLater}
          </button>
          <button type="button" class="plain" onClick={close}>{words.close}</button>
        </span>
      </div>
      {failure.value && <Notice kind="error">{failure.value}</Notice>}
      {!found && !failure.value && <p class="quiet" role="status">{words.batchReading}</p>}
      {found && <Rows {...found} />}
    </section>
  );
}

function Rows({ epoch, tokens, trainedTokens, rows }: StepBatch) {
  return (
    <>
      <p id="batch-summary" role="status">
        {words.batchSays(count(tokens), count(trainedTokens), rows.length, epoch)}
      </p>
      <ol class="scroll rows" tabIndex={0} aria-labelledby="batch-title">
        {rows.map(({ length, samples }, i) => {
          const used = samples.flat().reduce((sum, run) => sum + run.tokens, 0);
          return (
            <li key={i}>
              <p class="quiet">{words.batchRow(i + 1)}: {words.batchTokens(used, length)}</p>
              {samples.map((runs, j) => (
                <pre class="sample" key={j}>
                  {runs.map(({ text, trained }, k) =>
                    trained ? <mark key={k}>{text}</mark> : <span key={k}>{text}</span>
                  )}
                </pre>
              ))}
            </li>
          );
        })}
      </ol>
    </>
  );
}
