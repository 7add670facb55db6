// The configuration: a form for the keys that matter and the whole YAML beside it, always in step.

import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { examples, loadExamples } from "../../examples.ts";
import { codeWords } from "../../parts/code_words.tsx";
import { Drop } from "../../parts/drop.tsx";
import { Notice } from "../../parts/notice.tsx";
import { route } from "../../routes.ts";
import { configName, configSaved, configText } from "../../state.ts";
import { text } from "../../text.ts";
import { Plan } from "../plan/view.tsx";
import type { Editor } from "./editor.ts";
import { Form } from "./form.tsx";
import {
  asked,
  fail,
  findings,
  followText,
  notice,
  open,
  openFiles,
  openLink,
  replace,
  save,
  share,
  sharedLink,
} from "./state.ts";
import "./config.css";

export default function Config() {
  useEffect(followText, []);
  const packed = route.value.room.name === "config" ? route.value : undefined;
  useEffect(() => {
    if (packed?.rest) openLink(packed.rest);
  }, [packed]);
  const editor = useRef<Editor>(undefined);
  return (
    <div
      class="config"
      onDragOver={(event) => event.dataTransfer?.types.includes("Files") && event.preventDefault()}
      onDrop={(event) => {
        // A file beside the place for files is meant for it too; the browser would leave the page.
        if (event.defaultPrevented || !event.dataTransfer?.files.length) return;
        event.preventDefault();
        openFiles([...event.dataTransfer.files].map((file) => [file.name, file]));
      }}
    >
      <h1>{text.config.title}</h1>
      <Bar />
      {notice.value && <Notice kind={notice.value.kind}>{notice.value.text}</Notice>}
      {sharedLink.value && (
        <label class="field">
          {text.config.linkLabel}
          <input
            id="link"
            readOnly
            value={sharedLink.value}
            onFocus={(e) => e.currentTarget.select()}
          />
          <span class="hint">{text.config.linkHint}</span>
        </label>
      )}
      <Examples />
      <div class="columns">
        <section aria-label={text.config.form}>
          <button
            type="button"
            class="to-yaml"
            onClick={() => {
              editor.current?.view.focus();
              editor.current?.view.dom.scrollIntoView({ block: "nearest" });
            }}
          >
            {text.config.toYaml}
          </button>
          <Form />
        </section>
        <section class="yaml" aria-label={text.config.yaml}>
          <EditorView editor={editor} />
          <p class="quiet">{text.config.editorHint}</p>
          <Findings editor={editor} />
        </section>
      </div>
      <Plan compact />
      <Question />
    </div>
  );
}

function Bar() {
  const changed = configText.value !== configSaved.value;
  return (
    <Drop label={text.config.open} accept=".yml,.yaml" onFiles={openFiles}>
      <span class="quiet hint">{text.config.dropHint}</span>
      <button type="button" onClick={save}>{text.config.save}</button>
      <button type="button" onClick={share}>{text.config.share}</button>
      <span class="name">
        <code id="config-name">{configName}</code>
        {changed && <span class="quiet">{text.config.unsaved}</span>}
      </span>
    </Drop>
  );
}

function Examples() {
  return (
    <details
      class="examples"
      onToggle={(event) => event.currentTarget.open && loadExamples().catch(fail)}
    >
      <summary>{text.config.examples}</summary>
      <ul class="grid">
        {examples.value.map((each) => (
          <li key={each.name} class="card">
            <code>{each.name.replace(/^examples\//, "")}</code>
            <p>{each.about}</p>
            <button
              type="button"
              aria-label={`${text.config.useExample} ${each.name}`}
              onClick={(event) => {
                event.currentTarget.closest("details")!.open = false;
                open(each);
              }}
            >
              {text.config.useExample}
            </button>
          </li>
        ))}
      </ul>
    </details>
  );
}

/** CodeMirror comes with its own part of the page, so that the form is there at once. */
function EditorView({ editor }: { editor: RefObject<Editor | undefined> }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    import("./editor.ts").then(({ openEditor }) => {
      // The room may have been left in the meantime.
      if (place.current) editor.current = openEditor(place.current);
    }, fail);
    return () => {
      editor.current?.close();
      editor.current = undefined;
    };
  }, []);
  return <div class="editor" ref={place} />;
}

function Findings({ editor }: { editor: RefObject<Editor | undefined> }) {
  const found = findings.value;
  const errors = found?.filter(({ severity }) => severity === "error") ?? [];
  const notes = (found?.length ?? 0) - errors.length;
  return (
    <div class="findings">
      <p role="status" id="findings-count">
        {!found
          ? text.config.checking
          : found.length === 0
          ? text.config.fine
          : text.config.counted(errors.length, notes)}
      </p>
      <ul>
        {found?.map(({ severity, message, place, key }, i) => (
          <li key={`${key} ${i}`} class={severity}>
            <button
              type="button"
              class="plain"
              onClick={async () => {
                const { goTo } = await import("./editor.ts");
                if (editor.current) {
                  goTo(editor.current, place.line, place.column);
                }
              }}
            >
              {text.config.line(place.line ?? 1)}
            </button>
            <span>{codeWords(message)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Asks before a configuration that is not saved is replaced. */
function Question() {
  const dialog = useRef<HTMLDialogElement>(null);
  const next = asked.value;
  useEffect(() => {
    if (next) dialog.current!.showModal();
    else dialog.current!.close();
  }, [next]);
  return (
    <dialog
      ref={dialog}
      aria-labelledby="replace-title"
      onClose={() => asked.value = undefined}
    >
      <h2 id="replace-title">{text.config.replace.title}</h2>
      <p>{text.config.replace.text(configName.value, next?.name ?? "")}</p>
      <div class="row">
        <button type="button" class="primary" onClick={() => next && replace(next)}>
          {text.config.replace.yes}
        </button>
        <button type="button" onClick={() => dialog.current!.close()}>
          {text.config.replace.no}
        </button>
      </div>
    </dialog>
  );
}
