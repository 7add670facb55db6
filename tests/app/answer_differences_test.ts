// Tokens that two answers share are not marked, whatever stands between them.

import assert from "node:assert/strict";
import fc from "fast-check";
import { differences } from "../../src/app/rooms/chat/differences.ts";

function marked(a: string, b: string): [string, string] {
  const [left, right] = differences([...a], [...b]);
  const show = (text: string, marks: boolean[]) =>
    [...text].map((each, i) => marks[i] ? `[${each}]` : each).join("");
  return [show(a, left), show(b, right)];
}

Deno.test("what both have in the same order is not marked", () => {
  assert.deepEqual(marked("abc", "abc"), ["abc", "abc"]);
  assert.deepEqual(marked("abcd", "abd"), ["ab[c]d", "abd"]);
  assert.deepEqual(marked("abcde", "axcye"), ["a[b]c[d]e", "a[x]c[y]e"]);
  assert.deepEqual(marked("", "ab"), ["", "[a][b]"]);
  assert.deepEqual(marked("ab", "cd"), ["[a][b]", "[c][d]"]);
});

Deno.test("what is left unmarked is one sequence, as long as it can be", () => {
  const letters = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 9 });
  fc.assert(fc.property(letters, letters, (a, b) => {
    const [left, right] = differences(a, b);
    const kept = a.filter((_, i) => !left[i]).join("");
    assert.equal(kept, b.filter((_, i) => !right[i]).join(""));
    assert.equal(kept.length, longestCommon(a, b));
  }));
});

Deno.test("answers too long to compare are compared up to where they part", () => {
  const a = Array.from({ length: 3000 }, (_, i) => `a${i}`);
  const b = Array.from({ length: 3000 }, (_, i) => i < 10 ? `a${i}` : `b${i}`);
  const [left] = differences(a, b);
  assert.equal(left.indexOf(true), 10);
  assert.ok(left.slice(10).every(Boolean));
});

/** By trying every choice. */
function longestCommon(a: string[], b: string[]): number {
  if (a.length === 0 || b.length === 0) return 0;
  if (a[0] === b[0]) return 1 + longestCommon(a.slice(1), b.slice(1));
  return Math.max(longestCommon(a.slice(1), b), longestCommon(a, b.slice(1)));
}
