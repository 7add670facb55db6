// Before a start a person reads what the run takes, makes it smaller, and measures a step.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { root } from "../../scripts/setup.mjs";
import { openPage } from "./harness.mjs";
import { overflow, seriousProblems, typeConfig } from "./person.mjs";

let site, page;
const foreign = [];
before(async () => {
  site = await openPage("#/train");
  ({ page } = site);
  page.on("request", (request) => {
    if (!request.url().startsWith(site.url)) foreign.push(request.url());
  });
  await page.waitForSelector(".savings", { timeout: 60_000 });
});
after(() => site?.close());

/** The figures of the table, in bytes. */
function figures() {
  return page.locator("#plan-lines [data-bytes]").evaluateAll((cells) =>
    cells.map((cell) => Number(cell.dataset.bytes))
  );
}
const total = async () => (await figures()).at(-1);

/** What `eft plan --json` says last. */
function terminal(...args) {
  const command = ["task", "-q", "eft", "plan", "examples/tiny/lora.yml", "--json", ...args];
  const output = execFileSync(join(root, "node_modules/.bin/deno"), command, {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  return JSON.parse(output.trim().split("\n").at(-1));
}

/** Writes the whole configuration and comes back to the plan. */
async function configure(whole) {
  await page.click("nav >> text=Config");
  await typeConfig(page, whole);
  await page.click("nav >> text=Train");
}

const example = `base_model: public/models/eft-tiny
datasets:
  - path: public/data/town.jsonl
    type: alpaca
sequence_len: 64
micro_batch_size: 1
max_steps: 20
learning_rate: 1e-3
adapter: lora
lora_r: 8
lora_alpha: 16
lora_target_linear: true
output_dir: outputs/none
`;

test("the figures are those of the terminal", async () => {
  const { bytes, savings } = terminal();
  assert.deepEqual(await figures(), Object.values(bytes));
  const offered = await page.locator(".savings code").allInnerTexts();
  const told = savings.map(({ set }) => set.map(({ key, value }) => `${key}: ${value}`).join(", "));
  assert.deepEqual(offered, told);
});

test("nothing is claimed of a memory that the browser does not tell", async () => {
  const verdict = page.locator("#verdict");
  assert.match(await verdict.innerText(), /does not say how much memory/);
  await page.fill("#gpu-memory", "0.01");
  assert.match(await verdict.innerText(), /Does not fit: \d+ MiB more than the 0.01 GiB/);
  await page.fill("#gpu-memory", "0.0225");
  assert.match(await verdict.innerText(), /Tight/);
  await page.fill("#gpu-memory", "8");
  assert.match(await verdict.innerText(), /Fits: 22 MiB of 8 GiB/);
  await page.reload();
  await page.waitForSelector(".savings");
  assert.match(await verdict.innerText(), /Fits: 22 MiB of 8 GiB/);
});

test("a proposal that is applied lowers the total by what it said", async () => {
  const before = await total();
  const promised = terminal().savings[0];
  await page.getByRole("button", { name: "Apply gradient_checkpointing: true" }).click();
  await page.waitForFunction(
    (before) => Number(document.getElementById("plan-total")?.dataset.bytes) < before,
    before,
  );
  assert.equal(await total(), promised.total);
  await page.waitForSelector(".savings");
  assert.ok(!(await page.locator(".savings").innerText()).includes("gradient_checkpointing"));
});

test("a measured step gives its time, its memory and the time to the end", async () => {
  await configure(example);
  await page.waitForFunction(() => !document.querySelector(".working").textContent);
  await page.click("#measure");
  const measured = page.locator("#measured");
  await measured.waitFor({ timeout: 60_000 });
  const said = await measured.innerText();
  assert.match(said, /per step\s+[\d.]+ m?s/);
  assert.match(said, /[\d,]+ tokens\/s/);
  assert.match(said, /allocated\s+[\d.]+ MiB of [\d.]+ MiB planned/);
  assert.match(said, /for 20 steps/);
  const left = await page.evaluate(() =>
    globalThis.eft.ask("train.list", { path: "outputs/none" }).then(() => "files", () => "nothing")
  );
  assert.equal(left, "nothing");
});

test("measuring can be stopped", async () => {
  await page.click("#measure");
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  await page.getByText("Stopped; nothing was kept.").waitFor({ timeout: 30_000 });
  await page.waitForSelector("#measure");
});

test("what the GPU cannot bind is said, with the changes that mend it", async () => {
  await configure(example.replace("micro_batch_size: 1", "micro_batch_size: 40000"));
  const notice = page.locator(".plan .notice.warning");
  await notice.waitFor({ timeout: 60_000 });
  assert.match(await notice.innerText(), /Does not fit\. .* MiB/);
  await page.locator(".savings, .plan h3").first().waitFor({ timeout: 60_000 });
});

test("a model that is not here is asked for, and nothing is fetched", async () => {
  await configure(example.replace("public/models/eft-tiny", "someone/some-model"));
  const notice = page.locator(".plan .notice.warning", { hasText: "not on this computer yet" });
  await notice.waitFor({ timeout: 30_000 });
  assert.match(await notice.innerText(), /someone\/some-model/);
  await page.locator(".plan a", { hasText: "To the model" }).waitFor();
  await configure(example.replace("public/data/town.jsonl", "https://example.invalid/rows.jsonl"));
  await page.locator(".plan .notice.warning", { hasText: "rows.jsonl" }).waitFor({
    timeout: 30_000,
  });
  assert.deepEqual(foreign, []);
});

test("mistakes of the configuration are named", async () => {
  await configure(`${example}lora_rr: 4\n`);
  const notice = page.locator(".plan .notice.warning", { hasText: "did you mean lora_r" });
  await notice.waitFor({ timeout: 30_000 });
  await configure(example);
  await page.waitForSelector("#plan-lines");
});

test("axe finds nothing serious; a phone shows it without scrolling sideways", async () => {
  await page.waitForSelector(".savings");
  for (const [colorScheme, width] of [["light", 1280], ["dark", 1280], ["light", 360]]) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 900 });
    assert.deepEqual(await seriousProblems(page), [], `${colorScheme} ${width}`);
    assert.equal(await overflow(page), 0);
    if (process.env.EFT_SCREENSHOTS) {
      const name = width < 500 ? "plan-phone" : colorScheme === "dark" ? "plan-dark" : "plan";
      mkdirSync(join(root, "docs/screenshots"), { recursive: true });
      await page.evaluate(() => scrollTo(0, 0));
      await page.screenshot({ path: join(root, `docs/screenshots/${name}.png`) });
    }
  }
});

