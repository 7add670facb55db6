// All data of the configuration, read and tokenized as training will: counts, lengths, packing,
// remarks. It takes as long as it takes, so it is asked for and can be ended.

import type { DataSummary } from "../../../data/summary.ts";
import { bytes, count, percent } from "../../parts/format.ts";
import { Notice } from "../../parts/notice.tsx";
import { configText } from "../../state.ts";
import { text } from "../../text.ts";
import { cancelCheck, checkAll, checkFailure, checking, configured, summary } from "./state.ts";

const words = text.data;

export function Check() {
  const now = checking.value;
  const done = summary.value;
  return (
    <section aria-labelledby="check-title">
      <h2 id="check-title">{words.check}</h2>
      <p class="quiet">{words.checkHint}</p>
      {now ? <Progress {...now} /> : (
        <button
          id="check"
          type="button"
          disabled={configured.value.length === 0}
          onClick={checkAll}
        >
          {words.checkAll}
        </button>
      )}
      {checkFailure.value && <Notice kind="error">{checkFailure}</Notice>}
      {done && done.of !== configText.value && <Notice kind="warning">{words.stale}</Notice>}
      {done && <Summary {...done.found} />}
    </section>
  );
}

function Progress({ rows = 0, read = 0, total }: { rows?: number; read?: number; total?: number }) {
  return (
    <div class="row copying" role="status">
      <span>{words.checked(count(rows))}</span>
      <progress
        aria-label={words.checkAll}
        {...(total ? { value: Math.min(read, total), max: total } : {})}
      />
      <span class="quiet">{total ? words.of(bytes(Math.min(read, total)), bytes(total)) : ""}</span>
      <button type="button" onClick={cancelCheck}>{words.cancel}</button>
    </div>
  );
}

function Summary(found: DataSummary) {
  const { rows, dropped, reasons, places, samples, evaluationSamples, tokens } = found;
  return (
    <div class="summary">
      <dl class="figures">
        <div>
          <dt>{words.rowsRead}</dt>
          <dd>{count(rows)}</dd>
        </div>
        <div>
          <dt>{words.droppedRows}</dt>
          <dd>{count(dropped)}</dd>
        </div>
        <div>
          <dt>{words.trainingSamples}</dt>
          <dd>{count(samples)}</dd>
        </div>
        <div>
          <dt>{words.evaluationSamples}</dt>
          <dd>{count(evaluationSamples)}</dd>
        </div>
        <div>
          <dt>{words.tokens}</dt>
          <dd>{count(tokens)}</dd>
        </div>
        <div>
          <dt>{words.trainedShare}</dt>
          <dd>{percent(found.trainedTokens / Math.max(1, tokens))}</dd>
        </div>
        <div>
          <dt>{found.packing ? words.packing : words.packingOff}</dt>
          <dd>{percent(found.packedEfficiency)}</dd>
        </div>
      </dl>
      {found.notes.map((note) => <Notice key={note} kind="warning">{note}</Notice>)}
      {found.notes.length === 0 && dropped === 0 && <Notice kind="good">{words.allWell}</Notice>}
      {dropped > 0 && (
        <>
          <h3>{words.droppedRows}</h3>
          <p>{reasons.map((each) => `${count(each.count)} ${each.words}`).join(", ")}</p>
          <ul class="places">
            {places.map((place) => (
              <li key={`${place.file}:${place.line}`}>
                <code>{place.file}:{place.line}</code> {place.words}
              </li>
            ))}
            {dropped > places.length && <li>{words.andMore(count(dropped - places.length))}</li>}
          </ul>
        </>
      )}
      <Histogram {...found} />
    </div>
  );
}

function Histogram({ lengths: { width, counts }, longest, sequenceLen }: DataSummary) {
  const highest = Math.max(...counts);
  const range = (i: number) => words.range(count(i * width), count((i + 1) * width - 1));
  // The mark of sequence_len is drawn where it is not so far away that the bars would vanish.
  const end = width * counts.length;
  const isNear = sequenceLen <= 4 * end;
  const span = isNear ? Math.max(end, sequenceLen * 1.02) : end;
  return (
    <figure class="histogram">
      <figcaption>
        <h3>{words.lengths}</h3>
        <p class="quiet">{words.lengthsHint(count(longest), count(sequenceLen))}</p>
      </figcaption>
      <svg
        viewBox={`0 0 ${span} 100`}
        preserveAspectRatio="none"
        role="img"
        aria-label={words.lengthsLabel(count(longest), count(sequenceLen))}
      >
        {counts.map((number, i) => {
          const height = 96 * number / highest;
          return (
            <rect
              key={i}
              x={i * width + 0.05 * width}
              y={100 - height}
              width={0.9 * width}
              height={height}
            >
              <title>{range(i)}: {count(number)}</title>
            </rect>
          );
        })}
        {isNear && <line x1={sequenceLen} x2={sequenceLen} y1="0" y2="100" />}
      </svg>
      <div class="axis" aria-hidden="true">
        <span>0</span>
        <span>{isNear ? words.sequenceLen(count(sequenceLen)) : count(end)}</span>
      </div>
      <details>
        <summary>{words.asTable}</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">{words.lengthColumn}</th>
              <th scope="col" class="number">{words.samplesColumn}</th>
            </tr>
          </thead>
          <tbody>
            {counts.map((number, i) => (
              <tr key={i}>
                <th scope="row">{range(i)}</th>
                <td class="number">{count(number)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}
