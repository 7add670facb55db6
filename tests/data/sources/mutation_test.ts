// Damaged files of every kind: rows or a typed error with the file's name, never anything else.
import { ok } from "node:assert/strict";
import { type DatasetSource, readRows } from "../../../src/data/sources/rows.ts";
import { EftError } from "../../../src/errors.ts";
import { RandomStream } from "../../../src/random.ts";
import { FakeHost } from "../../fake_host.ts";

const CASES = 2500;
/** Milliseconds; the slowest case takes a tenth of it. */
const LIMIT = 5000;

const row = (i: number) => ({ instruction: `Frage ${i} „ü“`, n: i, list: [{ a: 'x\\"y' }, null] });
const rows = Array.from({ length: 30 }, (_, i) => row(i));
const text = rows.map((each) => JSON.stringify(each)).join("\n");
const csv = "instruction,output\n" +
  rows.map(({ instruction, n }) => `"${instruction} ""q""\nx",${n}`).join("\n");
const encode = (content: string) => new TextEncoder().encode(content);

async function gzip(content: string): Promise<Uint8Array> {
  const packed = new Blob([content]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

const FILES: Record<string, Uint8Array> = {
  "a.jsonl": encode(text),
  "a.json": encode(JSON.stringify(rows, null, 1)),
  "a.csv": encode(csv),
  "a.tsv": encode(csv.replaceAll(",", "\t")),
  "a.txt": encode(text),
  "a.jsonl.gz": await gzip(text),
  "a.csv.gz": await gzip(csv),
  "unnamed": encode(text),
};
for (const name of ["none", "snappy", "gzip", "zstd", "brotli", "v2"]) {
  FILES[`${name}.parquet`] = await Deno.readFile(`tests/golden/parquet/${name}.parquet`);
}

/** Flips bits, replaces, cuts, repeats or inserts, at one to three places. */
function mutate(bytes: Uint8Array, random: () => number): Uint8Array {
  let result = bytes.slice();
  const below = (n: number) => Math.floor(random() * n);
  // The ends of a Parquet file hold what everything else depends on.
  const place = () =>
    random() < 0.3 ? Math.max(0, result.length - 1 - below(600)) : below(result.length);
  for (let times = 1 + below(3); times > 0 && result.length > 0; times--) {
    const at = Math.min(place(), result.length - 1);
    switch (below(5)) {
      case 0:
        result[at]! ^= 1 << below(8);
        break;
      case 1:
        result[at] = [0, 0xff, 0x7f, 0x80, 0x22, 0x0a, 0x7b, 0x5d][below(8)]!;
        break;
      case 2:
        result = result.slice(0, at);
        break;
      case 3:
        result = new Uint8Array([
          ...result.subarray(0, at),
          ...result.subarray(at + 1 + below(20)),
        ]);
        break;
      default:
        result = new Uint8Array([...result.subarray(0, at), ...result.subarray(at >> 1)]);
    }
  }
  return result;
}

Deno.test(`${CASES} damaged files give rows or a typed error, in time`, async () => {
  const stream = new RandomStream(7, 1);
  const random = () => stream.uniform();
  const names = Object.keys(FILES);
  const splits: (string | undefined)[] = [undefined, undefined, "train[:50%]"];
  let errors = 0;
  for (let i = 0; i < CASES; i++) {
    const name = names[i % names.length]!;
    const content = mutate(FILES[name]!, random);
    const host = new FakeHost({ [name]: content });
    host.chunk = 1 + Math.floor(random() * 4000);
    const source: DatasetSource = { path: name, split: splits[i % 3] };
    const start = performance.now();
    try {
      for await (const each of readRows(host, source, { offline: true })) {
        ok(typeof each.value === "object" && each.line >= 1 && each.file === name);
      }
    } catch (error) {
      if (!(error instanceof EftError)) throw new Error(`case ${i}, ${name}`, { cause: error });
      ok(error.code === "data" && error.place.file === name, `case ${i}: ${error.text}`);
      errors++;
    }
    ok(performance.now() - start < LIMIT, `case ${i}, ${name} takes too long`);
  }
  ok(errors > CASES / 3 && errors < CASES, `${errors} errors`);
});