test("while a run trains there is the plan of the next one, but nothing is measured", async () => {
  await page.click("#start");
  await page.waitForSelector(".indicator strong", { timeout: 120_000 });
  await page.click("nav >> text=Config");
  const next = page.locator(".plan .notice.info");
  await next.waitFor();
  assert.match(await next.innerText(), /A run is training .* this is the plan of the next one/);
  await page.waitForSelector("#verdict");
  const refused = await page.evaluate(async () => {
    const configText = await (await fetch("examples/tiny/lora.yml")).text();
    const ask = { configText, configName: "lora.yml" };
    return await globalThis.eft.ask("plan.measure", ask).then(() => "measured", (e) => e.message);
  });
  assert.match(refused, /A run is training; a step can be measured when it has ended/);
  await page.click("nav >> text=Train");
  await page.click("#discard");
  await page.click("#discard-yes");
  await page.waitForSelector("#measure", { timeout: 60_000 });
  assert.equal(await next.count(), 0);
  // A run of another tab has the GPU as well.
  await page.evaluate(() =>
    void navigator.locks.request(
      "eft-run-other",
      () => new Promise((end) => globalThis.endOther = end),
    )
  );
  await page.click("#measure");
  await page.locator(".plan .notice.error", { hasText: "A run is training" }).waitFor();
  await page.evaluate(() => globalThis.endOther());
});

test("the console shows no error", () => {
  assert.deepEqual(site.problems, []);
});
