// The browser's host keeps its contract on the real private file system (tests/host/host_test.ts
// holds it to the same contract on its memory store).

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { join } from "node:path";
import { launchBrowser, serveSources } from "./harness.mjs";
import { root } from "../../scripts/setup.mjs";

let server, browser, page;
before(async () => {
  server = await serveSources();
  browser = await launchBrowser();
  page = await (await browser.newContext()).newPage();
  await page.goto(`${server.url}files.json`);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** Calls `use(host, tools)` in the page; it must not refer to anything outside of itself. */
function withHost(use) {
  const module = `/@fs${join(root, "src/host/browser.ts")}`;
  return page.evaluate(`(async () => {
    const { browserHost } = await import(${JSON.stringify(module)});
    const text = async (file) => new TextDecoder().decode(await file.read(0, file.size));
    const failure = (promise) => promise.then(() => "no failure", (error) => error.message);
    return await (${use})(await browserHost(location.origin + "/"), { text, failure });
  })()`);
}

test("the private file system is there", async () => {
  assert.equal(await page.evaluate("typeof navigator.storage.getDirectory"), "function");
});

test("reads the files of the site", async () => {
  const found = await withHost(async (host, { text, failure }) => ({
    kinds: await Promise.all(
      ["public/models/eft-tiny", "public/models/eft-tiny/config.json", "public/no"]
        .map(async (path) => await host.kind(path) ?? "nothing"),
    ),
    names: await host.list("public/models"),
    model:
      JSON.parse(await text(await host.open("./public/models/eft-tiny/config.json"))).model_type,
    missing: await failure(host.readText("public/no")),
  }));
  assert.deepEqual(found, {
    kinds: ["folder", "file", "nothing"],
    names: ["eft-tiny"],
    model: "llama",
    missing: "there is no file public/no",
  });
});

test("appends, also after a failure, and offers dropped files", async () => {
  const found = await withHost(async (host, { failure }) => {
    async function* pieces(...texts) {
      for (const text of texts) {
        if (text === "!") throw new Error("broken source");
        yield new TextEncoder().encode(text);
      }
    }
    await host.append("out/part", pieces("ab"));
    const failed = await failure(host.append("out/part", pieces("c", "!")));
    await host.append("out/part", pieces("d"));
    const part = await host.readText("out/part");
    await host.remove("out");
    host.mount([["dropped/a.txt", new Blob(["mine"])]]);
    return { part, failed, dropped: await host.readText("dropped/a.txt") };
  });
  assert.deepEqual(found, { part: "abcd", failed: "broken source", dropped: "mine" });
});

test("a path is locked by one tab at a time, until the tab is closed", async () => {
  const take = (host) => host.lock("runs/out").then((release) => typeof release);
  assert.equal(await withHost(take), "function");
  assert.equal(await withHost(take), "undefined");
  const first = page;
  page = await first.context().newPage();
  await page.goto(`${server.url}files.json`);
  assert.equal(await withHost(take), "undefined");
  await first.close();
  const retake = async (host) => {
    for (let i = 0; i < 50; i++) {
      const release = await host.lock("runs/out");
      if (release) return await release().then(() => host.lock("runs/out")).then((r) => typeof r);
      await new Promise((done) => setTimeout(done, 100));
    }
  };
  assert.equal(await withHost(retake), "function");
});

test("writes, renames, removes, and leaves no trace of a write that fails", async () => {
  const found = await withHost(async (host, { text, failure }) => {
    async function* failing() {
      yield new Uint8Array(5);
      throw new Error("broken source");
    }
    await host.write("out/a.txt", "one");
    await host.write("out/a.txt", "two");
    await host.write("out/deep/b.txt", "three");
    const failures = [
      await failure(host.write("out/a.txt", failing())),
      await failure(host.write("out/new.txt", failing())),
    ];
    const before = await host.list("out");
    await host.rename("out/deep", "out/moved");
    await host.rename("out/a.txt", "out/moved/b.txt");
    const after = await host.list("out");
    const content = await text(await host.open("out/moved/b.txt"));
    const hidden = await failure(host.list("out/deep"));
    await host.remove("out");
    await host.remove("out");
    return { failures, before, after, content, hidden, kind: await host.kind("out") ?? "gone" };
  });
  assert.deepEqual(found, {
    failures: ["broken source", "broken source"],
    before: ["a.txt", "deep"],
    after: ["moved"],
    content: "two",
    hidden: "there is no folder out/deep",
    kind: "gone",
  });
});

/** Calls `use(host, tools)` in a worker, where files can be written in place. */
function inWorker(use, before = "") {
  const code = `
    onmessage = async ({ data: origin }) => {
      ${before}
      const { browserHost } = await import(origin + ${
    JSON.stringify(`/@fs${join(root, "src/host/browser.ts")}`)
  });
      const failure = (promise) => promise.then(() => "no failure", (error) => error.message);
      try {
        postMessage({ found: await (${use})(await browserHost(origin + "/"), { failure }) });
      } catch (error) {
        postMessage({ error: String(error) });
      }
    };`;
  return page.evaluate((code) =>
    new Promise((resolve, reject) => {
      const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
      const worker = new Worker(url, { type: "module" });
      worker.onmessage = ({ data }) => {
        worker.terminate();
        if (data.error) reject(new Error(data.error));
        else resolve(data.found);
      };
      worker.onerror = (event) => reject(new Error(event.message));
      worker.postMessage(location.origin);
    }), code);
}

async function workerContract(host, { failure }) {
  async function* pieces(...texts) {
    for (const text of texts) {
      if (text === "!") throw new Error("broken source");
      yield new TextEncoder().encode(text);
    }
  }
  await host.append("out/part", pieces("ab"));
  const failures = [await failure(host.append("out/part", pieces("c", "!")))];
  await host.append("out/part", pieces("d"));
  await host.write("out/a.txt", "a longer text");
  await host.write("out/a.txt", "two");
  failures.push(await failure(host.write("out/a.txt", pieces("x", "!"))));
  failures.push(await failure(host.write("out/new.txt", pieces("x", "!"))));
  await host.write("out/deep/b.txt", "three");
  await host.rename("out/deep", "out/moved");
  await host.rename("out/a.txt", "out/moved/b.txt");
  const found = {
    failures,
    part: await host.readText("out/part"),
    replaced: await host.readText("out/moved/b.txt"),
    names: await host.list("out"),
  };
  await host.remove("out");
  return found;
}

for (
  const [name, before] of [
    ["", ""],
    [
      " without createWritable (Safari before 26)",
      "delete FileSystemFileHandle.prototype.createWritable;",
    ],
    [" without move", "delete FileSystemFileHandle.prototype.move;"],
  ]
) {
  test(`in a worker${name}: the same contract`, async () => {
    assert.deepEqual(await inWorker(workerContract, before), {
      failures: ["broken source", "broken source", "broken source"],
      part: "abcd",
      replaced: "two",
      names: ["moved", "part"],
    });
  });
}
