// Training parts of a message: which tokens lie within the character ranges that a row trains. Ranges
// grow to whole tokens and a token on the border of two is not trained, as in Axolotl.
import type { Tokenizer } from "../tokenizer.ts";
import type { Detail } from "./chat_messages.ts";

/** For each token of `text`, whether it is trained. */
export function trainedTokens(tokenizer: Tokenizer, text: string, details: Detail[]): boolean[] {
  const starts = tokenStarts(tokenizer, text);
  const length = [...text].length;
  // Ends are inclusive, one before the next token's start.
  const spans = starts.map((start, i) => [start, (starts[i + 1] ?? length) - 1] as const);
  const ranges = details.flatMap((detail) => widen(detail, spans) ?? []);
  return spans.map(([start, end]) =>
    ranges.some((range) => range.train && start >= range.begin && end <= range.end)
  );
}

function widen(detail: Detail, spans: (readonly [number, number])[]): Detail | undefined {
  let first = spans.findIndex(([start]) => start >= detail.begin);
  if (first < 0) first = spans.length;
  if (first > 0 && spans[first - 1]![1] > detail.begin) first--;
  let last = spans.findLastIndex(([, end]) => end <= detail.end);
  if (last < spans.length - 1 && spans[last + 1]![0] < detail.end) last++;
  if (first > last) return undefined;
  return { begin: spans[first]![0], end: spans[last]![1], train: detail.train };
}

/** The character (code point) at which each token begins. */
function tokenStarts(tokenizer: Tokenizer, text: string): number[] {
  const ids = tokenizer.encode(text, { bos: false });
  const characters = [...text];
  const byteEnds: number[] = []; // the end of each character in UTF-8
  let bytes = 0;
  const encoder = new TextEncoder();
  for (const character of characters) byteEnds.push(bytes += encoder.encode(character).length);
  const starts: number[] = [];
  let at = 0, character = 0;
  for (const id of ids) {
    while (character < byteEnds.length - 1 && byteEnds[character]! <= at) character++;
    starts.push(character);
    at += tokenizer.byteLength(id);
  }
  return starts;
}
