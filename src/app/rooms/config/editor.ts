// The editor of the whole YAML. It lives in a shadow root: CodeMirror then adopts its style sheets
// instead of writing <style> elements, which the page's Content-Security-Policy refuses.

import { autocompletion, closeBrackets, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { type Diagnostic, lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { EditorState, type Text, Transaction } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  hoverTooltip,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { effect } from "@preact/signals";
import type { Finding } from "../../../config/config.ts";
import { difference } from "../../config_text.ts";
import { configText } from "../../state.ts";
import { text } from "../../text.ts";
import { completeYaml, documentation } from "./editor_help.ts";
import { findings, openFiles, save } from "./state.ts";
import { editorTheme } from "./editor_theme.ts";

const colours = HighlightStyle.define([
  { tag: tags.propertyName, color: "var(--yaml-key)" },
  { tag: tags.definition(tags.propertyName), color: "var(--yaml-key)" },
  { tag: tags.string, color: "var(--yaml-string)" },
  { tag: tags.content, color: "var(--text)" },
  { tag: [tags.comment, tags.lineComment], color: "var(--quiet)", fontStyle: "italic" },
  {
    tag: [tags.punctuation, tags.separator, tags.squareBracket, tags.brace],
    color: "var(--quiet)",
  },
  { tag: [tags.labelName, tags.typeName, tags.keyword, tags.meta], color: "var(--yaml-string)" },
]);

/** Also after the room was left and came back: undo goes on over both. */
let kept: EditorState | undefined;

export interface Editor {
  view: EditorView;
  close(): void;
}

/** Opens the editor in an element, in step with the configuration's text and its findings. */
export function openEditor(element: HTMLElement): Editor {
  const root = element.shadowRoot ?? element.attachShadow({ mode: "open" });
  const view = new EditorView({ root, parent: root, state: kept ?? newState() });
  const stopText = effect(() => {
    const now = view.state.doc.toString();
    if (configText.value === now) return;
    const { from, to, insert } = difference(now, configText.value);
    view.dispatch({ changes: { from, to, insert }, annotations: Transaction.userEvent.of("form") });
  });
  const stopFindings = effect(() => {
    const { doc } = view.state;
    const found = (findings.value ?? []).flatMap((each) => diagnostic(doc, each) ?? []);
    view.dispatch(setDiagnostics(view.state, found));
  });
  return {
    view,
    close() {
      stopText();
      stopFindings();
      kept = view.state;
      view.destroy();
    },
  };
}

/** Puts the cursor at a line and column, counted from 1. */
export function goTo({ view }: Editor, line = 1, column = 1): void {
  const anchor = offsetOf(view.state.doc, line, column);
  view.dispatch({ selection: { anchor }, scrollIntoView: true });
  view.focus();
}

function newState(): EditorState {
  return EditorState.create({
    doc: configText.peek(),
    extensions: [
      lineNumbers(),
      lintGutter(),
      history(),
      drawSelection(),
      highlightActiveLine(),
      highlightSelectionMatches(),
      bracketMatching(),
      closeBrackets(),
      search({ top: true }),
      yaml(),
      syntaxHighlighting(colours),
      autocompletion({ override: [completeYaml], icons: false }),
      hoverTooltip(documentation),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({
        id: "config",
        "aria-label": text.config.editor,
        spellcheck: "false",
        autocapitalize: "off",
        tabindex: "0",
      }),
      EditorView.updateListener.of(({ docChanged, state }) => {
        if (docChanged) configText.value = state.doc.toString();
      }),
      // Escape, then Tab, leaves the editor: CodeMirror lets go of Tab for a moment after Escape.
      keymap.of([
        { key: "Mod-s", preventDefault: true, run: () => (save(), true) },
        ...completionKeymap,
        ...defaultKeymap,
        ...historyKeymap,
        ...searchKeymap,
        ...lintKeymap,
        indentWithTab,
      ]),
      EditorView.domEventHandlers({ beforeinput: typeOverSelection, drop: openDropped }),
      editorTheme,
    ],
  });
}

/** A file that is dropped on the editor is opened, not inserted. */
function openDropped(event: DragEvent): boolean {
  const files = [...event.dataTransfer?.files ?? []];
  if (files.length === 0) return false;
  event.preventDefault();
  event.stopPropagation();
  openFiles(files.map((file) => [file.name, file]));
  return true;
}

/** Chromium would keep the look of what is typed over by an inline style, which the policy refuses. */
function typeOverSelection(event: InputEvent, view: EditorView): boolean {
  const { main } = view.state.selection;
  const { data } = event;
  if (event.inputType !== "insertText" || !data || main.empty || view.composing) return false;
  event.preventDefault();
  const insert = () =>
    view.state.update(view.state.replaceSelection(data), {
      userEvent: "input.type",
      scrollIntoView: true,
    });
  const handlers = view.state.facet(EditorView.inputHandler); // closing brackets, for one
  const { from, to } = main;
  if (!handlers.some((handle) => handle(view, from, to, data, insert))) view.dispatch(insert());
  return true;
}

/** A finding at the word that it begins at. */
function diagnostic(doc: Text, finding: Finding): Diagnostic | undefined {
  const { severity, message, place, meant } = finding;
  const from = offsetOf(doc, place.line ?? 1, place.column ?? 1);
  const line = doc.lineAt(from);
  const word = /^("[^"]*"|'[^']*'|[^\s:#,[\]{}][^\s#,[\]{}]*?(?=:?(\s|$|[,\]}])))/
    .exec(line.text.slice(from - line.from))?.[0] ?? "";
  const to = Math.min(line.to, from + word.length);
  if (to > doc.length) return undefined; // the text is newer than the finding
  const fix = meant === undefined ? [] : [{
    name: text.config.change(meant),
    apply: (view: EditorView, from: number, to: number) =>
      view.dispatch({ changes: { from, to, insert: meant } }),
  }];
  return { from, to, severity: severity === "error" ? "error" : "info", message, actions: fix };
}

function offsetOf(doc: Text, line: number, column: number): number {
  const { from, to } = doc.line(Math.min(Math.max(1, line), doc.lines));
  return Math.min(to, from + column - 1);
}
