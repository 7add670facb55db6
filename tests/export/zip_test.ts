// A zip gives back what went in. (That PEFT and Python's zipfile read one is in docs/LOG.md.)

import assert from "node:assert/strict";
import { unzipSync } from "fflate";
import { EftError } from "../../src/errors.ts";
import { zipOf } from "../../src/export/zip.ts";

function file(name: string, ...pieces: Uint8Array[]) {
  return {
    name,
    bytes: pieces.reduce((sum, { length }) => sum + length, 0),
    async *content() {
      yield* pieces;
    },
  };
}

Deno.test("files come out of the zip as they went in", async () => {
  const random = crypto.getRandomValues(new Uint8Array(50_000));
  const files = [
    file("a.bin", random.subarray(0, 20_000), random.subarray(20_000)),
    file("empty.txt"),
    file("grüße.json", new TextEncoder().encode("{}\n")),
  ];
  const pieces: Uint8Array[] = [];
  for await (const piece of zipOf(files)) pieces.push(piece.slice());
  const zip = new Uint8Array(await new Blob(pieces as BlobPart[]).arrayBuffer());
  const found = unzipSync(zip);
  assert.deepEqual(Object.keys(found), ["a.bin", "empty.txt", "grüße.json"]);
  assert.deepEqual(found["a.bin"], random);
  assert.deepEqual(found["grüße.json"], new TextEncoder().encode("{}\n"));
});

Deno.test("what a zip cannot hold is refused before anything is written", async () => {
  const large = { ...file("model.safetensors"), bytes: 2 ** 32 };
  await assert.rejects(zipOf([large]).next(), (error) => {
    return error instanceof EftError && /at most 4 GiB/.test(error.message);
  });
});
