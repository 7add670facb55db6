// Past runs: listed, laid over each other, compared, deleted. The runs are written into the private
// file system as the room of training leaves them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { checkAccessibility, openPage } from "./harness.mjs";
import { shoot } from "./run_in_page.mjs";

let site, page;
before(async () => {
  site = await openPage();
  page = site.page;
  await page.evaluate(async () => {
    const write = async (path, text) => {
      const parts = path.split("/");
      let folder = await navigator.storage.getDirectory();
      for (const part of parts.slice(0, -1)) {
        folder = await folder.getDirectoryHandle(part, { create: true });
      }
      const file = await folder.getFileHandle(parts.at(-1), { create: true });
      const stream = await file.createWritable();
      await stream.write(text);
      await stream.close();
    };
    const run = async (id, record, config, losses) => {
      const base = { id, step: 3, steps: 3, started: `2026-11-2${id.length}T10:00:00Z` };
      await write(`runs/${id}/run.json`, JSON.stringify({ ...base, ...record }));
      await write(`runs/${id}/config.yml`, config);
      const lines = losses.map((loss, i) => JSON.stringify({ event: "step", step: i + 1, loss }));
      // A run that is cut off may end in the middle of a line.
      await write(`runs/${id}/events.jsonl`, lines.join("\n") + '\n{"event":"st');
    };
    await run("a", { name: "low.yml", state: "finished", loss: 1.5 }, "lora_r: 8\nseed: 1\n", [
      3,
      2,
      1.5,
    ]);
    await run("bb", { name: "high.yml", state: "running" }, "lora_r: 64\nseed: 1\n", [3, 1, 0.5]);
    await run("ccc", { name: "bad.yml", state: "failed", message: "it broke" }, "seed: 1\n", []);
  });
  await page.click("nav >> text=Runs");
  await page.waitForSelector(".runs");
});
after(() => site?.close());

test("they are listed, the newest first, with what became of them", async () => {
  const rows = await page.locator(".runs tbody tr").allInnerTexts();
  assert.equal(rows.length, 3);
  assert.match(rows[0], /bad\.yml[^]*failed[^]*it broke/);
  assert.match(rows[1], /high\.yml[^]*interrupted/);
  assert.match(rows[2], /low\.yml[^]*finished[^]*3 \/ 3[^]*1\.5000/);
});

test("two chosen ones show their curves and how their configurations differ", async () => {
  await page.check(".runs tr:has-text('low.yml') input");
  await page.check(".runs tr:has-text('high.yml') input");
  await page.waitForSelector(".overlay .chart[aria-label$='low.yml: 1.5; high.yml: 0.5']");
  const loss = page.locator(".overlay .u-over");
  const { height } = await loss.boundingBox();
  await loss.hover({ position: { x: 2, y: height / 2 } });
  assert.match(
    await page.innerText(".overlay figcaption"),
    /^Step 1\s+low\.yml\s+3\s+high\.yml\s+3$/,
  );
  const table = page.locator("section:has(#differences) tbody tr");
  assert.deepEqual(await table.allInnerTexts(), ["lora_r\t8\t64"]);
  await page.selectOption("section:has(#curves) select", "eval_loss");
  await page.getByText("no such number").waitFor();
});

test("nothing serious for axe, and no overflow on a phone", async () => {
  await page.selectOption("section:has(#curves) select", "loss");
  await page.waitForSelector(".overlay canvas");
  await checkAccessibility(page);
  await shoot(page, "runs");
});

test("a configuration can be used again", async () => {
  await page.getByRole("button", { name: "Use config of high.yml" }).click();
  await page.waitForFunction(() => location.hash === "#/config");
  await page.click("nav >> text=Runs");
});

test("deleting asks first", async () => {
  const button = page.getByRole("button", { name: "Delete low.yml" });
  await button.click();
  await page.waitForSelector("dialog[open]");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog[open]", { state: "detached" });
  assert.equal(await page.locator(".runs tbody tr").count(), 3);
  await button.click();
  await page.locator("dialog .danger").click();
  await page.waitForFunction(() => document.querySelectorAll(".runs tbody tr").length === 2);
  const left = await page.evaluate(() => globalThis.eft.ask("runs.list", {}));
  assert.deepEqual(left.map(({ id }) => id), ["ccc", "bb"]);
});

test("the console shows no error", () => assert.deepEqual(site.problems, []));
