import { deepEqual, equal, rejects } from "node:assert/strict";
import fc from "fast-check";
import { readRows as readAll, type SourceRow } from "../../../src/data/sources/rows.ts";
import { EftError, type Place } from "../../../src/errors.ts";
import { FakeHost } from "../../fake_host.ts";

const readRows = (host: FakeHost, path: string) => readAll(host, { path });

async function rows(content: string | Uint8Array, chunk = 7): Promise<SourceRow[]> {
  const host = new FakeHost({ "d.json": content });
  host.chunk = chunk;
  return await Array.fromAsync(readRows(host, "d.json"));
}

async function fails(content: string | Uint8Array, message: RegExp, place: Place) {
  for (const chunk of [1, 7, 1000]) {
    await rejects(() => rows(content, chunk), (error: unknown) => {
      if (!(error instanceof EftError)) throw error;
      deepEqual([error.code, error.place.line, error.place.column], [
        "data",
        place.line,
        place.column,
      ], error.text);
      equal(error.place.file, "d.json");
      return message.test(error.message);
    });
  }
}

Deno.test("JSON Lines: blank lines, CRLF, a byte order mark, no last newline", async () => {
  const found = await rows('\ufeff{"a":1}\r\n\r\n  {"a":"ü"}\n\n{"a":3}');
  deepEqual(found.map(({ value, line }) => [value.a, line]), [[1, 1], ["ü", 3], [3, 5]]);
});

Deno.test("a JSON array of any layout, with its lines", async () => {
  const found = await rows('\n[\n {"a": "]}, \\" {"},\n  {"a": [1, {"b": 2}]}\n, {"a":3}]\n');
  deepEqual(found.map(({ value, line }) => [value.a, line]), [
    [']}, " {', 3],
    [[1, { b: 2 }], 4],
    [3, 5],
  ]);
});

Deno.test("mistakes are found at their place", async () => {
  const good = '{"a":1}\n'.repeat(16);
  await fails(`${good}{"a" 1}\n${good}`, /expected a colon, found 1/, {
    line: 17,
    column: 6,
  });
  await fails('{"a":1}\n{"a":', /ends where a value should be/, { line: 2, column: 6 });
  await fails('{"a":1}\n{"a": abc}\n', /expected a value, found abc/, { line: 2, column: 7 });
  await fails('{"a":1}\n[1]\n', /found a list/, { line: 2, column: 1 });
  await fails("7", /found a number/, { line: 1, column: 1 });
  await fails('[\n  {"a":1},\n  "x"]', /found a string/, { line: 3, column: 3 });
  await fails('[\n  {"a":1},\n  {"a"\n 1}]', /expected a colon/, { line: 4, column: 2 });
  await fails('[{"a":1},,{"a":2}]', /expected a row, found ","/, { line: 1, column: 10 });
  await fails('[{"a":1},]', /expected a row, found "\]"/, { line: 1, column: 10 });
  await fails('[{"a":1}] x', /after the end of the array/, { line: 1, column: 11 });
  await fails('[{"a":1},\n{"a":2', /ends inside its array/, { line: 2, column: 7 });
  await fails("", /empty/, {});
  await fails(" \n ", /empty/, {});
  await fails("[ ]", /array is empty/, {});
  await fails(new Uint8Array([0x7b, 0xff, 0x7d]), /byte 1 \(0xff\) is not UTF-8/, {
    line: 1,
    column: 2,
  });
});

Deno.test("a folder gives its files by name, a missing path says what is possible", async () => {
  const host = new FakeHost({ "d/b.jsonl": '{"a":2}', "d/a.json": '[{"a":1}]', "d/readme.md": "" });
  const found = await Array.fromAsync(readRows(host, "d"));
  deepEqual(found.map(({ value, file }) => [value.a, file]), [[1, "d/a.json"], [2, "d/b.jsonl"]]);
  const all = (path: string) => Array.fromAsync(readRows(host, path));
  await rejects(() => all("d/a.jsom"), /no data set at d\/a\.jsom\. Did you mean d\/a\.json/);
  host.set("e/readme.md", "");
  await rejects(() => all("e"), /folder e holds no file that Eft reads/);
});

Deno.test("any rows come back from lines and arrays in any layout and chunking", async () => {
  const row = fc.dictionary(fc.string(), fc.jsonValue());
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 30 }),
      fc.constantFrom(undefined, 1),
      async (values, chunk, indent) => {
        const expected = JSON.parse(JSON.stringify(values));
        const lines = values.map((value) => JSON.stringify(value)).join("\n");
        deepEqual((await rows(lines, chunk)).map(({ value }) => value), expected);
        const array = JSON.stringify(values, null, indent);
        deepEqual((await rows(array, chunk)).map(({ value }) => value), expected);
      },
    ),
  );
});
