import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { type DatasetSource, readRows } from "../../../src/data/sources/rows.ts";
import { EftError, type Place } from "../../../src/errors.ts";
import { denoHost } from "../../../src/host/deno.ts";
import { FakeHost } from "../../fake_host.ts";

type Files = Record<string, string | Uint8Array>;
const OFFLINE = { offline: true };

async function rows(files: Files, dataset: string | DatasetSource, chunk = 5) {
  const host = new FakeHost(files);
  host.chunk = chunk;
  const source = typeof dataset === "string" ? { path: dataset } : dataset;
  return await Array.fromAsync(readRows(host, source, OFFLINE));
}

const values = async (files: Files, dataset: string | DatasetSource) =>
  (await rows(files, dataset)).map(({ value }) => value);

async function fails(
  files: Files,
  dataset: string | DatasetSource,
  message: RegExp,
  place?: Place,
) {
  for (const chunk of [1, 7, 100_000]) {
    await rejects(() => rows(files, dataset, chunk), (error: unknown) => {
      if (!(error instanceof EftError)) throw error;
      equal(error.code, "data");
      match(error.message, message);
      const { line, column } = error.place;
      if (place) deepEqual({ line, column }, { line: place.line, column: place.column });
      return true;
    });
  }
}

async function gzip(content: string): Promise<Uint8Array<ArrayBuffer>> {
  const packed = new Blob([content]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

Deno.test("CSV: quotes, line breaks and delimiters in fields, blank lines, any line end", async () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const text = [
      "\ufeffinstruction,output",
      '"a, ""b""",x',
      "",
      `"two${end}lines",y`,
      "short",
      ',"z"',
    ];
    const found = await rows({ "d.csv": text.join(end) + end }, "d.csv");
    deepEqual(found.map(({ value, line }) => [value.instruction, value.output, line]), [
      ['a, "b"', "x", 2],
      [`two${end}lines`, "y", 4],
      ["short", null, 6],
      ["", "z", 7],
    ]);
  }
  deepEqual(await values({ "d.tsv": "a\tb\n1,5\t2\n" }, "d.tsv"), [{ a: "1,5", b: "2" }]);
  deepEqual(await values({ "d.csv": "a;b\n1,5;2" }, "d.csv"), [{ a: "1,5", b: "2" }]);
  const [row] = await values({ "d.csv": "__proto__,b\nx,y" }, "d.csv");
  deepEqual(Object.entries(row!), [["__proto__", "x"], ["b", "y"]]);
});

Deno.test("CSV: mistakes are found at their place", async () => {
  const fail = (text: string, message: RegExp, place: Place) =>
    fails({ "d.csv": text }, "d.csv", message, place);
  await fail("a,b\n1,2\n1,2,3\n", /has 3 fields, but the header names 2 columns/, { line: 3 });
  await fail('a,b\n"x\ny",1\n2,"open', /never closed/, { line: 4, column: 3 });
  await fail('a,b\n1,"x"y"\n', /goes on after its closing quote/, { line: 2, column: 3 });
  await fail("a,a\n1,2", /two columns are named "a"/, { line: 1 });
  await fail("a,b\n", /column names but no rows/, {});
  await fail("", /empty; expected a line with the names/, {});
  await fail(" \n", /empty; expected a line with the names/, {});
});

Deno.test("a long field is not cut again and again", async () => {
  const text = `a,b\n"${"x\n".repeat(2_000_000)}",1\n2,3`;
  const found = await rows({ "d.csv": text }, "d.csv", 65_536);
  deepEqual(found.map(({ line }) => line), [2, 2_000_003]);
});

Deno.test("a row without end is refused before it fills the memory", async () => {
  for (const name of ["d.csv", "d.jsonl", "d.txt"]) {
    const begin = name === "d.csv" ? 'a\n"' : "";
    const host = new FakeHost({ [name]: begin });
    host.readStream = () => {
      let first = true;
      const chunk = new TextEncoder().encode("x".repeat(1 << 20));
      const pull = (controller: ReadableStreamDefaultController) => {
        controller.enqueue(first ? new TextEncoder().encode(begin || "x") : chunk);
        first = false;
      };
      return Promise.resolve(new ReadableStream({ pull }));
    };
    const read = Array.fromAsync(readRows(host, { path: name }, OFFLINE));
    await rejects(read, /one row has more than 64 million characters/);
  }
});

Deno.test("plain text: a row for each line that is not blank", async () => {
  const found = await rows({ "d.txt": "one\r\n\n two \nthree" }, "d.txt");
  deepEqual(found.map(({ value, line }) => [value.text, line]), [["one", 1], [" two ", 3], [
    "three",
    4,
  ]]);
});

