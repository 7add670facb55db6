// Dropping, pasting, listing and deleting data files.

import { signal } from "@preact/signals";
import { DeleteButton } from "../../parts/delete_button.tsx";
import { bytes, percent } from "../../parts/format.ts";
import { Drop } from "../../parts/drop.tsx";
import { Notice } from "../../parts/notice.tsx";
import { text } from "../../text.ts";
import { cancelCopy, configured, copying, failure, files, keepFiles } from "./state.ts";
import { look, removeFile } from "./state.ts";

const words = text.data;
const pasting = signal(false);
const pasted = signal("");
const pastedName = signal("");

export function Files() {
  return (
    <section aria-labelledby="files-title">
      <h2 id="files-title" class="visually-hidden">{words.files}</h2>
      <Drop label={words.choose} onFiles={keepFiles}>
        <p class="quiet">{words.dropHint}</p>
        <button
          type="button"
          aria-expanded={pasting.value}
          onClick={() => pasting.value = !pasting.value}
        >
          {words.paste}
        </button>
      </Drop>
      {pasting.value && <Paste />}
      {copying.value && <Copying />}
      {failure.value && <Notice kind="error">{failure}</Notice>}
      {files.value.length > 0 && <List />}
    </section>
  );
}

function Copying() {
  const { path, written, total } = copying.value!;
  return (
    <div class="row copying" role="status">
      <span>{words.copying(path)}</span>
      <progress aria-label={words.copying(path)} value={written} max={Math.max(1, total)} />
      <span class="quiet">{total > 0 ? percent(written / total) : ""}</span>
      <button type="button" onClick={cancelCopy}>{words.cancel}</button>
    </div>
  );
}

function Paste() {
  const name = pastedName.value || `pasted.${kindOf(pasted.value)}`;
  const isEmpty = pasted.value.trim() === "";
  const keep = () => {
    keepFiles([[name, new File([pasted.value], name)]]);
    pasted.value = pastedName.value = "";
    pasting.value = false;
  };
  return (
    <div class="card paste">
      <label class="field">
        {words.pasteLabel}
        <textarea
          id="pasted"
          rows={6}
          spellcheck={false}
          value={pasted.value}
          onInput={({ currentTarget }) => pasted.value = currentTarget.value}
        />
      </label>
      <div class="row">
        <label class="field">
          {words.pasteName}
          <input
            value={name}
            onInput={({ currentTarget }) => pastedName.value = currentTarget.value}
          />
        </label>
        <button type="button" class="primary" disabled={isEmpty} onClick={keep}>
          {words.pasteKeep}
        </button>
      </div>
    </div>
  );
}

/** What a pasted text looks like. */
function kindOf(pasted: string): string {
  const start = pasted.trimStart();
  if (start === "") return "jsonl";
  if (start.startsWith("[")) return "json";
  if (start.startsWith("{")) return "jsonl";
  const [first, second = ""] = start.split("\n");
  if (first.includes("\t") && second.includes("\t")) return "tsv";
  return first.includes(",") && second.includes(",") ? "csv" : "txt";
}

function List() {
  return (
    <div class="scroll" role="region" aria-label={words.files} tabIndex={0}>
      <table class="files">
        <thead>
          <tr>
            <th scope="col">{words.file}</th>
            <th scope="col" class="number">{words.size}</th>
            <th scope="col">
              <span class="visually-hidden">{words.actions}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {files.value.map(({ name, size, isFolder }) => {
            const isUsed = configured.value.some(({ entry }) => entry.path === `data/${name}`);
            return (
              <tr key={name}>
                <th scope="row">
                  <button type="button" class="link" onClick={() => look({ path: `data/${name}` })}>
                    {name}
                    {isFolder ? "/" : ""}
                  </button>
                  {isUsed && <span class="tag">{words.used}</span>}
                </th>
                <td class="number">{bytes(size)}</td>
                <td class="number">
                  <div class="row actions">
                    <DeleteButton name={name} onDelete={() => removeFile(name)} />
                  </div>
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
