// Where a text stops being JSON, and what was expected there. Browsers word this differently, and
// most of them no longer tell the position.

export interface JsonMistake {
  /** Index of the first character that does not fit; the length of the text when it ends early. */
  at: number;
  /** "expected a value, found oops" */
  message: string;
}

const SPACE = /[ \t\n\r]*/y;
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])|(?:true|false|null)(?!\w)/y;
/** As much of a string as is right. */
// deno-lint-ignore no-control-regex
const STRING = /"(?:[^"\\\x00-\x1f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y;

/** Undefined when the text is JSON. */
export function jsonMistake(text: string): JsonMistake | undefined {
  let at = 0;
  /** What closes the arrays and objects that are open. */
  const open: ("]" | "}")[] = [];
  let wanted = "a value";

  const skip = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const found = pattern.test(text);
    if (found) at = pattern.lastIndex;
    return found;
  };
  const fail = (expected: string): JsonMistake => {
    const found = text.slice(at, at + 20).split(/[\s,:{}[\]]/, 1)[0] || text[at];
    const end = `the text ends where ${expected} should be`;
    return { at, message: at >= text.length ? end : `expected ${expected}, found ${found}` };
  };

  for (;;) {
    skip(SPACE);
    const character = text[at];
    if (wanted === "the end") return character === undefined ? undefined : fail(wanted);
    const closes = open.at(-1);
    if (wanted.includes("or ") && character !== undefined && character === closes) {
      at++;
      open.pop();
    } else if (wanted.startsWith("a comma")) {
      if (character !== ",") return fail(wanted);
      at++;
      wanted = closes === "}" ? "a name in double quotes" : "a value";
      continue;
    } else if (wanted === "a colon") {
      if (character !== ":") return fail(wanted);
      at++;
      wanted = "a value";
      continue;
    } else if (character === '"') {
      skip(STRING);
      if (text[at] !== '"') {
        return at < text.length
          ? { at, message: "a line break, control character or wrong escape stands in a string" }
          : { at, message: "a string is never closed" };
      }
      at++;
      if (wanted.startsWith("a name")) {
        wanted = "a colon";
        continue;
      }
    } else if (wanted.startsWith("a name")) {
      return fail(wanted);
    } else if (character === "{" || character === "[") {
      at++;
      open.push(character === "{" ? "}" : "]");
      wanted = character === "{" ? "a name in double quotes or }" : "a value or ]";
      continue;
    } else if (!skip(SCALAR)) {
      return fail(wanted);
    }
    wanted = open.length === 0 ? "the end" : `a comma or ${open.at(-1)}`;
  }
}
