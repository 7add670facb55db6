// A person trains in the page: watches curves, looks at the batch behind a point, pauses, steps, stops
// and keeps, goes on, and discards.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { checkAccessibility, openPage, useConfig } from "./harness.mjs";
import { shoot } from "./run_in_page.mjs";

const patience = 120_000; // a software GPU on a busy machine

const config = `base_model: public/models/eft-tiny
datasets:
  - path: public/data/town.jsonl
    type: alpaca
sequence_len: 64
adapter: lora
lora_r: 4
lora_alpha: 8
lora_target_modules: [q_proj, v_proj]
micro_batch_size: 1
max_steps: 24
learning_rate: 3e-3
logging_steps: 1
val_set_size: 2
eval_steps: 12
generate_samples: true
generation_max_new_tokens: 4
num_generation_samples: 1
save_steps: 12
output_dir: out
`;

let site, page;
before(async () => {
  site = await openPage("#/train");
  page = site.page;
  await page.addInitScript(() => {
    // What the browser says of how quickly the page answers, and of the screen being kept awake.
    globalThis.measured = { longest: 0, slowest: 0, gap: 0, awake: 0 };
    const watch = (type, options, take) =>
      new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({
        type,
        ...options,
      });
    watch(
      "longtask",
      {},
      ({ duration }) => measured.longest = Math.max(measured.longest, duration),
    );
    watch("event", { durationThreshold: 16 }, ({ duration, interactionId }) => {
      if (interactionId) measured.slowest = Math.max(measured.slowest, duration);
    });
    let before = performance.now();
    const frame = (now) => {
      measured.gap = Math.max(measured.gap, now - before);
      before = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    navigator.wakeLock.request = () => {
      measured.awake++;
      return Promise.resolve({ release: () => Promise.resolve(void measured.awake--) });
    };
  });
  await useConfig(page, "town.yml", config);
});
after(() => site?.close());

const awake = () => page.evaluate(() => measured.awake);
/** Waits for an element; a failure that the page tells ends the waiting. */
async function shown(selector) {
  const failure = page.locator(".notice.error");
  await page.locator(selector).or(failure).first().waitFor({ timeout: patience });
  if (await failure.count() > 0) throw new Error(await failure.first().innerText());
}
/** The step that the status line names. */
const step = async () => Number(/\d+/.exec(await page.innerText("#status"))?.[0]);
const leaving = () =>
  page.evaluate(() => {
    const event = new Event("beforeunload", { cancelable: true });
    dispatchEvent(event);
    return event.defaultPrevented;
  });

/** The text of a file that a button offers. */
async function downloaded(selector) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click(selector)]);
  return {
    name: download.suggestedFilename(),
    text: await readFile(await download.path(), "utf8"),
  };
}

test("a run starts, draws its curves, and the page keeps answering", async (context) => {
  assert.equal(await leaving(), false);
  await page.click("#start");
  await shown('[data-measure="grad_norm"]');
  await page.evaluate(() => Object.assign(measured, { longest: 0, slowest: 0, gap: 0 }));
  await page.locator("#log-scale").check();
  await page.locator("#smoothing").press("ArrowRight");
  await page.selectOption("#across", "time");
  await page.selectOption("#across", "step");
  await page.locator("#log-scale").uncheck();
  await page.click("nav >> text=Config");
  assert.match(await page.innerText(".indicator"), /\d+\/24/);
  await page.click(".indicator");
  await shown('[data-measure="loss"]');
  assert.equal(await awake(), 1);
  assert.equal(await leaving(), true);
  const { longest, slowest, gap } = await page.evaluate(() => measured);
  context.diagnostic(
    `longest task ${longest} ms, slowest answer ${slowest} ms, longest gap of frames ${gap} ms`,
  );
  assert.ok(slowest < 100, `the page took ${slowest} ms to answer`);
  assert.match(await page.innerText("#notes"), /SOFTWARE ADAPTER/);
});

test("it pauses, takes single steps, and lets the screen sleep meanwhile", async () => {
  await page.click("#pause");
  await shown("#one-step");
  const at = await step();
  assert.ok(at > 0 && at < 24, `paused at ${at}`);
  assert.equal(await page.innerText("#state"), "paused");
  assert.equal(await awake(), 0);
  await page.focus("#one-step");
  await page.keyboard.press("Enter");
  await page.waitForFunction(
    (wanted) => document.querySelector("#status").textContent.includes(`step ${wanted},`),
    at + 1,
    { timeout: patience },
  );
  await shown("#one-step");
  await page.waitForTimeout(300);
  assert.equal(await step(), at + 1); // and no further
  await checkAccessibility(page);
});

