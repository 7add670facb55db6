import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { type DatasetSource, readRows } from "../../../src/data/sources/rows.ts";
import type { DownloadProgress, HubOptions } from "../../../src/data/hub/settings.ts";
import { EftError } from "../../../src/errors.ts";
import { FakeHost } from "../../fake_host.ts";
import { commitOf, FakeHub, type FakeRepo, TOKEN } from "./server.ts";

const lines = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => `{"n":${from + i}}\n`).join("");
const FAST: HubOptions = { retryDelay: 1 };

function hostOf(hub: FakeHub): FakeHost {
  const host = new FakeHost();
  host.chunk = 1 << 16;
  host.variables.HF_ENDPOINT = `${hub.endpoint}/`;
  return host;
}

async function numbers(host: FakeHost, dataset: DatasetSource, options: HubOptions = {}) {
  const rows = await Array.fromAsync(readRows(host, dataset, { ...FAST, ...options }));
  return rows.map(({ value }) => value.n);
}

async function fails(promise: Promise<unknown>, message: RegExp) {
  await rejects(promise, (error: unknown) => {
    if (!(error instanceof EftError)) throw error;
    equal(error.code, "data");
    match(error.message, message);
    return true;
  });
}

const REPO: FakeRepo = {
  kind: "datasets",
  name: "owner/set",
  files: { "README.md": "# hello", "train.jsonl": lines(0, 5), "test.jsonl": lines(100, 2) },
};

Deno.test("a data set by name: splits, slices, one download, then the cache", async () => {
  await using hub = new FakeHub();
  hub.add(REPO);
  const host = hostOf(hub);
  const read = (split?: string) => numbers(host, { path: "owner/set", split });
  deepEqual(await read(), [0, 1, 2, 3, 4]);
  deepEqual(await read("test"), [100, 101]);
  deepEqual(await read("train[1:3]+test[-1:]"), [1, 2, 101]);
  deepEqual(await read("train[20%:60%]"), [1, 2]);
  deepEqual(await read("all"), [0, 1, 2, 3, 4, 100, 101]);
  equal(hub.count("train.jsonl"), 1);
  equal(hub.count("/tree/"), 2, "two pages, once");
  await fails(read("tset"), /no split "tset"; it has train, test\. Did you mean test/);
  const [row] = await Array.fromAsync(readRows(host, { path: "owner/set" }, FAST));
  equal(row!.file, "owner/set/train.jsonl");

  deepEqual(await numbers(host, { path: "owner/set" }, { offline: true }), [0, 1, 2, 3, 4]);
  const before = hub.log.length;
  host.variables.HF_HUB_OFFLINE = "1";
  deepEqual(await read("train[:1]"), [0]);
  equal(hub.log.length, before, "offline never touches the network");
  await fails(
    numbers(host, { path: "owner/other" }),
    /data set owner\/other .*is not in the cache.*offline mode is on/,
  );
});

Deno.test("a local folder of the same name wins", async () => {
  await using hub = new FakeHub();
  hub.add(REPO);
  const host = hostOf(hub);
  host.set("owner/set/x.jsonl", lines(7, 1));
  deepEqual(await numbers(host, { path: "owner/set" }), [7]);
  equal(hub.log.length, 0);
});

