// What Python's `yaml.dump(value, default_flow_style=False)` writes for objects of texts, numbers and
// objects: keys sorted, long lines folded at 80 columns. A prompt depends on it to the letter.

const WIDTH = 80;

export function dumpYaml(value: Record<string, unknown>, indent = 0): string {
  const keys = Object.keys(value).sort();
  if (keys.length === 0) return "{}\n";
  return keys.map((key) => {
    const head = `${" ".repeat(indent)}${scalar(key, indent, indent)}:`;
    const inner = value[key];
    if (Array.isArray(inner)) {
      if (inner.length === 0) return `${head} []\n`;
      const lines = inner.map((each) =>
        `${" ".repeat(indent)}- ${scalar(each, indent + 2, indent + 2)}\n`
      );
      return `${head}\n${lines.join("")}`;
    }
    if (typeof inner === "object" && inner !== null) {
      const empty = Object.keys(inner).length === 0;
      const text = dumpYaml(inner as Record<string, unknown>, indent + 2);
      return empty ? `${head} {}\n` : `${head}\n${text}`;
    }
    return `${head} ${scalar(inner, head.length + 1, indent + 2)}\n`;
  }).join("");
}

function scalar(value: unknown, column: number, indent: number): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "boolean") return String(value);
  if (typeof value === "number") return String(value);
  const text = String(value);
  if (/[^\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]/.test(text)) {
    return JSON.stringify(text);
  }
  // PyYAML keeps to ASCII unless told otherwise, and then needs double quotes.
  // deno-lint-ignore no-control-regex
  if (/[^\x00-\x7f]/.test(text)) return doubleQuoted(text, column, indent);
  if (isSpecialBreak(text)) return doubleQuoted(text, column, indent);
  return isPlain(text) ? fold(text, column, indent, "") : fold(text, column, indent, "'");
}

/** Spaces beside line breaks cannot stand in single quotes. */
function isSpecialBreak(text: string): boolean {
  return / \n|\n$ /.test(text);
}

/** Whether a text may stand without quotes and is read back as text. */
function isPlain(text: string): boolean {
  if (text === "" || /^\s|\s$|\n/.test(text)) return false;
  if (/^(---|\.\.\.)/.test(text)) return false;
  if (/^[#,[\]{}&*!|>'"%@`]/.test(text) || /^[?:-](\s|$)/.test(text)) return false;
  if (/:(\s|$)/.test(text) || /\s#/.test(text)) return false;
  return !/^(~|null|Null|NULL|yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF|=|<<)$/
    .test(text) &&
    !/^[-+]?(0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|[1-9][0-9_]*(:[0-5]?[0-9])+)$/.test(
      text,
    ) &&
    !/^([-+]?([0-9][0-9_]*)\.[0-9_]*([eE][-+][0-9]+)?|\.[0-9][0-9_]*([eE][-+][0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$/
      .test(text) &&
    !/^\d{4}-\d\d?-\d\d?(([Tt]|[ \t]+)\d.*)?$/.test(text);
}

/** Breaks at single spaces once the column has passed the width; a line break is written twice. */
function fold(text: string, column: number, indent: number, quote: string): string {
  const pad = " ".repeat(indent);
  let out = quote;
  column += quote.length;
  for (const part of text.match(/ +|\n+|[^ \n]+/g) ?? []) {
    if (part[0] === "\n") {
      out += (part.length > 0 ? "\n" : "") + part + pad;
      column = indent;
    } else if (part === " " && column > WIDTH && out !== quote && !text.endsWith(out)) {
      out += `\n${pad}`;
      column = indent;
    } else {
      const written = quote === "'" ? part.replaceAll("'", "''") : part;
      out += written;
      column += written.length;
    }
  }
  return out + quote;
}

function doubleQuoted(text: string, _column: number, _indent: number): string {
  let out = '"';
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (character === '"' || character === "\\") out += `\\${character}`;
    else if (character === "\n") out += "\\n";
    else if (code >= 0x20 && code < 0x7f) out += character;
    else if (code <= 0xff) out += `\\x${code.toString(16).toUpperCase().padStart(2, "0")}`;
    else if (code <= 0xffff) out += `\\u${code.toString(16).toUpperCase().padStart(4, "0")}`;
    else out += `\\U${code.toString(16).toUpperCase().padStart(8, "0")}`;
  }
  return `${out}"`;
}
