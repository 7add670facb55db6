// The start room: the adapter, the demo, runs of earlier visits, examples; what a browser without
// WebGPU is told; and how much code the first look costs.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { launchBrowser, openPage, watchForProblems } from "./harness.mjs";
import {
  keep,
  kept,
  overflow,
  photograph,
  photographs,
  removePrivate,
  seriousProblems,
  writePrivate,
} from "./person.mjs";

let site, context, page, problems;
before(async () => {
  site = await openPage();
  context = await site.page.context().browser().newContext();
  page = await context.newPage();
  problems = watchForProblems(page);
  // Whatever the rooms show, the worker reports the steps of a run.
  await page.addInitScript(() => {
    globalThis.steps = 0;
    globalThis.Worker = class extends Worker {
      constructor(...given) {
        super(...given);
        this.addEventListener("message", ({ data }) => {
          if (JSON.stringify(data).includes('"event":"step"')) globalThis.steps++;
        });
      }
    };
  });
});
after(() => site?.close());

const record = (id, more) => ({
  id,
  name: "examples/tiny/lora.yml",
  started: "2026-11-23T10:00:00Z",
  state: "running",
  step: 120,
  steps: 200,
  ...more,
});

async function start() {
  await page.goto(`${site.url}#/start`);
  await page.reload();
  await page.waitForSelector(".example");
  await page.waitForFunction(() => /swiftshader/i.test(document.querySelector("#adapter")?.value));
}

test("a software adapter is said plainly, with what it means", async () => {
  await start();
  assert.match(await page.textContent("#adapter"), /swiftshader \(software, slow\)/i);
  assert.match(await page.textContent(".notice.warning"), /the processor does the work/);
});

test("the examples are there with what they do, but none that a page cannot run", async () => {
  const names = await page.locator(".example code").allTextContents();
  assert.ok(names.includes("tiny/lora.yml") && names.includes("tiny/qlora.yml"));
  assert.ok(!names.includes("tiny/gptq.yml")); // its base is made in a terminal
  const about = page.locator(".example", { hasText: "tiny/qlora.yml" }).locator("p");
  assert.match(await about.textContent(), /^QLoRA: the same town, with the base held in 4 bits/);
});

test("an example takes the place of an own configuration, which can be taken back", async () => {
  const own = "base_model: owner/name # mine\n";
  await keep(page, { "config.text": own, "config.name": "mine.yml" });
  await start();
  await page.click('[aria-label="Open examples/tiny/full.yml"]');
  await page.waitForFunction(() => location.hash === "#/config");
  await start();
  assert.match(await kept(page, "config.text"), /^# Teaches eft-tiny/);
  assert.match(await page.textContent(".notice.info"), /mine\.yml was put aside/);
  await page.click("text=Take it back");
  await page.waitForFunction(() => !document.querySelector(".notice.info"));
  assert.equal(await kept(page, "config.text"), own);
  assert.equal(await kept(page, "config.name"), "mine.yml");
});

test("a run that was cut off is one line that leads to it; one that goes on is not", async () => {
  await writePrivate(page, "runs/b/run.json", JSON.stringify(record("b")));
  await writePrivate(page, "runs/c/run.json", "{ cut off in the mid");
  await start();
  const line = page.locator(".notice.info");
  await line.waitFor();
  assert.match(await line.textContent(), /lora\.yml was cut off at step 120 of 200/);
  assert.equal(await line.locator("a").getAttribute("href"), "#/train/b");
  // As the worker of another tab does.
  const other = await context.newPage();
  await other.goto(`${site.url}files.json`);
  await other.evaluate(() =>
    void navigator.locks.request("eft-run-b", () => new Promise(() => {}))
  );
  await start();
  await page.waitForFunction(() => document.querySelector("#try").disabled);
  assert.equal(await page.locator(".notice.info").count(), 0);
  await other.close();
  await writePrivate(page, "runs/b/run.json", JSON.stringify(record("b", { state: "stopped" })));
});

test("after the demo the room says what can be asked", async () => {
  assert.match(await page.textContent(".try"), /Then ask it in Chat/);
  const done = record("d", { state: "finished", step: 200, loss: 0.1234 });
  await writePrivate(page, "runs/d/run.json", JSON.stringify(done));
  await start();
  const notice = page.locator(".try .notice.good");
  await notice.waitFor();
  assert.match(await notice.textContent(), /learnt the town \(loss 0\.123\).*weaver.*Bedok/);
  assert.equal(await notice.locator("a").getAttribute("href"), "#/chat/d");
});

test("nothing serious for axe, light and dark; no overflow on a phone", async () => {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    assert.deepEqual(await seriousProblems(page), []);
  }
  await page.setViewportSize({ width: 360, height: 740 });
  assert.equal(await overflow(page), 0);
  await page.setViewportSize({ width: 1280, height: 800 });
});

test("pictures", photographs, async () => {
  await photograph(context.browser(), site.url, "start", async (page) => {
    await page.waitForSelector(".example");
    await page.waitForSelector("#try:not([disabled])");
  });
});

