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

test("the console shows no error", () => {
  assert.deepEqual(problems, []);
});
