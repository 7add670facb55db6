// Where in a configuration the cursor stands. It goes by the indentation of lines, so that it also
// knows while the YAML is not whole yet, which is when a person wants completion.

import type { Path } from "../../config_text.ts";

export interface YamlPlace {
  /** The mapping (or the list) that the line belongs to. */
  parent: Path;
  /** The key of this line as far as it is typed, and where it is in the text. */
  key: { name: string; from: number; to: number };
  /** What stands behind the colon, if there is one. */
  value?: { text: string; from: number; to: number };
  /** Whether the line is an entry of a list ("- ..."). */
  isEntry: boolean;
}

interface Level {
  column: number;
  step: string | number;
}

const LINE = /^([\w.-]*)(\s*:(?=\s|$)\s*)?(.*)$/;

/** The place of `offset`; undefined within a comment. */
export function yamlPlace(text: string, offset: number): YamlPlace | undefined {
  const levels: Level[] = [];
  let from = 0;
  for (;;) {
    const end = text.indexOf("\n", from) < 0 ? text.length : text.indexOf("\n", from);
    const isLast = offset <= end;
    const line = text.slice(from, end);
    const content = line.replace(/(^|\s)#.*$/, "$1");
    if (isLast && content !== line && offset - from > content.length) return;
    if (content.trim() !== "") {
      const read = readLine(content, levels);
      if (isLast) return placeOf(read, from, levels);
    } else if (isLast) {
      return placeOf(readLine(" ".repeat(offset - from), levels), from, levels);
    }
    from = end + 1;
  }
}

interface ReadLine {
  column: number;
  name: string;
  colon: number;
  value: string;
  isEntry: boolean;
}

/** Takes one line into the levels, which then end with its key. */
function readLine(content: string, levels: Level[]): ReadLine {
  let column = content.search(/\S|$/);
  let rest = content.slice(column);
  let isEntry = false;
  for (let dash; (dash = /^-(\s+|$)/.exec(rest)); rest = rest.slice(dash[0].length)) {
    close(levels, (level) => level.column > column);
    const last = levels.at(-1);
    const isSibling = last?.column === column && typeof last.step === "number";
    const step = isSibling ? levels.pop()!.step as number + 1 : 0;
    levels.push({ column, step });
    column += Math.max(2, dash[0].length);
    isEntry = true;
  }
  const [, name, colon = "", value] = LINE.exec(rest)!;
  close(levels, (level) => level.column >= column);
  if (colon) levels.push({ column, step: name });
  return { column, name, colon: colon.length, value, isEntry };
}

function close(levels: Level[], isBelow: (level: Level) => boolean): void {
  while (levels.length > 0 && isBelow(levels.at(-1)!)) levels.pop();
}

function placeOf(line: ReadLine, start: number, levels: Level[]): YamlPlace {
  const from = start + line.column;
  const to = from + line.name.length;
  const steps = levels.map(({ step }) => step);
  const place = {
    parent: line.colon ? steps.slice(0, -1) : steps,
    key: { name: line.name, from, to },
    isEntry: line.isEntry,
  };
  if (!line.colon) return place;
  const at = to + line.colon;
  return { ...place, value: { text: line.value, from: at, to: at + line.value.length } };
}
