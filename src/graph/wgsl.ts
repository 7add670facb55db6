// Kernels are WGSL files with a few directives in comments, so that one readable file serves every
// shape and tile size. Shapes become literals here; nothing is decided again on the device.
//
//   //: for NAME in EXPR..EXPR     repeats the block, the upper bound excluded
//   //: if EXPR                    with `//: else if EXPR` and `//: else`
//   //: end
//   $NAME  ${EXPR}                 anywhere in a line
//
// EXPR: integers, "text", names, + - * / % == != < <= > >= && || ! and parentheses. `/` rounds
// towards zero, `true` and `false` are names, `&&` and `||` give booleans.

import { EftError } from "../errors.ts";

export type TemplateValue = number | string | boolean;

interface Line {
  text: string;
  number: number;
}

type Scope = Map<string, TemplateValue>;

const DIRECTIVE = /^\s*\/\/:\s*(.*?)\s*$/;
const TOKEN = /\s*(?:(\d+)|"([^"]*)"|([A-Za-z_]\w*)|(&&|\|\||[=!<>]=|[-+*/%<>!()]))/y;
const LEVELS = [["||"], ["&&"], ["==", "!="], ["<", "<=", ">", ">="], ["+", "-"], ["*", "/", "%"]];

/** Expands the directives of a template. Throws EftError("internal") that names the line. */
export function expandWgsl(source: string, values: Record<string, TemplateValue>): string {
  const lines = source.split("\n").map((text, index) => ({ text, number: index + 1 }));
  const scope: Scope = new Map(Object.entries({ true: true, false: false, ...values }));
  const out: string[] = [];
  const end = expandBlock(lines, 0, scope, out);
  if (end < lines.length) fail(lines[end]!, "nothing is open here");
  return out.join("\n");
}

function fail(line: Line, problem: string): never {
  throw new EftError("internal", `template line ${line.number}: ${problem}: ${line.text.trim()}`);
}

/** The words of a directive, or undefined for a line of WGSL. */
function directive(line: Line): string | undefined {
  return DIRECTIVE.exec(line.text)?.[1];
}

/** Expands until `else` or `end` of an outer block, or the end of the text; returns that index. */
function expandBlock(lines: Line[], start: number, scope: Scope, out: string[]): number {
  let at = start;
  while (at < lines.length) {
    const line = lines[at]!;
    const words = directive(line);
    if (words === undefined) {
      out.push(substitute(line, scope));
      at++;
    } else if (words.startsWith("for ")) {
      at = expandFor(lines, at, words, scope, out);
    } else if (words.startsWith("if ")) {
      at = expandIf(lines, at, scope, out);
    } else if (words === "end" || words === "else" || words.startsWith("else if ")) {
      return at;
    } else {
      fail(line, "unknown directive");
    }
  }
  return at;
}

function expandFor(lines: Line[], at: number, words: string, scope: Scope, out: string[]): number {
  const line = lines[at]!;
  const parts = /^for\s+([A-Za-z_]\w*)\s+in\s+(.+?)\.\.(.+)$/.exec(words);
  if (!parts) fail(line, "expected `for NAME in FROM..TO`");
  const [, name, from, to] = parts as unknown as [string, string, string, string];
  const first = Number(evaluate(from, line, scope));
  const last = Number(evaluate(to, line, scope));
  const close = skipBlock(lines, at + 1);
  if (lines[close] === undefined) fail(line, "this `for` has no `end`");
  if (directive(lines[close]!) !== "end") fail(lines[close]!, "`else` inside `for`");
  const inner = new Map(scope);
  for (let value = first; value < last; value++) {
    inner.set(name, value);
    expandBlock(lines, at + 1, inner, out);
  }
  return close + 1;
}

