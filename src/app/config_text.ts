// Edits to the text of a configuration that leave every other character as it is: comments, blank
// lines, the way that numbers and lists are written.

import { isMap, isNode, isScalar, type Pair, parseDocument, type Range, stringify } from "yaml";

export type Path = (string | number)[];
/** A key and its new value; undefined removes it. */
export type Change = [path: Path, value: unknown];

/** The text with the changes, or undefined where it is not a YAML mapping. */
export function editKeys(text: string, changes: readonly Change[]): string | undefined {
  if (readYaml(text) === undefined && !isBlank(text)) return undefined;
  for (const [path, value] of changes) {
    const edited = editPlain(text, path, value);
    // The plain edit knows the usual layouts; the library rewrites the whole, whatever the layout.
    text = edited !== undefined && readYaml(edited) !== undefined
      ? edited
      : rewrite(text, path, value);
  }
  return text;
}

/** The configuration as plain data, or undefined where the text is not a YAML mapping. */
export function readYaml(text: string): Record<string, unknown> | undefined {
  const document = parseDocument(text, { merge: true });
  if (document.errors.length > 0 || !isMap(document.contents)) return undefined;
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch {
    return undefined; // an alias without an anchor
  }
}

/** What to replace in `before` to get `after`. */
export function difference(before: string, after: string) {
  let from = 0;
  while (from < before.length && before[from] === after[from]) from++;
  let end = 0;
  const most = Math.min(before.length, after.length) - from;
  while (end < most && before.at(-1 - end) === after.at(-1 - end)) end++;
  return { from, to: before.length - end, insert: after.slice(from, after.length - end) };
}

function isBlank(text: string): boolean {
  return parseDocument(text).contents === null;
}

function editPlain(text: string, path: Path, value: unknown): string | undefined {
  const { contents } = parseDocument(text);
  const [key, ...below] = path;
  if (contents === null) return value === undefined ? text : append(text, key, value, below);
  if (!isMap(contents) || contents.flow || text[contents.range![0] - 1]?.trim()) return undefined;
  const pair = contents.items.find((each) => isScalar(each.key) && each.key.value === key);
  if (below.length > 0) {
    const node = contents.getIn(path, true);
    const plain = inline(value);
    if (!isPlainScalar(node) || plain === undefined) {
      return pair ? undefined : append(text, key, value, below);
    }
    return splice(text, node.range![0], node.range![1], plain);
  }
  if (!pair) return value === undefined ? text : append(text, key, value, below);
  const [from, end] = extent(text, pair);
  if (value === undefined) {
    const lineEnd = text[end - 1] === "\n" ? end : text.indexOf("\n", end) + 1 || text.length;
    return splice(text, text.lastIndexOf("\n", from - 1) + 1, lineEnd, "");
  }
  const plain = inline(value);
  if (plain !== undefined && isPlainScalar(pair.value)) {
    return splice(text, pair.value.range![0], pair.value.range![1], plain);
  }
  if (plain !== undefined && isEmpty(pair.value)) {
    const colon = text.indexOf(":", (pair.key as { range: Range }).range[1]) + 1;
    return splice(text, colon, colon, ` ${plain}`);
  }
  const written = stringify({ [key]: value }, { lineWidth: 0 });
  return splice(text, from, end, text[end - 1] === "\n" ? written : written.trimEnd());
}

/** A new key goes to the end. */
function append(
  text: string,
  key: string | number,
  value: unknown,
  below: Path,
): string | undefined {
  if (below.length > 0 || /^\.\.\.\s*$/m.test(text)) return undefined;
  const start = text === "" || text.endsWith("\n") ? text : `${text}\n`;
  return start + stringify({ [key]: value }, { lineWidth: 0 });
}

/** From the first character of a key to the last of its value. */
function extent(text: string, pair: Pair): [number, number] {
  const [from, keyEnd] = (pair.key as { range: Range }).range;
  const colon = text.indexOf(":", keyEnd) + 1;
  const end = isNode(pair.value) && pair.value.range ? pair.value.range[1] : colon;
  return [from, Math.max(colon, end)];
}

/** A scalar in its line, without anchor or tag, that has text. */
function isPlainScalar(node: unknown): node is { range: Range } {
  return isScalar(node) && !node.anchor && !node.tag && !!node.range &&
    node.range[1] > node.range[0] && node.type !== "BLOCK_LITERAL" && node.type !== "BLOCK_FOLDED";
}

/** What follows `key:` when nothing does. */
function isEmpty(node: unknown): boolean {
  return !node || isScalar(node) && !node.anchor && !node.tag && node.range![0] === node.range![1];
}

/** A value in one line, where it is a scalar. */
function inline(value: unknown): string | undefined {
  if (value === undefined || typeof value === "object" && value !== null) return undefined;
  const written = stringify(value, { lineWidth: 0 }).trimEnd();
  return written.includes("\n") ? undefined : written;
}

function splice(text: string, from: number, to: number, insert: string): string {
  return text.slice(0, from) + insert + text.slice(to);
}

function rewrite(text: string, path: Path, value: unknown): string {
  const document = parseDocument(text);
  if (value === undefined) document.deleteIn(path);
  else document.setIn(path, document.createNode(value));
  return document.toString({ lineWidth: 0 });
}