Deno.test("gzip of any of them, by content; damage and other packings are told", async () => {
  const text = '{"a":1}\n'.repeat(1000);
  const packed = await gzip(text);
  equal((await rows({ "d.jsonl.gz": packed }, "d.jsonl.gz")).length, 1000);
  equal((await rows({ "d.jsonl": packed }, "d.jsonl")).length, 1000);
  deepEqual(await values({ "d.csv.gz": await gzip("a\n1") }, "d.csv.gz"), [{ a: "1" }]);
  deepEqual(await values({ "d.tsv.gz": await gzip("a\tb\n1\t2") }, "d.tsv.gz"), [{
    a: "1",
    b: "2",
  }]);
  deepEqual(await values({ "d.txt.gz": await gzip("x") }, "d.txt.gz"), [{ text: "x" }]);
  // Members one after another, wherever chunks end: 3 of 2, 40 and 1000 rows, one of none.
  const sizes = [2, 0, 40, 1000];
  const members = await Promise.all(sizes.map((n) => gzip(text.slice(0, 8 * n))));
  const joined = new Uint8Array(await new Blob(members).arrayBuffer());
  for (const chunk of [1, 7, members[0]!.length, 4096]) {
    const host = new FakeHost({ "d.jsonl.gz": joined });
    host.chunk = chunk;
    equal((await Array.fromAsync(readRows(host, { path: "d.jsonl.gz" }))).length, 1042);
  }
  const junk = new Uint8Array([...joined, 1, 2, 3, 4]);
  await fails({ "d.jsonl.gz": junk }, "d.jsonl.gz", /followed by something else/);
  const between = new Uint8Array([...members[0]!.slice(0, -8), ...members[2]!]);
  await fails({ "d.jsonl.gz": between }, "d.jsonl.gz", /gzip data is damaged, cut off/);
  const cut = packed.slice(0, -4), flipped = packed.slice();
  flipped[flipped.length - 6]! ^= 1;
  for (const bad of [cut, flipped]) {
    await fails({ "d.jsonl.gz": bad }, "d.jsonl.gz", /gzip data is damaged, cut off/);
  }
  const zstd = new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0, 0]);
  await fails(
    { "d.jsonl.zst": zstd },
    { path: "d.jsonl.zst", ds_type: "json" },
    /packed with zstd/,
  );
  await fails({ "d.json": new Uint8Array([0xff, 0xfe, 0x7b, 0]) }, "d.json", /UTF-16.*as UTF-8/);
});

Deno.test("bytes that are not UTF-8 are told with their offset and place", async () => {
  const bytes = new TextEncoder().encode('{"a":"ü"}\n{"a":"xy"}\n');
  for (const [at, byte, column] of [[17, 0xff, 7], [18, 0xc0, 8], [17, 0xe4, 8]] as const) {
    const bad = bytes.slice();
    bad[at] = byte;
    const offset = byte === 0xe4 ? 18 : at; // 0xe4 begins a character that "y" does not go on with
    const message = new RegExp(`byte ${offset} \\(0x`);
    await fails({ "d.jsonl": bad }, "d.jsonl", message, { line: 2, column });
  }
  const cut = bytes.slice(0, 7);
  await fails({ "d.jsonl": cut }, "d.jsonl", /ends inside a character/, { line: 1, column: 8 });
});

Deno.test("Parquet of every compression, nested values, every row group", async () => {
  const host = denoHost("tests/golden/parquet");
  const expected = JSON.parse(await host.readText("rows.json"));
  for (const name of ["none", "snappy", "gzip", "zstd", "brotli", "lz4", "v2"]) {
    const found = await Array.fromAsync(readRows(host, { path: `${name}.parquet` }));
    deepEqual(found.map(({ value }) => value), expected, name);
    deepEqual(found.map(({ line }) => line), expected.map((_: unknown, i: number) => i + 1));
  }
  equal((await Array.fromAsync(readRows(host, { path: "[ns]?n*.parquet" }))).length, 50);
  const some = await Array.fromAsync(readRows(host, { path: "none.parquet", split: "train[-3:]" }));
  deepEqual(some.map(({ line }) => line), [48, 49, 50]);
  const bytes = await Deno.readFile("tests/golden/parquet/snappy.parquet");
  const fail = (content: Uint8Array, message: RegExp) =>
    fails({ "d.parquet": content }, "d.parquet", message);
  await fail(bytes.slice(0, -20), /cut off: its end is missing/);
  await fail(bytes.slice(0, 3), /not a Parquet file/);
  await fail(await Deno.readFile("tests/golden/parquet/empty.parquet"), /has no rows/);
  await fail(Uint8Array.from(bytes, (byte, i) => i > 100 && i < 3000 ? 0xff : byte), /is damaged/);
  deepEqual((await rows({ "unnamed": bytes }, "unnamed")).length, 50);
});