Deno.test("README configurations, data_files, hf:// paths and revisions choose files", async () => {
  await using hub = new FakeHub();
  const readme = `---
configs:
- config_name: small
  data_files:
  - {split: train, path: "s/*.jsonl"}
  - {split: dev, path: [s/d.json]}
- config_name: large
  default: true
  data_dir: l
---
`;
  const repo: FakeRepo = {
    kind: "datasets",
    name: "owner/many",
    files: {
      "README.md": readme,
      "s/a.jsonl": lines(1, 1),
      "s/b.jsonl": lines(2, 1),
      "s/d.json": "[" + lines(3, 1) + "]",
      "l/data/train-00000-of-00002.jsonl": lines(4, 1),
      "l/data/train-00001-of-00002.jsonl": lines(5, 1),
      "l/data/test-00000-of-00001.jsonl": lines(6, 1),
      "extra/notes.txt": "x",
    },
  };
  repo.revisions = { "v1.0": commitOf(repo), "refs/pr/1": commitOf(repo) };
  hub.add(repo);
  const host = hostOf(hub);
  const read = (dataset: Partial<DatasetSource>) =>
    numbers(host, { path: "owner/many", ...dataset });
  deepEqual(await read({}), [4, 5]);
  deepEqual(await read({ name: "small" }), [1, 2]);
  deepEqual(await read({ name: ["small", "large"] }), [1, 2, 4, 5]);
  deepEqual(await read({ name: "small", split: "dev" }), [3]);
  deepEqual(await read({ data_files: ["s/b.jsonl", "**/test-*"] }), [2, 6]);
  deepEqual(await read({ path: "hf://datasets/owner/many@v1.0/s/a.jsonl" }), [1]);
  deepEqual(await read({ revision: "refs/pr/1", data_files: "s/a.jsonl" }), [1]);
  equal(hub.count("/revision/refs%2Fpr%2F1"), 1);
  await fails(read({ name: "smal" }), /no configuration `name: smal`.*Did you mean small/);
  await fails(read({ data_files: "s/c.jsonl" }), /no file s\/c\.jsonl\. Did you mean s\//);
  await fails(read({ revision: "v2" }), /\(revision v2\).* has no such revision/);
  const noDefault = { ...repo, name: "owner/none" };
  noDefault.files = { ...repo.files, "README.md": readme.replace("  default: true\n", "") };
  hub.add(noDefault);
  await fails(read({ path: "owner/none" }), /several configurations.*small, large/);
});

Deno.test("a data set that is a program is read as the hub converted it", async () => {
  await using hub = new FakeHub();
  const parquet = await Deno.readFile("tests/golden/parquet/snappy.parquet");
  const files = { "script.py": "", "default/train/0000.parquet": parquet };
  const converted: FakeRepo = { kind: "datasets", name: "old/set", files };
  // The server has one list of files for all branches, so this asks and reads in two steps.
  const script: FakeRepo = { ...converted, files: { "script.py": "" } };
  script.revisions = { "refs/convert/parquet": "c".repeat(40) };
  hub.add(script);
  const host = hostOf(hub);
  await numbers(host, { path: "old/set" }).catch(() => {});
  equal(hub.count("/revision/refs%2Fconvert%2Fparquet"), 1);
  hub.add({ ...converted, files: { "default/train/0000.parquet": parquet } });
  equal((await numbers(hostOf(hub), { path: "old/set" })).length, 50);
});

Deno.test("redirects to another origin, without the token, with checksums", async () => {
  await using hub = new FakeHub();
  const parquet = await Deno.readFile("tests/golden/parquet/zstd.parquet");
  hub.add({
    kind: "datasets",
    name: "owner/pq",
    files: { "data/a.parquet": parquet },
    private: true,
  });
  const host = hostOf(hub);
  await fails(
    numbers(host, { path: "owner/pq" }),
    /data set owner\/pq .*does not exist at http:.*or is private.*set HF_TOKEN/,
  );
  host.variables.HF_TOKEN = "hf_wrong";
  await fails(numbers(host, { path: "owner/pq" }), /token that was sent does not give access/);
  host.variables.HF_TOKEN = TOKEN;
  equal((await numbers(host, { path: "owner/pq" })).length, 50);
  deepEqual(hub.cdnAuthorizations, [null]);
  ok(!hub.log.join().includes(TOKEN));
  await fails(numbers(host, { path: "owner/pq2" }, { token: false }), /set HF_TOKEN/);

  // The token that `hf auth login` saved.
  const saved = hostOf(hub);
  saved.variables.HOME = "/home/me";
  saved.set("/home/me/.cache/huggingface/token", `${TOKEN}\n`);
  equal((await numbers(saved, { path: "owner/pq" })).length, 50);

  hub.mishaps = [{ at: "/blob/", damage: true }];
  const twice = hostOf(hub);
  equal((await numbers(twice, { path: "owner/pq" }, { token: TOKEN })).length, 50);
  hub.mishaps = [{ at: "/blob/", damage: true }, { at: "/blob/", damage: true }];
  const damaged = hostOf(hub);
  await fails(
    numbers(damaged, { path: "owner/pq" }, { token: TOKEN }),
    /owner\/pq\/data\/a\.parquet arrived with a wrong checksum twice/,
  );
  ok(![...damaged.files.keys()].some((path) => path.includes("a.parquet")), "nothing is kept");
});

Deno.test("gated: says where to ask and how to give a token", async () => {
  await using hub = new FakeHub();
  hub.add({ ...REPO, gated: true });
  await fails(
    numbers(hostOf(hub), { path: "owner/set" }),
    /is gated.*datasets\/owner\/set\).*Accept the terms.*set HF_TOKEN/,
  );
  deepEqual((await numbers(hostOf(hub), { path: "owner/set" }, { token: TOKEN })).length, 5);
});

