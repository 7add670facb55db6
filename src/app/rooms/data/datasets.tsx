// The data sets that the configuration names, and how much of them is kept for evaluation.

import { text } from "../../text.ts";
import { addTo, type Configured, configured, setValSetSize, show, shown } from "./state.ts";
import { useTyped } from "./typed.ts";
import { readable, takeOut, trainOnly, valSetSize } from "./state.ts";

const words = text.data;

export function DataSets() {
  const isDraft = shown.value !== undefined && shown.value.key === undefined;
  return (
    <section aria-labelledby="sets-title">
      <h2 id="sets-title">{words.sets}</h2>
      {configured.value.length === 0 ? <p class="quiet">{words.noSets}</p> : (
        <ul class="sets">
          {configured.value.map((each) => <DataSet key={`${each.key}${each.index}`} each={each} />)}
        </ul>
      )}
      {isDraft && readable.value && <Choose path={shown.value!.entry.path} />}
      {configured.value.some(({ key }) => key === "datasets") && <Share />}
    </section>
  );
}

function DataSet({ each }: { each: Configured }) {
  const { key, index, entry } = each;
  const isShown = shown.value?.key === key && shown.value?.index === index;
  const type = typeof entry.type === "object" ? words.ownFormat : entry.type as string | undefined;
  return (
    <li class={isShown ? "now" : ""}>
      <button
        type="button"
        class="link"
        aria-current={isShown ? "true" : undefined}
        onClick={() => show(each)}
      >
        {entry.path}
      </button>
      <span class="tag">{words.purposes[key]}</span>
      <span class="quiet">{type ?? words.noType}</span>
      <button
        type="button"
        class="small"
        aria-label={words.takeOutName(entry.path)}
        onClick={() => takeOut(each)}
      >
        {words.takeOut}
      </button>
    </li>
  );
}

function Choose({ path }: { path: string }) {
  const hasSets = configured.value.some(({ key }) => key === "datasets");
  return (
    <div class="card choose" role="group" aria-label={words.chooseFor(path)}>
      <p role="status">{words.chooseFor(path)}</p>
      <div class="row">
        <button type="button" class="primary" onClick={trainOnly}>{words.trainOnly}</button>
        {hasSets && (
          <button type="button" onClick={() => addTo("datasets")}>{words.trainToo}</button>
        )}
        <button type="button" onClick={() => addTo("test_datasets")}>{words.evaluateOn}</button>
      </div>
    </div>
  );
}

function Share() {
  const hasTests = configured.value.some(({ key }) => key === "test_datasets");
  return (
    <label class="field share">
      {words.share}
      <input
        id="val_set_size"
        type="number"
        min="0"
        step="any"
        disabled={hasTests}
        {...useTyped(String(valSetSize.value), (text) => setValSetSize(Number(text)))}
      />
      <span class="hint">{hasTests ? words.shareTaken : words.shareHint}</span>
    </label>
  );
}