test("the demo: trained, stopped and kept, asked; then cut off and gone on with", async () => {
  await removePrivate(page, "runs");
  await keep(page, { "config.text": "base_model: nothing\n", "config.name": "mine.yml" });
  await start();
  await page.click("#try");
  await page.waitForFunction(() => location.hash === "#/train");
  assert.equal(await kept(page, "config.name"), "examples/tiny/lora.yml");
  const patient = { timeout: 120_000 };
  await page.waitForFunction(() => globalThis.steps >= 2, null, patient);

  await page.click("nav >> text=Start");
  await page.waitForFunction(() => document.querySelector("#try")?.disabled);
  assert.match(await page.textContent("#try"), /A run goes on/);
  assert.match(await page.textContent(".indicator"), /\d+\/200/);
  await page.click(".try >> text=Watch it");
  await page.click("#stop");
  await page.waitForSelector("#result", patient);
  await page.click("nav >> text=Start");
  const good = page.locator(".try .notice.good");
  await good.waitFor();
  const said = await good.textContent();
  assert.match(said, /has learnt for \d+ of 200 steps \(loss \d\.\d{3}\).*Ask it in Chat/);
  assert.equal(await page.locator("#try").isEnabled(), true);
  assert.match(await page.textContent(".notice.info"), /mine\.yml was put aside/);
  await good.locator("a").click();
  await page.waitForSelector("#question");
  const [id] = await page.evaluate(() => globalThis.eft.ask("start.runs", {}))
    .then((runs) => runs.map((run) => run.id));
  assert.equal(new URL(page.url()).hash, `#/chat/${id}`);

  // The page is closed in the middle of the second run.
  await page.click("nav >> text=Start");
  await page.click("#try:not([disabled])");
  await page.evaluate(() => globalThis.steps = 0);
  await page.waitForFunction(() => globalThis.steps >= 1, null, patient);
  page.once("dialog", (dialog) => dialog.accept()); // it asks before it lets a run be lost
  await page.goto(`${site.url}files.json`);
  await start();
  const line = page.locator(".notice.info", { hasText: "was cut off" });
  await line.waitFor();
  assert.equal(await page.locator("main >> text=was cut off").count(), 1);
  assert.equal(await page.locator("header >> text=was cut off").count(), 1);
  await page.click("nav >> text=Model");
  assert.equal(await page.textContent(".indicator"), "A run was cut off");
  await page.click("nav >> text=Start");
  await line.locator("a").click();
  await page.waitForSelector("#resume");
  await page.click("#resume");
  await page.waitForFunction(() => globalThis.steps >= 1, null, patient);
  await page.click("#discard");
  await page.click("#discard-yes");
  await page.waitForSelector("#start", patient);
  await page.click("nav >> text=Start");
  await page.waitForFunction(() => !document.body.textContent.includes("was cut off"));
  await good.waitFor(); // the first one is still there
});

test("the console shows no error", () => {
  assert.deepEqual(problems, []);
});

test("without WebGPU the page says what to do in this browser, and the rest works", async () => {
  const bare = await launchBrowser();
  try {
    const page = await bare.newPage();
    const problems = watchForProblems(page);
    await page.addInitScript(() => delete Navigator.prototype.gpu);
    await page.goto(site.url);
    const help = page.locator("#help");
    await help.waitFor();
    assert.match(await help.textContent(), /does not offer WebGPU.*graphics acceleration.*chrome:/);
    assert.equal(await page.locator("#try").count(), 0);
    assert.deepEqual(await seriousProblems(page), []);
    await page.click("nav >> text=Model");
    await page.waitForSelector(".facts");
    assert.deepEqual(problems, []);
  } finally {
    await bare.close();
  }
});

test("without a graphics card for WebGPU it says that", async () => {
  const bare = await launchBrowser(["--disable-gpu"]);
  try {
    const page = await bare.newPage();
    await page.goto(site.url);
    await page.locator("#help").waitFor();
    assert.match(await page.textContent("#help"), /graphics acceleration.*driver/);
  } finally {
    await bare.close();
  }
});

test("the first look costs at most 200 KB of compressed JavaScript before the engine starts", async (t) => {
  const bare = await launchBrowser();
  try {
    const context = await bare.newContext({ serviceWorkers: "block" });
    const page = await context.newPage();
    // The engine is what the worker loads.
    await page.addInitScript(() => {
      globalThis.Worker = class {
        postMessage() {}
      };
    });
    const loaded = [];
    page.on("response", (answer) => {
      if (/\.js$/.test(new URL(answer.url()).pathname)) loaded.push(answer);
    });
    await page.goto(site.url);
    await page.waitForSelector(".example");
    let bytes = 0;
    for (const answer of loaded) bytes += gzipSync(await answer.body()).length;
    t.diagnostic(`first look: ${loaded.length} scripts, ${(bytes / 1000).toFixed(1)} KB gzip`);
    assert.ok(loaded.length >= 3 && bytes > 1000);
    assert.ok(bytes <= 200_000, `${bytes} bytes`);
  } finally {
    await bare.close();
  }
});