function expandIf(lines: Line[], at: number, scope: Scope, out: string[]): number {
  const opening = lines[at]!;
  let taken = false;
  for (;;) {
    const line = lines[at]!;
    const words = directive(line)!;
    if (words === "end") return at + 1;
    const condition = /^(?:else\s+)?if\s+(.+)$/.exec(words)?.[1];
    const holds: boolean = !taken &&
      (condition === undefined || truth(evaluate(condition, line, scope)));
    at = holds ? expandBlock(lines, at + 1, scope, out) : skipBlock(lines, at + 1);
    taken ||= holds;
    if (lines[at] === undefined) fail(opening, "this `if` has no `end`");
  }
}

/** Index of the `else` or `end` that closes the block starting at `at`. */
function skipBlock(lines: Line[], at: number): number {
  let depth = 0;
  for (; at < lines.length; at++) {
    const words = directive(lines[at]!);
    if (words === undefined) continue;
    if (words.startsWith("for ") || words.startsWith("if ")) depth++;
    else if (depth === 0) return at;
    else if (words === "end") depth--;
  }
  return at;
}

function substitute(line: Line, scope: Scope): string {
  if (!line.text.includes("$")) return line.text;
  return line.text.replace(
    /\$(?:\{([^}]*)\}|([A-Za-z_]\w*))/g,
    (_, expression, name) => String(evaluate(expression ?? name, line, scope)),
  );
}

function truth(value: TemplateValue): boolean {
  return value !== false && value !== 0 && value !== "";
}

/** Value of an expression: precedence climbing over LEVELS. */
function evaluate(text: string, line: Line, scope: Scope): TemplateValue {
  const tokens: { kind: "number" | "text" | "name" | "sign"; text: string }[] = [];
  const kinds = ["number", "text", "name", "sign"] as const;
  const source = text.trim();
  TOKEN.lastIndex = 0;
  for (let end = 0; end < source.length; end = TOKEN.lastIndex) {
    const match = TOKEN.exec(source);
    if (!match) fail(line, `cannot read \`${source.slice(end).trim()}\``);
    const group = [1, 2, 3, 4].find((index) => match[index] !== undefined)!;
    tokens.push({ kind: kinds[group - 1]!, text: match[group]! });
  }
  let at = 0;
  const accept = (signs: readonly string[]): string | undefined => {
    const token = tokens[at];
    if (token?.kind !== "sign" || !signs.includes(token.text)) return undefined;
    at++;
    return token.text;
  };

  const atom = (): TemplateValue => {
    if (accept(["-"])) return -Number(atom());
    if (accept(["!"])) return !truth(atom());
    if (accept(["("])) {
      const value = binary(0);
      if (!accept([")"])) fail(line, "missing `)`");
      return value;
    }
    const token = tokens[at++];
    if (!token || token.kind === "sign") fail(line, `incomplete expression \`${source}\``);
    if (token.kind === "number") return Number(token.text);
    if (token.kind === "text") return token.text;
    const value = scope.get(token.text);
    if (value === undefined) fail(line, `unknown name \`${token.text}\``);
    return value;
  };
  const binary = (level: number): TemplateValue => {
    if (level === LEVELS.length) return atom();
    let left = binary(level + 1);
    for (let sign = accept(LEVELS[level]!); sign; sign = accept(LEVELS[level]!)) {
      left = apply(sign, left, binary(level + 1), line);
    }
    return left;
  };

  const value = binary(0);
  if (at < tokens.length) fail(line, `unexpected \`${tokens[at]!.text}\``);
  return value;
}

function apply(sign: string, a: TemplateValue, b: TemplateValue, line: Line): TemplateValue {
  switch (sign) {
    case "||":
      return truth(a) || truth(b);
    case "&&":
      return truth(a) && truth(b);
    case "==":
      return a === b;
    case "!=":
      return a !== b;
  }
  if (typeof a !== "number" || typeof b !== "number") fail(line, `\`${sign}\` needs numbers`);
  if ((sign === "/" || sign === "%") && b === 0) fail(line, "division by zero");
  switch (sign) {
    case "<":
      return a < b;
    case "<=":
      return a <= b;
    case ">":
      return a > b;
    case ">=":
      return a >= b;
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return Math.trunc(a / b);
    default:
      return a % b;
  }
}
