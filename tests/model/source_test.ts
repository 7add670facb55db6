import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import type { DownloadProgress } from "../../src/data/hub/settings.ts";
import { EftError } from "../../src/errors.ts";
import { resolveModelFolder, resolveTokenizerFolder } from "../../src/model/source.ts";
import { FakeHub, type FakeRepo } from "../data/hub/server.ts";
import { FakeHost } from "../fake_host.ts";

const INDEX = "model.safetensors.index.json";

function hostOf(hub: FakeHub): FakeHost {
  const host = new FakeHost({ "local/config.json": "{}" });
  host.chunk = 1 << 16;
  host.variables.HF_ENDPOINT = hub.endpoint;
  return host;
}

function model(name: string, files: FakeRepo["files"]): FakeRepo {
  const small = { "config.json": "{}", "tokenizer.json": "{}", "README.md": "", "x.bin": "bin" };
  return { kind: "models", name, files: { ...small, ...files } };
}

async function fails(promise: Promise<unknown>, message: RegExp) {
  await rejects(promise, (error: unknown) => {
    if (!(error instanceof EftError)) throw error;
    equal(error.code, "model");
    match(error.message, message);
    return true;
  });
}

/** Names of the files in a folder of the host. */
const inside = (host: FakeHost, folder: string) =>
  [...host.files.keys()].filter((path) => path.startsWith(`${folder}/`))
    .map((path) => path.slice(folder.length + 1)).sort();

Deno.test("a model in one file or in shards comes with what belongs to it, once", async () => {
  await using hub = new FakeHub();
  const map = { a: "s-1.safetensors", b: "s-2.safetensors", c: "s-1.safetensors" };
  hub.add(model("owner/one", { "model.safetensors": "weights", "chat_template.jinja": "{{x}}" }));
  hub.add(model("gpt-shards", {
    [INDEX]: JSON.stringify({ weight_map: map }),
    "s-1.safetensors": "1".repeat(200_000),
    "s-2.safetensors": "2",
    "s-3.safetensors": "not named by the index",
  }));
  const host = hostOf(hub);
  const options = { retryDelay: 1 };
  const small = await resolveModelFolder(host, "owner/one", { ...options, parts: "small" });
  deepEqual(inside(host, small), ["chat_template.jinja", "config.json", "tokenizer.json"]);
  equal(await resolveModelFolder(host, "owner/one", options), small);
  equal(await host.readText(`${small}/model.safetensors`), "weights");

  const seen: DownloadProgress[] = [];
  hub.mishaps = [{ at: "/blob/s-1", cut: 70_000 }];
  const onProgress = (each: DownloadProgress) => seen.push(each);
  const folder = await resolveModelFolder(host, "gpt-shards", { ...options, onProgress });
  deepEqual(inside(host, folder), [
    "config.json",
    INDEX,
    "s-1.safetensors",
    "s-2.safetensors",
    "tokenizer.json",
  ]);
  equal(hub.count("/blob/s-1.safetensors bytes=70000-"), 1);
  ok(
    seen.some(({ file, done, total }) =>
      file === "gpt-shards/s-1.safetensors" && done === 200_000 && total === 200_000
    ),
  );
  hub.log.length = 0;
  equal(await resolveModelFolder(host, "gpt-shards", { offline: true }), folder);
  equal(hub.log.length, 0);
});

Deno.test("local folders stay what they are; what cannot be had is said", async () => {
  await using hub = new FakeHub();
  hub.add(model("owner/pickle", { "pytorch_model.bin": "x" }));
  hub.add(model("owner/broken", { [INDEX]: "{" }));
  hub.add(model("owner/short", { [INDEX]: '{"weight_map":{"a":"shard-1.safetensors"}}' }));
  const host = hostOf(hub);
  for (const path of ["local", "./nowhere", "/nowhere", "a/b/c", "../x"]) {
    equal(await resolveModelFolder(host, path), path);
  }
  equal(hub.log.length, 0);
  const resolve = (name: string) => resolveModelFolder(host, name, { retryDelay: 1 });
  await fails(resolve("owner/none"), /model owner\/none \(there is no such local path\) does not/);
  await fails(
    resolve("owner/pickle"),
    /no model\.safetensors; it holds x\.bin, pytorch_model\.bin/,
  );
  await fails(resolve("owner/broken"), /index is not JSON/);
  await fails(resolve("owner/short"), /model owner\/short has no file shard-1\.safetensors/);
  const folder = await resolveTokenizerFolder(host, {
    base_model: "local",
    tokenizer_config: "owner/pickle",
    model_revision: "of the model only",
  });
  deepEqual(inside(host, folder), ["config.json", "tokenizer.json"]);
});

Deno.test("the needed files are known before the weights come, and a stopped download goes on", async () => {
  await using hub = new FakeHub();
  hub.add(model("owner/two", {
    [INDEX]: JSON.stringify({ weight_map: { a: "s-1.safetensors", b: "s-2.safetensors" } }),
    "s-1.safetensors": "1".repeat(200_000),
    "s-2.safetensors": "2",
  }));
  const host = hostOf(hub);
  const stop = new AbortController();
  let needed: unknown;
  hub.mishaps = [{ at: "/blob/s-1", cut: 70_000 }];
  const stopped = resolveModelFolder(host, "owner/two", {
    retryDelay: 60_000, // the signal ends the wait after the break
    signal: stop.signal,
    onFiles: (files) => {
      needed = files.map(({ file, size, here }) => [file, size, here]);
      setTimeout(() => stop.abort(), 200);
    },
  });
  await fails(
    stopped,
    /download of owner\/two\/s-1\.safetensors was stopped; what arrived is kept/,
  );
  deepEqual(needed, [
    ["owner/two/config.json", 2, true],
    ["owner/two/tokenizer.json", 2, true],
    ["owner/two/s-1.safetensors", 200_000, false],
    ["owner/two/s-2.safetensors", 1, false],
  ]);
  const folder = await resolveModelFolder(host, "owner/two", { retryDelay: 1 });
  equal((await host.readText(`${folder}/s-1.safetensors`)).length, 200_000);
  equal(hub.count("/blob/s-1.safetensors bytes=70000-"), 1);
});