test("one cursor for all charts; a click shows the batch behind the point", async () => {
  const loss = page.locator('[data-measure="loss"] .u-over');
  const box = await loss.boundingBox();
  await loss.hover({ position: { x: 2, y: box.height / 2 } });
  const values = await page.innerText(".cursor dl");
  assert.match(values, /Step\s+0/);
  const lines = page.locator(".u-cursor-x");
  const places = await lines.evaluateAll((all) =>
    all.map((line) =>
      line.getBoundingClientRect().left - line.parentElement.getBoundingClientRect().left
    )
  );
  assert.ok(places.length >= 4 && places.every((left) => Math.abs(left) < 3), places.join());
  await page.focus("#cursor");
  await page.keyboard.press("End");
  await page.keyboard.press("ArrowLeft");
  const wanted = await step() - 1;
  assert.match(await page.innerText(".cursor dl"), new RegExp(`Step\\s+${wanted}\\b`));
  const { width } = box;
  await loss.click({ position: { x: width - 2, y: box.height / 2 } });
  await shown("#batch-summary");
  assert.match(await page.innerText("#batch-title"), new RegExp(` ${wanted + 1}$`));
  assert.match(await page.innerText(".rows"), /### Response:/);
  const trained = await page.locator(".rows mark").allInnerTexts();
  assert.ok(trained.length === 1 && trained[0].endsWith("<|eos|>"), trained.join());
  const first = await page.innerText(".rows");
  await page.click("text=Step before");
  await page.waitForFunction((text) => document.querySelector(".rows").innerText !== text, first);
});

test("the points come as CSV, a curve as SVG", async () => {
  const csv = await downloaded("#csv");
  const rows = csv.text.trim().split("\r\n").map((line) => line.split(","));
  assert.match(csv.name, /town\.csv$/);
  assert.equal(rows.length, await step() + 2); // a header, and the evaluation before step 1
  assert.equal(rows[0][3], "loss");
  const svg = await downloaded('[data-measure="loss"] button');
  assert.match(svg.name, /-loss\.svg$/);
  assert.equal(svg.text.match(/<polyline/g).length, 3);
  const parsed = await page.evaluate((text) => {
    const { documentElement } = new DOMParser().parseFromString(text, "image/svg+xml");
    return documentElement.nodeName;
  }, svg.text);
  assert.equal(parsed, "svg");
});

test("stopped and kept, it goes on to its end", async () => {
  await page.click("#stop");
  await shown("#resume");
  assert.equal(await page.innerText("#state"), "stopped");
  assert.equal(await leaving(), false);
  assert.match(await page.innerText("#checkpoints"), /step \d+/);
  await shown(".result");
  const files = await page.locator(".result details button").allTextContents();
  assert.ok(files.includes("adapter_model.safetensors"), files.join());
  await page.click("#resume");
  await page.locator("#state.finished").waitFor({ timeout: patience });
  assert.match(await page.innerText("#summary"), /^24 steps in /);
  const columns = await page.locator(".samples thead th").allInnerTexts();
  assert.deepEqual(columns, ["Prompt", "Step 0", "Step 12", "Step 24", "In the data"]);
  await page.click("#log summary");
  await shown(".log tbody tr");
  const steps = await page.locator(".log tbody tr td:first-child").allInnerTexts();
  assert.deepEqual(steps.map(Number), Array.from({ length: 25 }, (_, i) => 24 - i));
  assert.equal(await awake(), 0);
});

test("on a phone nothing is cut off; in the dark it can be read", async () => {
  await page.evaluate(() => scrollTo(0, 0));
  await page.setViewportSize({ width: 1280, height: 900 });
  await checkAccessibility(page);
  await shoot(page, "train");
});

test("from its end, ways lead to a chat with this very run and to the list of runs", async () => {
  const { id } = await page.evaluate(async () => (await eft.ask("train.open", {})).record);
  await page.click("text=Chat with it");
  await page.locator("#chat-source").waitFor({ timeout: patience });
  assert.equal(await page.inputValue("#chat-model"), `runs/${id}/output`);
  await page.goBack();
  await page.click("text=Compare with other runs");
  await page.locator(".runs tbody tr").waitFor();
  assert.equal(await page.locator(".runs input:checked").count(), 1);
  await page.click("text=Open");
  await shown("#result");
  assert.equal(await page.evaluate(() => location.hash), `#/train/${id}`);
  await page.evaluate(() => location.hash = "#/train/nothing");
  const notice = page.locator(".notice.error");
  await notice.waitFor();
  assert.match(await notice.innerText(), /There is no run nothing in this browser/);
  await page.evaluate(() => location.hash = "#/train");
  await notice.waitFor({ state: "detached" });
});

test("discarding asks first and leaves nothing", async () => {
  await page.click("#start");
  await shown("#pause");
  await page.waitForFunction(() => document.querySelector("#state.running"), null, {
    timeout: patience,
  });
  await page.click("#discard");
  await page.click("dialog >> text=Keep it");
  assert.notEqual(await page.locator("#state").count(), 0);
  const runs = () => page.evaluate(async () => (await eft.ask("train.open", {}))?.record.id);
  await page.click("#discard");
  await page.click("#discard-yes");
  await page.locator(".notice", { hasText: "discarded" }).waitFor({ timeout: patience });
  await page.locator("#start").waitFor();
  assert.equal(
    (await page.evaluate(async () => {
      const folder = await navigator.storage.getDirectory();
      const names = [];
      for await (const name of (await folder.getDirectoryHandle("runs")).keys()) names.push(name);
      return names;
    })).length,
    1,
  );
  assert.match(await runs(), /town/);
});

test("the console shows no error", () => {
  assert.deepEqual(site.problems, []);
});
