// How the editor looks: the page's own colours, which follow light and dark.

import { EditorView } from "@codemirror/view";

const raised = {
  border: "1px solid var(--line)",
  borderRadius: "var(--radius)",
  background: "var(--raised)",
  color: "var(--text)",
  boxShadow: "0 4px 16px rgb(0 0 0 / 18%)",
};

export const editorTheme = EditorView.theme({
  "&": {
    height: "100%",
    border: "1px solid var(--line)",
    borderRadius: "var(--radius)",
    background: "var(--raised)",
    color: "var(--text)",
    font: "0.875rem/1.55 var(--mono)",
    overflow: "hidden",
  },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "1px" },
  ".cm-scroller": { font: "inherit", overflow: "auto" },
  ".cm-content": { caretColor: "var(--accent)", padding: "0.5rem 0" },
  ".cm-cursor": { borderLeftColor: "var(--accent)", borderLeftWidth: "2px" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground":
    { background: "color-mix(in srgb, var(--accent) 25%, transparent)" },
  ".cm-gutters": {
    background: "var(--raised)",
    color: "var(--quiet)",
    border: "none",
    paddingLeft: "0.25rem",
  },
  ".cm-activeLine": { background: "color-mix(in srgb, var(--accent) 6%, transparent)" },
  ".cm-activeLineGutter": { background: "none", color: "var(--text)" },
  ".cm-selectionMatch": { background: "color-mix(in srgb, var(--accent) 14%, transparent)" },
  "&.cm-focused .cm-matchingBracket": { background: "var(--accent-soft)" },
  ".cm-tooltip": { ...raised, maxWidth: "min(30rem, 92vw)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": {
    font: "inherit",
    maxHeight: "16rem",
    minWidth: "min(18rem, 80vw)",
  },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "0.2rem 0.6rem" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": {
    background: "var(--accent-soft)",
    color: "var(--text)",
  },
  ".cm-completionMatchedText": { color: "var(--accent)", textDecoration: "none", fontWeight: 600 },
  ".cm-completionDetail": { color: "var(--quiet)", fontStyle: "normal", marginLeft: "0.75rem" },
  ".cm-tooltip.cm-completionInfo": { padding: 0 },
  ".explain": { padding: "0.5rem 0.75rem", fontFamily: "system-ui, sans-serif" },
  ".explain p": { margin: "0 0 0.25rem" },
  ".explain p:first-child": { color: "var(--quiet)" },
  ".explain strong": { color: "var(--yaml-key)", fontFamily: "var(--mono)" },
  ".cm-diagnostic": {
    borderLeft: "4px solid var(--quiet)",
    padding: "0.4rem 0.75rem",
    fontFamily: "system-ui, sans-serif",
  },
  ".cm-diagnostic-error": { borderLeftColor: "var(--error)" },
  ".cm-diagnosticAction": {
    font: "inherit",
    background: "var(--accent)",
    color: "var(--on-accent)",
    borderRadius: "var(--radius)",
    padding: "0.15rem 0.6rem",
    marginLeft: "0.5rem",
    cursor: "pointer",
  },
  ".cm-lintRange": { backgroundImage: "none", paddingBottom: 0 },
  ".cm-lintRange-error": { textDecoration: "underline wavy var(--error) 1px" },
  ".cm-lintRange-info": { textDecoration: "underline dotted var(--quiet) 1px" },
  ".cm-lint-marker": {
    width: "0.65rem",
    height: "0.65rem",
    borderRadius: "50%",
    content: "normal",
  },
  ".cm-lint-marker-error": { background: "var(--error)" },
  ".cm-lint-marker-info": { border: "2px solid var(--quiet)" },
  ".cm-gutter-lint": { width: "1rem" },
  ".cm-gutter-lint .cm-gutterElement": { display: "grid", placeItems: "center", padding: 0 },
  ".cm-panels": { background: "var(--sunken)", color: "var(--text)", borderColor: "var(--line)" },
  ".cm-panel input, .cm-panel button": {
    font: "inherit",
    color: "inherit",
    background: "var(--raised)",
    border: "1px solid var(--line)",
    borderRadius: "var(--radius)",
    backgroundImage: "none",
  },
});
