// What a finished run gives away, each with one button; shown wherever a run is shown.

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { bytes } from "../../parts/format.ts";
import { Notice } from "../../parts/notice.tsx";
import { text } from "../../text.ts";
import type { ResultFile, ResultSummary } from "./requests.ts";
import { Saving } from "./saving.ts";
import "./result.css";

const words = text.result;

export function Result({ id }: { id: string }) {
  const summary = useSignal<ResultSummary | undefined | null>(null);
  const saving = useMemo(() => new Saving(id), [id]);
  useEffect(() => {
    summary.value = null;
    void saving.describe().then((found) => summary.value = found);
    return () => saving.cancel();
  }, [saving]);
  const { failure, done, report, offers } = saving;
  if (failure.value && !summary.value) return <Notice kind="error">{failure.value}</Notice>;
  if (summary.value === null) return <p class="quiet" role="status">{text.shell.loading}</p>;
  if (!summary.value) return <p class="quiet">{words.none}</p>;
  const result = summary.value;
  const isBusy = report.value !== undefined;
  return (
    <div class="result">
      {failure.value && <Notice kind="error">{failure.value}</Notice>}
      {done.value && <Notice kind="good">{done.value}</Notice>}
      {report.value && (
        <div class="card row result-saving">
          <label for={`saving-${id}`}>{words.saving(report.value.name)}</label>
          <progress
            id={`saving-${id}`}
            max={1}
            value={report.value.total > 0 ? report.value.done / report.value.total : undefined}
          />
          <button type="button" onClick={() => saving.cancel()}>{words.cancel}</button>
        </div>
      )}
      {offers.value.length > 0 && (
        <div class="card">
          <p>{words.mergedFiles}</p>
          <ul class="result-files">
            {offers.value.map((offer) => (
              <li key={offer.name}>
                <button type="button" class="plain" onClick={() => saving.download(offer)}>
                  {offer.name}
                </button>
                <span class="quiet">{bytes(offer.content.size)}</span>
              </li>
            ))}
          </ul>
        </div>
      )}
      <div class="grid">
        {result.kind === "adapter"
          ? (
            <>
              <Card title={words.adapter} hint={words.adapterHint(result.base)}>
                <button
                  type="button"
                  class="primary"
                  disabled={isBusy}
                  onClick={() => saving.zip(result)}
                >
                  {words.zip(bytes(sizeOf(result.files)))}
                </button>
              </Card>
              <Card
                title={words.merged}
                hint={words.mergedHint(result.base) +
                  (saving.canWriteFolders ? "" : ` ${words.mergeHere}`)}
              >
                <button
                  type="button"
                  disabled={isBusy}
                  onClick={() => saving.folder("merged", `${result.name}-merged`)}
                >
                  {words.merge}
                </button>
              </Card>
            </>
          )
          : (
            <Card title={words.model} hint={words.modelHint}>
              <button
                type="button"
                class="primary"
                disabled={isBusy}
                onClick={() =>
                  saving.canWriteFolders
                    ? saving.folder("result", result.name)
                    : saving.zip(result)}
              >
                {saving.canWriteFolders ? words.toFolder : words.zip(bytes(sizeOf(result.files)))}
              </button>
            </Card>
          )}
        <Card title={words.report} hint={words.reportHint}>
          <button type="button" disabled={isBusy} onClick={() => saving.saveReport()}>
            {words.saveReport}
          </button>
        </Card>
      </div>
      <section class="card result-card result-records">
        <h3>{words.config}</h3>
        <p class="quiet">{words.configHint}</p>
        <Files files={result.records} saving={saving} />
      </section>
      <details>
        <summary>{words.files}</summary>
        <Files files={result.files} saving={saving} />
      </details>
    </div>
  );
}

function Card(
  { title, hint, children }: { title: string; hint: string; children: ComponentChildren },
) {
  return (
    <section class="card result-card">
      <h3>{title}</h3>
      <p class="quiet">{hint}</p>
      {children}
    </section>
  );
}

function Files({ files, saving }: { files: readonly ResultFile[]; saving: Saving }) {
  return (
    <ul class="result-files">
      {files.map((file) => (
        <li key={file.path}>
          <button type="button" class="plain" onClick={() => saving.file(file)}>{file.name}</button>
          <span class="quiet">{bytes(file.size)}</span>
        </li>
      ))}
    </ul>
  );
}

function sizeOf(files: readonly ResultFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}
