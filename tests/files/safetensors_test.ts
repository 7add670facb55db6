import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import fc from "fast-check";
import { EftError } from "../../src/errors.ts";
import {
  openSafetensors,
  type TensorToWrite,
  writeSafetensors,
} from "../../src/files/safetensors.ts";
import { FakeHost } from "../fake_host.ts";

const GOLDEN = new URL("../golden/base-llama/model.safetensors", import.meta.url);

function bytes(...values: number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values);
}

function file(header: string, data: Uint8Array, length = header.length): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(8 + header.length + data.length);
  new DataView(result.buffer).setBigUint64(0, BigInt(length), true);
  result.set(new TextEncoder().encode(header), 8);
  result.set(data, 8 + header.length);
  return result;
}

const TENSORS: TensorToWrite[] = [
  { name: "b", dtype: "F16", shape: [1], data: () => bytes(1, 2) },
  { name: "z", dtype: "F32", shape: [2], data: () => bytes(1, 2, 3, 4, 5, 6, 7, 8) },
  {
    name: "a",
    dtype: "F32",
    shape: [1, 1],
    data: async function* () {
      yield bytes(9, 9);
      yield bytes(8, 8);
    },
  },
  { name: "1", dtype: "F32", shape: [0, 3], data: () => bytes() },
];

async function written(): Promise<FakeHost> {
  const host = new FakeHost();
  await writeSafetensors(host, "m/model.safetensors", TENSORS, { format: "pt" });
  return host;
}

Deno.test("writing follows the reference order and pads the header", async () => {
  const host = await written();
  const raw = host.bytes("m/model.safetensors");
  const length = Number(new DataView(raw.buffer).getBigUint64(0, true));
  equal(length % 8, 0);
  equal(
    new TextDecoder().decode(raw.subarray(8, 8 + length)).trimEnd(),
    '{"__metadata__":{"format":"pt"},' +
      '"1":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]},' +
      '"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},' +
      '"z":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},' +
      '"b":{"dtype":"F16","shape":[1],"data_offsets":[12,14]}}',
  );
  deepEqual(raw.slice(8 + length), bytes(9, 9, 8, 8, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2));
});

Deno.test("what was written reads back, whole and in parts", async () => {
  const set = await openSafetensors(await written(), "m");
  deepEqual([...set.tensors.keys()].sort(), ["1", "a", "b", "z"]);
  deepEqual(set.metadata, { format: "pt" });
  const z = set.tensors.get("z")!;
  deepEqual([z.dtype, z.shape, z.bytes], ["F32", [2], 8]);
  deepEqual(await z.read(), bytes(1, 2, 3, 4, 5, 6, 7, 8));
  deepEqual(await z.read(2, 3), bytes(3, 4, 5));
  deepEqual(await set.tensors.get("1")!.read(), bytes());
  await rejects(() => z.read(6, 3), /bytes 6 to 9 of z/);
});

Deno.test("a writer that gives the wrong number of bytes is stopped", async () => {
  const host = new FakeHost();
  const tensors: TensorToWrite[] = [{ name: "x", dtype: "U8", shape: [3], data: () => bytes(1) }];
  await rejects(() => writeSafetensors(host, "x.safetensors", tensors), /gave 1 bytes, expected 3/);
  equal(await host.kind("x.safetensors"), undefined);
});

Deno.test("shards are read through their index", async () => {
  const host = new FakeHost();
  await writeSafetensors(host, "m/one.safetensors", TENSORS.slice(0, 2));
  await writeSafetensors(host, "m/two.safetensors", TENSORS.slice(2));
  const index = (weight_map: Record<string, string>) =>
    host.set("m/model.safetensors.index.json", JSON.stringify({ metadata: {}, weight_map }));
  const one = "one.safetensors", two = "two.safetensors";
  index({ a: two, b: one, z: one, "1": two });
  const set = await openSafetensors(host, "m");
  deepEqual(set.files, ["m/one.safetensors", "m/two.safetensors"]);
  deepEqual(await set.tensors.get("a")!.read(), bytes(9, 9, 8, 8));

  index({ a: two, other: one });
  await rejects(() => openSafetensors(host, "m"), /places `other` in one\.safetensors, which does/);
  index({ a: "three.safetensors" });
  await rejects(() => openSafetensors(host, "m"), /shard three\.safetensors is missing/);
  index({ a: "../../etc/passwd" });
  await rejects(() => openSafetensors(host, "m"), /outside the folder/);
  host.set("m/model.safetensors.index.json", "{");
  await rejects(() => openSafetensors(host, "m"), /index is not valid JSON/);
});

