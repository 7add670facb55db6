// Both hosts keep the same contract for files. The browser's host runs here on its memory store,
// and a stub of `fetch` serves its site.

import { deepStrictEqual as equal, ok, rejects } from "node:assert";
import { EftError } from "../../src/errors.ts";
import { readRows } from "../../src/data/sources/rows.ts";
import { type BrowserHost, browserHost } from "../../src/host/browser.ts";
import { denoHost } from "../../src/host/deno.ts";
import type { Host } from "../../src/host/host.ts";

const site: Record<string, string> = {
  "public/models/tiny/config.json": "{}",
  "examples/tiny/data/a.jsonl": "0123456789",
};

async function withDeno(use: (host: Host, folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    for (const [path, text] of Object.entries(site)) await denoHost(folder).write(path, text);
    await use(denoHost(folder), folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function withBrowser(use: (host: Host) => Promise<void>) {
  const base = "http://eft.test/app/";
  const pages: Record<string, string> = {
    [`${base}files.json`]: JSON.stringify(
      Object.fromEntries(Object.entries(site).map(([path, text]) => [path, text.length])),
    ),
    [`${base}models/tiny/config.json`]: site["public/models/tiny/config.json"],
    [`${base}examples/tiny/data/a.jsonl`]: site["examples/tiny/data/a.jsonl"],
  };
  const real = globalThis.fetch;
  globalThis.fetch = (url) => {
    const text = pages[String(url)];
    return Promise.resolve(new Response(text, { status: text === undefined ? 404 : 200 }));
  };
  try {
    await use(await browserHost(base));
  } finally {
    globalThis.fetch = real;
  }
}

for (const [name, run] of [["deno", withDeno], ["browser", withBrowser]] as const) {
  Deno.test(`${name} host: reads files and folders that are given`, () =>
    run(async (host) => {
      equal(await host.kind("examples/tiny/data/a.jsonl"), "file");
      equal(await host.kind("./public/models/tiny"), "folder");
      equal(await host.kind("examples/nothing"), undefined);
      equal(await host.kind("examples/tiny/data/a.jsonl/below"), undefined);
      equal(await host.list("public/models/tiny"), ["config.json"]);
      equal(await host.readText("public/models/tiny/config.json"), "{}");
      await rejects(() => host.readText("examples/nothing"), /there is no file examples\/nothing/);
      await rejects(() => host.list("examples/nothing"));
    }));

  Deno.test(`${name} host: reads any range, also several at once`, () =>
    run(async (host) => {
      const file = await host.open("examples/tiny/data/a.jsonl");
      equal(file.size, 10);
      const parts = await Promise.all([[7, 3], [0, 2], [10, 0]].map(([at, n]) => file.read(at, n)));
      equal(parts.map((part) => new TextDecoder().decode(part)), ["789", "01", ""]);
      await rejects(() => file.read(8, 3), /has 10 bytes/);
      equal(new TextDecoder().decode(await file.read(0, 10)), "0123456789");
      file.close();
    }));

  Deno.test(`${name} host: appends, and keeps what came before a failure`, () =>
    run(async (host) => {
      async function* pieces(...texts: string[]) {
        for (const text of texts) {
          if (text === "!") throw new Error("broken source");
          yield new TextEncoder().encode(text);
        }
      }
      await host.append("out/part", pieces("ab", "c"));
      await rejects(() => host.append("out/part", pieces("d", "!")), /broken source/);
      await host.append("out/part", pieces("e"));
      equal(await host.readText("out/part"), "abcde");
      equal(await host.list("out"), ["part"]);
      equal(host.cacheFolder.length > 0, true);
      equal(host.env("EFT_NO_SUCH_VARIABLE"), undefined);
    }));

  Deno.test(`${name} host: streams a file`, () =>
    run(async (host) => {
      const stream = await host.readStream("examples/tiny/data/a.jsonl");
      equal(await new Response(stream).text(), "0123456789");
    }));

  Deno.test(`${name} host: writes, lists, renames and removes`, () =>
    run(async (host) => {
      await host.write("out/a.txt", "one");
      await host.write("out/a.txt", "two");
      await host.write("out/deep/b.bin", chunks([1, 2], [3]));
      await host.makeFolder("out/empty");
      equal(await host.readText("out/a.txt"), "two");
      equal(await host.list("out"), ["a.txt", "deep", "empty"]);
      equal(await host.list("out/empty"), []);
      await host.rename("out/deep", "out/moved");
      equal(await host.kind("out/deep"), undefined);
      const file = await host.open("out/moved/b.bin");
      equal([...await file.read(0, 3)], [1, 2, 3]);
      file.close();
      await host.rename("out/a.txt", "out/moved/b.bin");
      equal(await host.readText("out/moved/b.bin"), "two");
      await host.remove("out");
      await host.remove("out");
      equal(await host.kind("out"), undefined);
    }));

  Deno.test(`${name} host: a write that fails leaves what was there`, () =>
    run(async (host) => {
      await host.write("out/a.bin", "before");
      await rejects(() => host.write("out/a.bin", failing()), /broken source/);
      await rejects(() => host.write("out/new.bin", failing()), /broken source/);
      equal(await host.readText("out/a.bin"), "before");
      equal(await host.list("out"), ["a.bin"]);
    }));

  Deno.test(`${name} host: a path is locked by one at a time`, () =>
    run(async (host) => {
      const release = await host.lock("new/out");
      ok(release);
      equal(await host.lock("./new/out"), undefined);
      const other = await host.lock("new/other");
      ok(other);
      await Promise.all([release(), other()]);
      const again = await host.lock("new/out");
      ok(again);
      await again();
      equal(await host.kind("new/out.lock"), undefined);
    }));

  Deno.test(`${name} host: text that is not UTF-8 is refused`, () =>
    run(async (host) => {
      await host.write("bad.txt", chunks([0x66, 0xff]));
      await rejects(() => host.readText("bad.txt"), /bad.txt is not UTF-8 text/);
    }));
}

Deno.test("deno host: an absolute path is taken as it is", () =>
  withDeno(async (_, folder) => {
    equal(await denoHost("/nowhere").kind(`${folder}/examples`), "folder");
  }));

Deno.test("deno host: offers the engine that is asked for, and says why it cannot", async () => {
  equal((await denoHost().engines("wgpu")).map((engine) => engine.name), ["wgpu"]);
  equal((await denoHost().engines()).at(-1)!.name, "wgpu");
  await rejects(
    () => denoHost().engines("browser"),
    (error) => error instanceof EftError && error.code === "device",
  );
});

Deno.test("deno host: Dawn loads and computes where it finds an adapter", async () => {
  const [dawn] = await denoHost().engines("dawn");
  equal(dawn.name, "dawn");
  const adapter = await dawn.gpu.requestAdapter();
  if (!adapter) return; // Dawn refuses some software drivers
  const device = await adapter.requestDevice();
  ok(device.limits.maxBufferSize > 0);
  device.destroy();
});

async function* chunks(...parts: number[][]) {
  for (const part of parts) yield await Promise.resolve(new Uint8Array(part));
}

async function* failing() {
  yield await Promise.resolve(new Uint8Array(5));
  throw new Error("broken source");
}

Deno.test("browser host: mounted files hide others and are read, listed and found", () =>
  withBrowser(async (plain) => {
    const host = plain as BrowserHost;
    const row = '{"n":1}';
    host.mount([["dropped/deep/a.jsonl", new Blob([row])], [
      "examples/tiny/data/a.jsonl",
      new Blob(["mine"]),
    ]]);
    equal(await host.readText("examples/tiny/data/a.jsonl"), "mine");
    equal(await host.kind("dropped"), "folder");
    equal(await host.list("dropped"), ["deep"]);
    equal((await host.open("./dropped/deep/a.jsonl")).size, 7);
    const rows = await Array.fromAsync(readRows(host, { path: "dropped" }, { offline: true }));
    equal(rows.map(({ value, file }) => [value.n, file]), [[1, "dropped/deep/a.jsonl"]]);
  }));

Deno.test("deno host: EFT_HOME chooses the cache folder", () => {
  const before = Deno.env.get("EFT_HOME");
  Deno.env.set("EFT_HOME", "/somewhere");
  equal(denoHost().cacheFolder, "/somewhere");
  if (before === undefined) Deno.env.delete("EFT_HOME");
  else Deno.env.set("EFT_HOME", before);
});
