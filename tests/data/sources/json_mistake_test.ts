import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { jsonMistake } from "../../../src/data/sources/json_mistake.ts";

Deno.test("a mistake in JSON has its place and says what was expected", () => {
  const cases: [text: string, at: number, message: string][] = [
    ['{"a": oops}', 6, "expected a value, found oops"],
    ['{"a": 1,}', 8, "expected a name in double quotes, found }"],
    ['{"a" 1}', 5, "expected a colon, found 1"],
    ["{a: 1}", 1, "expected a name in double quotes or }, found a"],
    ["[1 2]", 3, "expected a comma or ], found 2"],
    ["[1,]", 3, "expected a value, found ]"],
    ["{'a': 1}", 1, "expected a name in double quotes or }, found 'a'"],
    ['{"a": 01}', 6, "expected a value, found 01"],
    ['{"a": "b\nc"}', 8, "a line break, control character or wrong escape stands in a string"],
    ['{"a": "\\x"}', 7, "a line break, control character or wrong escape stands in a string"],
    ['{"a": "b', 8, "a string is never closed"],
    ['{"a": ', 6, "the text ends where a value should be"],
    ["{} {}", 3, "expected the end, found {"],
    ["[1}", 2, "expected a comma or ], found }"],
    ['{"a": nulls}', 6, "expected a value, found nulls"],
  ];
  for (const [text, at, message] of cases) deepEqual(jsonMistake(text), { at, message }, text);
});

Deno.test("finds a mistake exactly where JSON.parse refuses", () => {
  const isJson = (text: string) => {
    try {
      JSON.parse(text);
      return true;
    } catch {
      return false;
    }
  };
  fc.assert(fc.property(fc.json(), (text) => equal(jsonMistake(text), undefined)));
  const damaged = fc.tuple(fc.json(), fc.nat(), fc.constantFrom(...'{}[],:"\\0-.eEtn \u0001'))
    .map(([text, at, letter]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + letter + text.slice(place + at % 2);
    });
  fc.assert(
    fc.property(damaged, (text) => equal(jsonMistake(text) === undefined, isJson(text))),
    { numRuns: 3000 },
  );
});
