// A run survives what happens to tabs: it is closed or the browser is killed in the middle, or the
// device is lost, and the run still ends in the bytes of one that was left alone.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { buildSite, launchProfile, serveSite, useConfig, watchForProblems } from "./harness.mjs";

const patience = 120_000; // a software GPU on a busy machine

const config = `base_model: public/models/eft-tiny
datasets:
  - path: public/data/town.jsonl
    type: alpaca
sequence_len: 64
adapter: lora
lora_r: 4
lora_alpha: 8
lora_dropout: 0.2
lora_target_modules: [q_proj, v_proj]
micro_batch_size: 1
max_steps: 12
learning_rate: 3e-3
logging_steps: 1
save_steps: 3
output_dir: out
`;

let folder, site, browser, page, alone;
const problems = [];
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "eft-profile-"));
  await buildSite();
  site = await serveSite();
  browser = await launchProfile(folder);
  page = await visit();
  await useConfig(page, "town.yml", config);
});
after(async () => {
  await browser?.close();
  await site?.close();
  if (folder) await rm(folder, { recursive: true, maxRetries: 5, retryDelay: 200 });
});

async function visit(room = "#/train") {
  const opened = await browser.newPage();
  const found = watchForProblems(opened);
  opened.on("close", () => problems.push(...found));
  await opened.goto(site.url + room);
  return opened;
}

/** Waits for an element; a failure that the page tells ends the waiting. */
async function shown(selector) {
  const failure = page.locator(".notice.error");
  await page.locator(selector).or(failure).first().waitFor({ timeout: patience });
  if (await failure.count() > 0) throw new Error(await failure.first().innerText());
}

const atStep = (step) =>
  page.waitForFunction(
    (step) => Number(/(\d+) of/.exec(document.querySelector("#status")?.textContent)?.[1]) >= step,
    step,
    { timeout: patience, polling: 20 },
  );

/** The run that the page shows: its weights, and the steps of which it keeps events. */
async function kept() {
  return await page.evaluate(async () => {
    const { record, events } = await eft.ask("train.open", {});
    const path = `runs/${record.id}/output/adapter_model.safetensors`;
    const files = await eft.ask("train.list", { path: `runs/${record.id}/output` });
    const { sha256 } = files.some(({ name }) => path.endsWith(name))
      ? await eft.ask("train.file", { path })
      : {};
    const steps = events.filter(({ event }) => event === "step");
    return {
      id: record.id,
      state: record.state,
      sha256,
      curve: steps.map(({ step, loss }) => [step, loss]),
      notes: events.flatMap(({ event, text }) => event === "note" ? [text] : []),
    };
  });
}

test("a run that is left alone, and seen from a second tab", async () => {
  await page.click("#start");
  await shown("#state.running"); // not the run before
  await atStep(2);
  const first = page;
  page = await visit();
  await page.locator("#state.running", { hasText: "in another tab" }).waitFor({
    timeout: patience,
  });
  assert.ok(await page.locator("#start").isDisabled());
  assert.equal(await page.locator("#resume").count(), 0);
  const { id } = await kept();
  const refused = await page.evaluate(
    (id) => eft.ask("train.resume", { id }).then(() => "began", (error) => error.message),
    id,
  );
  assert.match(refused, /goes on in another tab/);
  await page.locator("#state.finished").waitFor({ timeout: patience }); // it hears of the end
  await page.close();
  page = first;
  await shown("#result");
  alone = await kept();
  assert.equal(alone.state, "finished");
  assert.deepEqual(alone.curve.map(([step]) => step), Array.from({ length: 12 }, (_, i) => i + 1));
});

test("the tab is closed, then the browser is killed: it goes on to the same bytes", async () => {
  await page.click("#start");
  await shown("#state.running"); // not the run before
  await atStep(5);
  await page.close(); // no beforeunload: as a crash of the tab
  page = await visit("#/start");
  await page.click("text=A run was cut off"); // the header says it in every room
  await shown("#state.cut-off");
  assert.match(await page.innerText(".notice.warning"), /cut off at step \d+ of 12/);
  await shown('[data-measure="loss"]'); // the curves are there
  const cut = await kept();
  assert.equal(cut.state, "running");
  assert.deepEqual(cut.curve, alone.curve.slice(0, cut.curve.length));
  assert.ok(cut.curve.length >= 3 && cut.curve.length < 12, `${cut.curve.length} steps`);

  await page.click("#resume");
  await shown("#pause");
  await atStep(8);
  const session = await browser.browser().newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const ended = new Promise((resolve) => browser.on("close", resolve));
  process.kill(processInfo.find(({ type }) => type === "browser").id, "SIGKILL");
  await ended;

  browser = await launchProfile(folder);
  page = await visit();
  await shown("#state.cut-off");
  await page.click("#resume");
  await shown("#result");
  const found = await kept();
  assert.equal(found.id, cut.id);
  assert.equal(found.state, "finished");
  assert.equal(found.sha256, alone.sha256);
  assert.deepEqual(found.curve, alone.curve); // no step twice, none missing, every loss the same
  assert.equal(new Set(found.notes).size, found.notes.length);
});

test("the process that holds the GPU crashes: a new device, said once, the same bytes", async () => {
  await page.click("#start");
  await shown("#state.running"); // not the run before
  await atStep(5);
  const session = await browser.browser().newBrowserCDPSession();
  await session.send("Browser.crashGpuProcess").catch(() => {}); // it dies before it answers
  await shown("#result");
  const found = await kept();
  assert.equal(found.notes.filter((text) => text.includes("The GPU was lost")).length, 1);
  assert.equal(found.sha256, alone.sha256);
  assert.deepEqual(found.curve, alone.curve);
});

test("the console shows no error", async () => {
  await page.close();
  assert.deepEqual(problems, []);
});
