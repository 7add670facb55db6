// The rows that are looked at: as they were read, or as the tokens that training makes of them.

import { signal } from "@preact/signals";
import { bytes, count } from "../../parts/format.ts";
import { Notice } from "../../parts/notice.tsx";
import { text } from "../../text.ts";
import type { Cell, Preview, ShownRow } from "./requests.ts";
import { downloading, from, online, preview, previewFailure, ROWS } from "./state.ts";
import { Legend, Tokens } from "./tokens.tsx";

const words = text.data;

/** A longer cell is clipped, to so many characters. */
const LONG = 300, CLIPPED = 200;

const asTokens = signal(true);

export function Rows() {
  const found = preview.value;
  if (previewFailure.value) return <Notice kind="error">{previewFailure}</Notice>;
  if (downloading.value) return <Downloading />;
  if (!found) return <p class="quiet" role="status">{words.reading}</p>;
  if (found.elsewhere === "rows") return <Elsewhere>{words.rowsElsewhere}</Elsewhere>;
  const isTokenized = found.untokenized === undefined;
  const showTokens = asTokens.value && isTokenized;
  const isEmpty = found.rows.length === 0;
  return (
    <>
      {found.failure && <Notice kind="error">{found.failure}</Notice>}
      {found.notes.map((note) => <Notice key={note} kind="warning">{note}</Notice>)}
      {found.elsewhere === "tokenizer"
        ? <Elsewhere>{words.tokenizerElsewhere}</Elsewhere>
        : !isEmpty && found.untokenized !== undefined && (
          <Notice kind="warning">{words.untokenized(found.untokenized)}</Notice>
        )}
      {isEmpty && !found.failure && <p class="quiet">{words.noRows}</p>}
      {!isEmpty && (
        <>
          <div class="row bar">
            <div class="row" role="group" aria-label={words.view}>
              <button
                type="button"
                class="small"
                aria-pressed={showTokens}
                disabled={!isTokenized}
                onClick={() => asTokens.value = true}
              >
                {words.asTokens}
              </button>
              <button
                type="button"
                class="small"
                aria-pressed={!showTokens}
                onClick={() => asTokens.value = false}
              >
                {words.asRead}
              </button>
            </div>
            <Pager {...found} />
          </div>
          {showTokens ? <TokenRows rows={found.rows} /> : <Table preview={found} />}
        </>
      )}
    </>
  );
}

/** Nothing is asked of the network before the person has agreed to it. */
function Elsewhere({ children }: { children: string }) {
  return (
    <div class="row elsewhere">
      <Notice kind="info">{children}</Notice>
      <button type="button" onClick={() => online.value = true}>{words.download}</button>
    </div>
  );
}

function Downloading() {
  const { file, done, total } = downloading.value!;
  return (
    <div class="row copying" role="status">
      <span>{words.downloading(file)}</span>
      <progress
        aria-label={words.downloading(file)}
        {...(total ? { value: done, max: total } : {})}
      />
      <span class="quiet">{bytes(done)}</span>
    </div>
  );
}

function Pager({ from: first, more, rows }: Preview) {
  return (
    <div class="row pager">
      <span class="quiet" role="status">
        {words.rows(count(first + 1), count(first + rows.length))}
      </span>
      <button
        type="button"
        class="small"
        disabled={first === 0}
        onClick={() => from.value = Math.max(0, first - ROWS)}
      >
        {words.previous}
      </button>
      <button
        type="button"
        class="small"
        disabled={!more}
        onClick={() => from.value = first + ROWS}
      >
        {words.next}
      </button>
    </div>
  );
}

function Table({ preview: { columns, rows } }: { preview: Preview }) {
  return (
    <div class="scroll" role="region" aria-label={words.asRead} tabIndex={0}>
      <table class="rows">
        <thead>
          <tr>
            <th scope="col" class="number">{words.line}</th>
            {columns.map(({ name }) => <th key={name} scope="col">{name}</th>)}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={`${row.file}:${row.line}`}>
              <th scope="row" class="number">{row.line}</th>
              {columns.map(({ name }) => (
                <td key={name}>
                  {row.cells[name] && <Clipped cell={row.cells[name]} />}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Long cells that were opened. Cells are made anew with every preview, so none stays here long. */
const opened = signal<ReadonlySet<Cell>>(new Set());

function Clipped({ cell }: { cell: Cell }) {
  if (cell.length <= LONG) return <span class="cell">{cell.text}</span>;
  const isOpen = opened.value.has(cell);
  const left = cell.length - cell.text.length;
  return (
    <>
      <span class="cell">
        {isOpen ? cell.text : `${cell.text.slice(0, CLIPPED)}…`}
        {isOpen && left > 0 && <em class="quiet">{words.moreCharacters(count(left))}</em>}
      </span>
      <button
        type="button"
        class="small"
        aria-expanded={isOpen}
        onClick={() => {
          const next = new Set(opened.value);
          if (!next.delete(cell)) next.add(cell);
          opened.value = next;
        }}
      >
        {isOpen ? words.showLess : words.showAll(count(cell.length))}
      </button>
    </>
  );
}

function TokenRows({ rows }: { rows: ShownRow[] }) {
  return (
    <>
      <Legend />
      <ol class="token-rows">
        {rows.map((row) => (
          <li key={`${row.file}:${row.line}`}>
            {row.problem !== undefined && (
              <p class="notice error">{row.file}:{row.line}: {row.problem}</p>
            )}
            {row.samples.map((sample, i) => (
              <Tokens key={i} sample={sample} name={words.line + " " + row.line} />
            ))}
            {row.moreSamples > 0 && <p class="quiet">{words.moreSamples(count(row.moreSamples))}
            </p>}
          </li>
        ))}
      </ol>
    </>
  );
}
