// `npm run dev` serves the same page from its sources: worker, shaders and all.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launchBrowser, serveSources, watchForProblems } from "./harness.mjs";

let server, browser, page, problems;
before(async () => {
  server = await serveSources();
  browser = await launchBrowser();
  page = await browser.newPage();
  problems = watchForProblems(page);
  await page.goto(server.url);
});
after(async () => {
  await browser?.close();
  await server?.close();
});

test("the page works from its sources", async () => {
  await page.waitForSelector("#adapter");
  await page.waitForFunction(() => {
    return document.getElementById("adapter")?.textContent !== "looking for it";
  });
  assert.match(await page.textContent("#adapter"), /swiftshader/i);
});

test("every room works from its sources, without a reload in between", async () => {
  await page.evaluate(() => globalThis.unreloaded = true);
  const signs = {
    model: ".facts",
    data: ".tokens .trained",
    config: ".cm-editor .cm-content",
    train: "#measure",
    chat: "#question",
    runs: "h1:has-text('Runs')",
    start: ".example",
  };
  for (const [room, selector] of Object.entries(signs)) {
    await page.evaluate((room) => location.hash = `#/${room}`, room);
    await page.waitForSelector(selector, { timeout: 60_000 });
    assert.equal(await page.locator(".notice.error").count(), 0, room);
  }
  const end = await page.evaluate(async () => {
    const configText = await (await fetch("examples/tiny/lora.yml")).text();
    const small = { max_steps: "1", micro_batch_size: "1", sequence_len: "64" };
    const overrides = Object.entries(small).map(([key, value]) => ({ key, value }));
    return await globalThis.eft.ask("train.start", { configText, configName: "a.yml", overrides });
  });
  assert.equal(end.steps, 1);
  await page.evaluate(() => location.hash = "#/train");
  await page.waitForSelector(".chart canvas");
  await page.waitForSelector("#result");
  assert.equal(await page.evaluate(() => globalThis.unreloaded), true);
});

test("the console shows no error", () => {
  assert.deepEqual(problems, []);
});