Deno.test("busy servers are asked again, as often as they want", async () => {
  await using hub = new FakeHub();
  hub.add(REPO);
  hub.mishaps = [
    { at: "/revision/", status: 429, headers: { "retry-after": "0" } },
    { at: "/tree/", status: 503 },
    { at: "train.jsonl", status: 500 },
    { at: "train.jsonl", status: 429, headers: { "retry-after": new Date().toUTCString() } },
  ];
  deepEqual(await numbers(hostOf(hub), { path: "owner/set" }), [0, 1, 2, 3, 4]);
  hub.mishaps = Array.from({ length: 5 }, () => ({ at: "/revision/", status: 429 }));
  await fails(numbers(hostOf(hub), { path: "owner/set" }), /too many requests \(429\).*HF_TOKEN/);
  hub.mishaps = Array.from({ length: 5 }, () => ({ at: "/revision/", status: 502 }));
  await fails(numbers(hostOf(hub), { path: "owner/set" }), /answers 502.*Try again later/);
  // Hours are not waited.
  const start = Date.now();
  hub.mishaps = Array.from({ length: 5 }, () => ({
    at: "/revision/",
    status: 429,
    headers: { "retry-after": "86400" },
  }));
  await fails(numbers(hostOf(hub), { path: "owner/set" }), /too many requests/);
  ok(Date.now() - start < 5000);
});

Deno.test("a connection cut in the middle goes on where it stopped", async () => {
  await using hub = new FakeHub();
  const content = lines(0, 50_000), size = content.length;
  hub.add({ kind: "datasets", name: "owner/big", files: { "a.jsonl": content }, lfs: /a/ });
  const host = hostOf(hub);
  hub.mishaps = [{ at: "/blob/", cut: 100_000 }, { at: "/blob/", cut: 200_000 }];
  const seen: DownloadProgress[] = [];
  const read = await numbers(host, { path: "owner/big" }, {
    onProgress: (each) => seen.push(each),
  });
  equal(read.length, 50_000);
  const ranges = hub.log.filter((line) => line.includes("/blob/"))
    .map((line) => line.split("bytes=")[1]);
  deepEqual(ranges, [undefined, "100000-", "300000-"]);
  deepEqual(seen.at(-1), { file: "owner/big/a.jsonl", done: size, total: size });

  // Five cuts without a byte in between end the attempt; the next run goes on.
  const other = hostOf(hub);
  hub.mishaps = Array.from({ length: 7 }, (_, i) => ({ at: "/blob/", cut: i === 0 ? 50_000 : 0 }));
  await fails(numbers(other, { path: "owner/big" }), /breaks off again and again.*is kept/);
  hub.mishaps = [];
  hub.log.length = 0;
  equal((await numbers(other, { path: "owner/big" })).length, 50_000);
  ok(hub.log.some((line) => line.endsWith("bytes=50000-")));

  // What an earlier run left may be wrong: then all is fetched again.
  const stale = hostOf(hub);
  const key = [...host.files.keys()].find((path) => path.endsWith("/a.jsonl"))!;
  stale.set(`${key}.partial`, "x".repeat(1000));
  equal((await numbers(stale, { path: "owner/big" })).length, 50_000);
  stale.files.delete(key);
  stale.set(`${key}.partial`, "x".repeat(size + 5));
  equal((await numbers(stale, { path: "owner/big" })).length, 50_000);
});

