// The room of data: what is kept, what is trained on, and what training makes of it.

import { useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Notice } from "../../parts/notice.tsx";
import { configText } from "../../state.ts";
import { text } from "../../text.ts";
import { Check } from "./check.tsx";
import { DataSets } from "./datasets.tsx";
import "./data.css";
import { Files } from "./files.tsx";
import { Format } from "./format.tsx";
import { Rows } from "./rows.tsx";
import { editFailure, followConfig, listFiles, readable, readPreview, shown } from "./state.ts";

export default function Data() {
  useEffect(() => void listFiles(), []);
  useSignalEffect(() => {
    configText.value;
    void followConfig();
  });
  useSignalEffect(() => void readPreview());
  const now = shown.value;
  return (
    <div class="data">
      <h1>{text.data.title}</h1>
      <p class="lead">{text.data.lead}</p>
      <Files />
      {!readable.value && <Notice kind="error">{text.data.notYaml}</Notice>}
      {editFailure.value && <Notice kind="error">{editFailure}</Notice>}
      <DataSets />
      {now && (
        <section aria-labelledby="shown-title">
          <h2 id="shown-title" class="path">{now.entry.path}</h2>
          <Format shown={now} />
          <Rows />
        </section>
      )}
      <Check />
    </div>
  );
}
