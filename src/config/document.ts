// The YAML text as a document that remembers where each value stands, so that every message about a
// value can point at its line and column.
import {
  type Document,
  isMap,
  isNode,
  isScalar,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from "yaml";
import { EftError, type Place } from "../errors.ts";

export type Path = (string | number)[];

/** Enough for anchors that a person writes; a "billion laughs" file needs far more. */
const MAX_ALIASES = 100;
/** Characters; the longest example of Axolotl has 4,000. */
const MAX_LENGTH = 200_000;
/** Mappings and lists within one another; a configuration has four. */
const MAX_DEPTH = 50;
const TOO_DEEP = "the YAML nests lists and mappings too deeply; a configuration needs four levels.";

export class ConfigDocument {
  readonly document: Document;
  readonly #file: string;
  readonly #lines = new LineCounter();

  /** Throws an EftError for text that is not one YAML mapping. */
  constructor(text: string, file: string) {
    this.#file = file;
    const fail = (message: string) => new EftError("config", message, { file });
    if (text.length > MAX_LENGTH) {
      throw fail(
        `the file has ${text.length} characters, which no configuration needs; is it data?`,
      );
    }
    // `merge` for `<<: *anchor`, which PyYAML, and so Axolotl, understands.
    try {
      this.document = parseDocument(text, {
        lineCounter: this.#lines,
        prettyErrors: false,
        merge: true,
        uniqueKeys: false, // the library compares every key with every other
      });
    } catch (error) {
      if (error instanceof RangeError) throw fail(TOO_DEEP); // the stack is full
      throw fail(`the YAML cannot be read: ${(error as Error).message}.`);
    }
    const [error] = [...this.document.errors, ...this.document.warnings];
    if (error) {
      const place = this.#place(error.pos[0]);
      throw new EftError("config", this.#explain(error.code, error.message), place);
    }
    try {
      this.#checkUnique(this.document.contents);
    } catch (error) {
      throw error instanceof RangeError ? fail(TOO_DEEP) : error;
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

  #explain(code: string, message: string): string {
    if (code === "MULTIPLE_DOCS") return "the file holds several YAML documents; expected one.";
    if (/^Implicit map keys need/.test(message)) {
      return "the YAML cannot be read: expected `key: value`, found a line without its colon.";
    }
    return `the YAML cannot be read: ${message}.`;
  }

  /** Throws for a key that a mapping holds twice. */
  #checkUnique(root: unknown) {
    visit(root as Node, {
      Map: (_, map) => {
        const seen = new Set<unknown>();
        for (const { key } of map.items) {
          if (!isScalar(key) || key.value === "<<") continue;
          const name = String(key.value);
          if (seen.has(name)) {
            throw new EftError(
              "config",
              `\`${name}\` is set twice; keep one of the two lines.`,
              this.#place(key.range?.[0] ?? 0),
            );
          }
          seen.add(name);
        }
      },
    });
  }

  /** The plain value of the whole document. */
  toValue(): Record<string, unknown> {
    try {
      const value = this.document.toJS({ maxAliasCount: MAX_ALIASES });
      if (depth(value) > MAX_DEPTH) {
        throw new EftError("config", TOO_DEEP, { file: this.#file }); // or an anchor within itself
      }
      return value;
    } catch (error) {
      if (error instanceof EftError) throw error;
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

/** How many mappings and lists stand within one another, at most one more than allowed. */
function depth(value: unknown, above = 0): number {
  if (typeof value !== "object" || value === null || above > MAX_DEPTH) return above;
  return Object.values(value).reduce(
    (most: number, each) => most > MAX_DEPTH ? most : Math.max(most, depth(each, above + 1)),
    above + 1,
  );
}
