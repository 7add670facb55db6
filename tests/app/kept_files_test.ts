// Keeping files in pieces, under free names, and weighing what is kept.

import { deepEqual, equal, rejects } from "node:assert/strict";
import { filesBelow, freePath, piecesOf, sizeOf } from "../../src/app/parts/kept_files.ts";
import { FakeHost } from "../fake_host.ts";

Deno.test("a file comes whole, in pieces, and each is told once it is taken", async () => {
  const size = 9 * 2 ** 20 + 5;
  const content = Uint8Array.from({ length: size }, (_, i) => i % 251);
  const told: number[] = [];
  const signal = new AbortController().signal;
  let done = 0;
  for await (
    const piece of piecesOf(new Blob([content]), signal, (bytes) => void told.push(bytes))
  ) {
    equal(told.reduce((sum, each) => sum + each, 0), done); // this one is not taken yet
    equal(piece.every((value, i) => value === (done + i) % 251), true);
    done += piece.length;
  }
  equal(done, size);
  deepEqual(told, [2 ** 22, 2 ** 22, size - 2 ** 23]);
});

Deno.test("it ends when nobody wants it any more", async () => {
  const canceller = new AbortController();
  await rejects(async () => {
    const pieces = piecesOf(new Blob([new Uint8Array(2 ** 23)]), canceller.signal, () => {});
    for await (const _ of pieces) canceller.abort();
  }, { name: "AbortError" });
});

Deno.test("a name that is taken gets a number before its ending", async () => {
  const host = new FakeHost();
  equal(await freePath(host, "data/a", ".jsonl.gz"), "data/a.jsonl.gz");
  await host.write("data/a.jsonl.gz", "1");
  await host.write("data/a-2.jsonl.gz", "1");
  equal(await freePath(host, "data/a", ".jsonl.gz"), "data/a-3.jsonl.gz");
  await host.write("models/Model-1.7B/config.json", "{}");
  equal(await freePath(host, "models/Model-1.7B"), "models/Model-1.7B-2");
});

Deno.test("a folder weighs what its files weigh, a file what it is", async () => {
  const host = new FakeHost();
  await host.write("m/a", "12");
  await host.write("m/b/c", "345");
  equal(await sizeOf(host, "m"), 5);
  equal(await sizeOf(host, "m/a"), 2);
  const found = [];
  for await (const each of filesBelow(host, "m")) found.push(each);
  deepEqual(found, [{ path: "m/a", size: 2 }, { path: "m/b/c", size: 3 }]);
});