Deno.test("a new commit fetches only what changed; no connection means the last known", async () => {
  await using hub = new FakeHub();
  hub.add(REPO);
  const host = hostOf(hub);
  await numbers(host, { path: "owner/set", split: "train+test" });
  hub.add({ ...REPO, files: { ...REPO.files, "test.jsonl": lines(500, 1) } });
  hub.log.length = 0;
  deepEqual(await numbers(host, { path: "owner/set", split: "train[:1]+test" }), [0, 500]);
  equal(hub.count("resolve"), 1);
  host.variables.HF_ENDPOINT = "http://127.0.0.1:1";
  deepEqual(await numbers(host, { path: "owner/set", split: "test" }), [500]);
  await fails(
    numbers(host, { path: "owner/unknown" }),
    /127\.0\.0\.1:1 cannot be reached for the data set owner\/unknown \(there is no such local/,
  );
});

Deno.test("a server that is no hub, or tells paths outside of the cache, is refused", async () => {
  await using hub = new FakeHub();
  const host = hostOf(hub);
  const sha = "a".repeat(40);
  const answer = (path: string, value: unknown) =>
    hub.plain.set(path, { content: new TextEncoder().encode(JSON.stringify(value)) });
  for (const bad of [1, { sha: "../../x" }, {}]) {
    answer("/api/datasets/o/s/revision/main", bad);
    await fails(numbers(host, { path: "o/s" }), /does not answer as a hub does/);
  }
  answer("/api/datasets/o/s/revision/main", { sha });
  for (const path of ["../x.json", "/x.json", "a/../../x.json", "C:x.json"]) {
    answer(`/api/datasets/o/s/tree/${sha}`, [{ type: "file", path, size: 1, oid: "0" }]);
    await fails(numbers(host, { path: "o/s" }), /does not answer as a hub does/);
  }
});

Deno.test("an https address: kept, asked again only for changes, resumed", async () => {
  await using hub = new FakeHub();
  const url = `${hub.endpoint}/files/data.jsonl?x=1`;
  const put = (text: string, etag?: string) => {
    const content = new TextEncoder().encode(text);
    hub.plain.set("/files/data.jsonl", etag ? { content, etag } : { content });
  };
  put(lines(0, 20_000), '"one"');
  const host = hostOf(hub);
  hub.mishaps = [{ at: "/files/", cut: 70_000 }];
  equal((await numbers(host, { path: url })).length, 20_000);
  ok(hub.log.some((line) => line.endsWith("bytes=70000-")));
  hub.log.length = 0;
  equal((await numbers(host, { path: url })).length, 20_000);
  equal(hub.log.length, 1);
  put(lines(5, 1), '"two"');
  deepEqual(await numbers(host, { path: url }), [5]);
  put(lines(6, 1));
  deepEqual(await numbers(host, { path: "json", data_files: url }), [6]);
  deepEqual(await numbers(host, { path: url }, { offline: true }), [6]);
  await fails(numbers(host, { path: `${url}2` }, { offline: true }), /not in the cache/);

  // Without a version, a cut download begins anew; what it left is never trusted.
  put(lines(7, 20_000));
  hub.mishaps = [{ at: "/files/", cut: 70_000 }];
  equal((await numbers(host, { path: url })).length, 20_000);
  await fails(numbers(host, { path: `${hub.endpoint}/no/x.json` }), /does not exist/);
  await fails(numbers(host, { path: "s3://bucket/x.json" }), /reads https addresses/);
});
