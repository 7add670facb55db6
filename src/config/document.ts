// The YAML text as a document that remembers where each value stands, so that every message about a
// value can point at its line and column.
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from "yaml";
import { EftError, type Place } from "../errors.ts";

export type Path = (string | number)[];

/** Enough for anchors that a person writes; a "billion laughs" file needs far more. */
const MAX_ALIASES = 100;

export class ConfigDocument {
  readonly document: Document;
  readonly #file: string;
  readonly #lines = new LineCounter();

  /** Throws an EftError for text that is not one YAML mapping. */
  constructor(text: string, file: string) {
    this.#file = file;
    // `merge` for `<<: *anchor`, which PyYAML, and so Axolotl, understands.
    this.document = parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      merge: true,
    });
    const [error] = this.document.errors;
    if (error) {
      const place = this.#place(error.pos[0]);
      throw new EftError("config", this.#explain(error.code, error.message, error.pos), place);
    }
    const { contents } = this.document;
    if (contents === null || (isScalar(contents) && contents.value === null)) {
      throw new EftError(
        "config",
        "the file is empty; it needs at least base_model and datasets.",
        {
          file,
        },
      );
    }
    if (!isMap(contents)) {
      throw new EftError("config", "expected `key: value` lines, found something else.", {
        file,
        line: 1,
        column: 1,
      });
    }
  }

  #explain(code: string, message: string, pos: [number, number]): string {
    if (code === "DUPLICATE_KEY") {
      const key = this.#duplicateKey(pos[0]);
      return `${key ? `\`${key}\`` : "this key"} is set twice; keep one of the two lines.`;
    }
    if (code === "MULTIPLE_DOCS") return "the file holds several YAML documents; expected one.";
    return `the YAML cannot be read: ${message}.`;
  }

  #duplicateKey(offset: number): string | undefined {
    let found: string | undefined;
    const search = (node: unknown) => {
      if (!isMap(node)) return;
      for (const { key, value } of node.items) {
        if (isScalar(key) && key.range?.[0] === offset) found = String(key.value);
        search(value);
      }
    };
    search(this.document.contents);
    return found;
  }

  /** The plain value of the whole document. */
  toValue(): Record<string, unknown> {
    try {
      return this.document.toJS({ maxAliasCount: MAX_ALIASES });
    } catch (error) {
      const reason = (error as Error).message;
      throw new EftError(
        "config",
        reason.startsWith("Unresolved alias")
          ? `the YAML cannot be read: ${reason}.`
          : `the file repeats its anchors (&, *) more than ${MAX_ALIASES} times; write them out.`,
        { file: this.#file },
        { cause: error },
      );
    }
  }

  /** Where the key (or list entry) at a path stands; if it is not written, its nearest parent. */
  place(path: Path, what: "key" | "value" = "value"): Place {
    for (let depth = path.length; depth > 0; depth--) {
      const parent = depth === 1
        ? this.document.contents
        : this.document.getIn(path.slice(0, depth - 1), true);
      const name = path[depth - 1]!;
      const exact = depth === path.length;
      if (isMap(parent)) {
        const pair = parent.items.find(({ key }) => isScalar(key) && key.value === name);
        const wanted = what === "value" && exact && hasText(pair?.value) ? pair?.value : pair?.key;
        if (isNode(wanted) && wanted.range) return this.#place(wanted.range[0]);
      }
      const node = this.document.getIn(path.slice(0, depth), true);
      if (isNode(node) && node.range) return this.#place(node.range[0]);
    }
    return { file: this.#file };
  }

  #place(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.#file, line, column: col };
  }
}

/** An empty value (`key:`) has a range, but nothing to point at. */
function hasText(node: unknown): boolean {
  return isNode(node) && !!node.range && node.range[1] > node.range[0];
}
