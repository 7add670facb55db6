// The page opens, finds the GPU in its worker, and has nothing to complain about.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openPage } from "./harness.mjs";

let site;
before(async () => site = await openPage());
after(() => site?.close());

test("the page names the adapter", async () => {
  await site.page.waitForSelector("#adapter");
  await site.page.waitForFunction(() => {
    return document.getElementById("adapter")?.textContent !== "looking for it";
  });
  const line = site.page.locator("#adapter");
  assert.match(await line.textContent(), /swiftshader.*\(software, slow\)/i);
  assert.equal(await line.getAttribute("class"), null);
});

test("the worker has WebGPU with the limits that the kernels count on", async () => {
  const { limits } = await site.page.evaluate(() => globalThis.eft.ask("start.adapter", {}));
  assert.ok(limits.maxStorageBufferBindingSize >= 128 * 2 ** 20);
  assert.ok(limits.maxStorageBuffersPerShaderStage >= 8);
  assert.ok(limits.maxComputeInvocationsPerWorkgroup >= 256);
});

test("a file of the site can be read through the worker", async () => {
  const { sha256, size } = await site.page.evaluate(async () => {
    const path = "public/models/eft-tiny/config.json";
    const { bytes, sha256 } = await globalThis.eft.ask("train.file", { path });
    return { sha256, size: bytes.length };
  });
  assert.match(sha256, /^[0-9a-f]{64}$/);
  assert.ok(size > 0);
});

test("the console shows no error", () => {
  assert.deepEqual(site.problems, []);
});