const ONE = '"x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}';
const BROKEN: [string, Uint8Array, RegExp][] = [
  ["nothing", bytes(), /found 0 bytes/],
  ["other file", new TextEncoder().encode("version https://git-lfs"), /not a safetensors file/],
  ["long header", file("{}", bytes(), 500), /cut off: the header alone needs 508 bytes, found 10/],
  ["no JSON", file("{,}", bytes()), /header is not valid JSON/],
  ["not UTF-8", file("{}", bytes(0xff), 3), /header is not valid JSON/],
  ["a list", file("[]", bytes()), /not a JSON object/],
  ["cut off", file(`{${ONE}}`, bytes(1)), /cut off: expected 63 bytes, found 62/],
  ["too long", file(`{${ONE}}`, bytes(1, 2, 3)), /found 1 more/],
  ["gap", file(`{${ONE.replace("[0,2]", "[1,3]")}}`, bytes(1, 2, 3)), /leaves a gap/],
  ["overlap", file(`{${ONE},${ONE.replace("x", "y")}}`, bytes(1, 2)), /overlaps/],
  ["size", file(`{${ONE.replace("[2]", "[3]")}}`, bytes(1, 2)), /3 bytes, but it spans 2/],
  ["dtype", file(`{${ONE.replace("U8", "F4")}}`, bytes(1, 2)), /has dtype "F4"/],
  ["shape", file(`{${ONE.replace("[2]", "[-2]")}}`, bytes(1, 2)), /no valid `shape`/],
  ["offsets", file(`{${ONE.replace("[0,2]", "[2,0]")}}`, bytes(1, 2)), /no valid `data_offsets`/],
];
for (const [name, content, message] of BROKEN) {
  Deno.test(`a broken file is refused with its reason: ${name}`, async () => {
    const host = new FakeHost({ "x.safetensors": content });
    await rejects(() => openSafetensors(host, "x.safetensors"), (error: unknown) => {
      ok(error instanceof EftError && error.code === "model");
      ok(message.test(error.message), error.message);
      return error.text.includes("x.safetensors");
    });
  });
}

Deno.test("missing paths are named", async () => {
  await rejects(
    () => openSafetensors(new FakeHost(), "nowhere"),
    (error: unknown) => error instanceof EftError && /^nowhere: there is no such/.test(error.text),
  );
  const host = new FakeHost({ "m/config.json": "{}" });
  await rejects(() => openSafetensors(host, "m"), /holds neither model\.safetensors nor/);
});

Deno.test("any corruption of a header ends in an EftError or a readable set", async () => {
  const good = (await written()).bytes("m/model.safetensors");
  const edits = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(edits, fc.nat(good.length), async (changes, cut) => {
      const bad = good.slice(0, cut % 3 === 0 ? cut : good.length);
      for (const [at, value] of changes) if (at < bad.length) bad[at] = value;
      try {
        const set = await openSafetensors(new FakeHost({ "m.safetensors": bad }), "m.safetensors");
        for (const tensor of set.tensors.values()) {
          equal((await tensor.read()).length, tensor.bytes);
        }
      } catch (error) {
        ok(error instanceof EftError && error.code === "model", String(error));
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("rewriting a file of Python's safetensors gives the same bytes", async () => {
  const raw = await Deno.readFile(GOLDEN);
  const host = new FakeHost({ "model.safetensors": raw });
  const set = await openSafetensors(host, "model.safetensors");
  const tensors = await Promise.all(
    [...set.tensors.values()].map(async ({ name, dtype, shape, read }) => {
      const content = await read();
      return { name, dtype, shape, data: () => content };
    }),
  );
  tensors.reverse();
  await writeSafetensors(host, "copy.safetensors", tensors, set.metadata);
  deepEqual(host.bytes("copy.safetensors"), raw);
});