Deno.test("the kind of file: ds_type, else the extension, else the content", async () => {
  deepEqual(await values({ x: '{"a":1}' }, "x"), [{ a: 1 }]);
  deepEqual(await values({ "x.dat": '\n [{"a":1}]' }, "x.dat"), [{ a: 1 }]);
  deepEqual(await values({ "x.dat": "hello" }, { path: "x.dat", ds_type: "text" }), [{
    text: "hello",
  }]);
  await fails({ "x.dat": "hello" }, "x.dat", /neither its name nor its first bytes.*ds_type/);
  await fails({ "x.arrow": "ARROW1" }, "x.arrow", /does not read Arrow.*to_parquet/);
  await fails({ x: "ARROW1" }, "x", /does not read Arrow/);
  await fails({ "x.json": "{\n}" }, "x.json", /one JSON object over several lines/);
});

Deno.test("folders, globs and lists; named splits; the nearest name", async () => {
  const row = (n: number) => `{"n":${n}}`;
  const files: Files = {
    "d/train_a.jsonl": row(1),
    "d/deep/train-b.jsonl": row(2),
    "d/test.jsonl": row(3),
    "d/notes.txt": "note",
    "d/.hidden/train.jsonl": row(9),
    "e/x.csv": "n\n4",
    "e/y.jsonl": row(5),
    "e/z.jsonl": row(6),
    "f/dataset_info.json": "{}",
    "f/data-00000-of-00001.arrow": "ARROW1",
    "g/README.md": "---\nconfigs: [{config_name: c, data_files: [{split: s, path: q.*}]}]\n---\n",
    "g/q.json": `[${row(7)}]`,
    "g/other.json": `[${row(8)}]`,
  };
  const numbers = async (dataset: string | DatasetSource) =>
    (await values(files, dataset)).map(({ n }) => Number(n));
  deepEqual(await numbers("d"), [2, 1]);
  deepEqual(await numbers({ path: "d", split: "test" }), [3]);
  deepEqual(await numbers("e"), [5, 6]);
  deepEqual(await numbers({ path: "e", split: "validation" }), [5, 6]);
  deepEqual(await numbers({ path: "e", data_files: ["x.csv", "z.*"] }), [4, 6]);
  deepEqual(await numbers("e/*.jsonl"), [5, 6]);
  deepEqual(await numbers("./d/**/*.jsonl"), [2, 3, 1]);
  deepEqual(await numbers("e/[xy].*"), [4, 5]);
  deepEqual(await numbers({ path: "json", data_files: ["e/y.jsonl", "d/t*.jsonl"] }), [5, 3, 1]);
  deepEqual(await numbers({ path: "csv", data_files: "e/x.csv" }), [4]);
  deepEqual(await numbers({ path: "g", split: "s" }), [7]);
  await fails(files, "f", /does not read Arrow/);
  await fails(files, "g", /no split "train"; it has s/);
  await fails(files, { path: "e", split: "s" }, /no split "s"; it has train/);
  await fails(files, { path: "e", data_files: "q.jsonl" }, /no file q\.jsonl\. Did you mean/);
  await fails(files, "e/*.json", /no file matches e\/\*\.json/);
  await fails(files, "e/y.json", /no data set at e\/y\.json\. Did you mean e\/y\.jsonl/);
  await fails(files, "/nowhere/at.all", /no data set at \/nowhere\/at\.all/);
  await fails(files, { path: "json", data_files: "no.json" }, /there is no such file/);
});

Deno.test("split: slices in rows and percent", async () => {
  const files: Files = { "d.txt": Array.from({ length: 10 }, (_, i) => i).join("\n") };
  const take = async (split: string) =>
    (await values(files, { path: "d.txt", split })).map(({ text }) => text).join("");
  for (
    const [split, expected] of [
      ["train", "0123456789"],
      ["train[:3]", "012"],
      ["train[8:100]", "89"],
      ["train[-3:-1]", "78"],
      ["train[:-8]", "01"],
      ["train[25%:75%]", "234567"], // 2.5 rounds to even
      ["train[-10%:]", "9"],
      ["train[5:5]", ""],
      ["train[:1_0]+train[ 1:2 ]", "01234567891"],
    ] as const
  ) equal(await take(split), expected, split);
  for (const bad of ["train[", "train[1]", "train[1%:2]", "train[:101%]", "+", "train[a:b]"]) {
    await fails(files, { path: "d.txt", split: bad }, /split: cannot read/);
  }
  // What is not asked for is not read.
  const broken = { "d.jsonl": '{"a":1}\n{"a":2}\n{' };
  equal((await rows(broken, { path: "d.jsonl", split: "train[:2]" }, 1000)).length, 2);
});
