// A person opens the page, starts the run that it shows, and reads its mistakes.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openPage } from "./harness.mjs";

let site;
before(async () => site = await openPage("#/config"));
after(() => site?.close());

test("a mistake in the configuration is one sentence with its place", async () => {
  const { page } = site;
  await page.click("#config");
  await page.keyboard.press("Control+End");
  await page.keyboard.insertText("lora_rr: 4\n");
  await page.click("nav >> text=Train");
  await page.click("#start");
  const notice = page.locator(".notice.error");
  await notice.waitFor({ timeout: 60_000 });
  assert.match(await notice.innerText(), /^examples\/tiny\/lora\.yml:\d+:1: .*lora_rr.*lora_r\b/);
});

test("the console shows no error", () => {
  assert.deepEqual(site.problems, []);
});
