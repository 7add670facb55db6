// A person opens the page, starts the run that it shows, watches the loss, and takes the files home.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { openPage } from "./harness.mjs";

// The configuration of the page, made small enough for a software adapter.
const small = "?set.max_steps=4&set.logging_steps=1&set.micro_batch_size=1&set.sequence_len=64";

let site;
before(async () => site = await openPage(small));
after(() => site?.close());

/** Resolves to the status line's text once the run is over. */
async function ended() {
  await site.page.waitForSelector("#start:enabled", { timeout: 180_000 });
  return await site.page.textContent("#status");
}

test("a mistake in the configuration is one sentence with its place", async () => {
  await site.page.waitForSelector("#start:enabled");
  const text = await site.page.inputValue("#config");
  await site.page.fill("#config", `${text}\nlora_rr: 4\n`);
  await site.page.click("#start");
  const status = await ended();
  assert.match(status, /^examples\/tiny\/lora\.yml:\d+:1: .*lora_rr.*lora_r\b/);
  assert.equal(await site.page.getAttribute("#status", "class"), "error");
  await site.page.fill("#config", text);
});

test("a run shows its loss and ends", async () => {
  await site.page.click("#start");
  assert.equal(await site.page.isDisabled("#start"), true);
  assert.equal(await ended(), "finished");
  assert.equal(await site.page.getAttribute("#status", "class"), "");
  assert.match(await site.page.textContent("#notes"), /SOFTWARE ADAPTER.*parameters are trained/s);
  const rows = await site.page.locator("#log tr").allInnerTexts();
  assert.deepEqual(rows.map((row) => row.split("\t")[0]), ["1", "2", "3", "4"]);
  const loss = Number(await site.page.textContent("#loss"));
  assert.ok(loss > 0 && loss < 20, `loss ${loss}`);
  assert.equal(rows[3].split("\t")[1], loss.toFixed(4));
  assert.equal((await site.page.getAttribute("#curve", "points")).split(" ").length, 4);
});

test("its files can be downloaded", async () => {
  const names = await site.page.locator("#files button").allInnerTexts();
  for (const name of ["adapter_config.json", "adapter_model.safetensors", "trainer_state.json"]) {
    assert.ok(names.includes(name), `${name} is not among ${names}`);
  }
  const waiting = site.page.waitForEvent("download");
  await site.page.click("#files button:text-is('trainer_state.json')");
  const state = JSON.parse(await readFile(await (await waiting).path(), "utf8"));
  assert.equal(state.global_step, 4);
  assert.equal(state.log_history[3].loss.toFixed(4), await site.page.textContent("#loss"));
});

test("it can be run again, to the same loss", async () => {
  const before = await site.page.textContent("#loss");
  await site.page.click("#start");
  assert.equal(await ended(), "finished");
  assert.equal(await site.page.textContent("#loss"), before);
});

test("the console shows no error", () => {
  assert.deepEqual(site.problems, []);
});
