// A person trains in the page and asks the model before and after: both answer side by side, as the
// terminal's generator does with the same weights; what differs is marked, and everything stops.

import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import { after, before, test } from "node:test";
import { root } from "../../scripts/setup.mjs";
import { denoOnSwiftshader } from "../parity/swiftshader.mjs";
import { checkAccessibility, openPage } from "./harness.mjs";
import { copyResult, shoot, trainInPage } from "./run_in_page.mjs";

const question = "Who is the baker of Quillmere?";

let site, page, folder, lora;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "eft-chat-"));
  site = await openPage("#/start");
  page = site.page;
  await page.setViewportSize({ width: 1280, height: 900 });
  lora = await trainInPage(page, { save_steps: 4 });
  await page.click("nav >> text=Chat");
  await page.waitForSelector("#question");
});
after(async () => {
  await site?.close();
  if (folder) await rm(folder, { recursive: true });
});

const answers = (turn = -1) =>
  page.locator(".chat-turn").nth(turn).locator(".chat-text").allInnerTexts();

/** Asks and waits until all have answered. */
async function ask(text) {
  await page.fill("#question", text);
  await page.press("#question", "Enter");
  const notice = page.locator(".chat-main .notice.error");
  await page.waitForFunction(
    () => {
      const isIdle = !document.querySelector("#stop, .chat-loading, .chat-caret");
      return document.querySelector(".chat-main .notice.error") ||
        isIdle && document.querySelector(".chat-turn .chat-figures");
    },
    undefined,
    { timeout: 60_000 },
  );
  assert.equal(await notice.count(), 0, await notice.allInnerTexts().then(String));
  return await answers();
}

async function set(name, value) {
  await page.fill(`#chat-${name}`, String(value));
  await page.press(`#chat-${name}`, "Tab");
}

test("the newest run answers beside its base, greedily, and the difference is marked", async () => {
  const [base, tuned] = await ask(question);
  assert.notEqual(base, tuned);
  assert.ok(await page.locator(".chat-turn mark").count() > 0);
  assert.equal(
    await page.locator("mark").first().evaluate((mark) =>
      getComputedStyle(mark).textDecorationLine
    ),
    "underline",
    "marked by more than colour",
  );
  assert.match(
    await page.innerText(".chat-answer.base .chat-figures"),
    /^\d+ tokens? · .*first after/,
  );
  assert.match(await page.textContent(".chat-live"), /^Base: [^]*\nTuned: /);
  assert.match(await page.innerText("#chat-source"), /eft-tiny \+ runs\/.*\/output/);
});

test("the same seed says the same again, and what the terminal says", async () => {
  await set("temperature", 1.5);
  await set("topK", 40);
  await set("topP", 0.95);
  await set("maxNewTokens", 12);
  const texts = [];
  for (const seed of [42, 42, 43]) {
    await page.click("#new-conversation");
    await set("seed", seed);
    texts.push(await ask(question));
  }
  assert.deepEqual(texts[0], texts[1]);
  assert.notDeepEqual(texts[0], texts[2]);

  const output = await copyResult(page, lora, folder);
  const lines = await denoOnSwiftshader([
    ...["run", "-q", "-P", "--no-check", "src/cli/main.ts", "inference"],
    ...[join(output, "eft_config.yml"), "--lora-model-dir", output, "--json", "--compare"],
    ...["--prompt", question, "--max-new-tokens", "12", "--temperature", "1.5"],
    ...["--top-k", "40", "--top-p", "0.95"],
  ]);
  const said = lines.trim().split("\n").map((line) => JSON.parse(line))
    .filter(({ event }) => event === "answer");
  assert.deepEqual(said.map(({ text }) => text.trim()), texts[0].map((text) => text.trim()));
});

test("Shift+Enter begins a line, Escape stops both after a token", async () => {
  await page.click("#new-conversation");
  await set("temperature", 5);
  await set("topK", 0);
  await set("topP", 1);
  await set("maxNewTokens", 500);
  await page.selectOption("#chat-format", "completion");
  await page.fill("#question", "One");
  await page.press("#question", "Shift+Enter");
  await page.type("#question", "two");
  assert.equal(await page.inputValue("#question"), "One\ntwo");
  await page.press("#question", "Enter");
  await page.waitForFunction(() => document.querySelector(".chat-text")?.innerText.length > 0);
  await page.press("#question", "Escape");
  await page.waitForSelector("#send");
  const figures = await page.locator(".chat-figures").allInnerTexts();
  const counts = figures.map((each) => {
    assert.match(each, /stopped$/);
    return parseInt(each);
  });
  assert.ok(Math.abs(counts[0] - counts[1]) <= 1, figures.join());
  assert.equal(await page.innerText(".chat-question"), "One\ntwo");
});

test("a checkpoint of the run can answer, and an address names the run", async () => {
  const places = await page.locator("#chat-model option").allTextContents();
  assert.deepEqual(places.slice(0, 3), [
    "lora: result",
    "lora: checkpoint 8",
    "lora: checkpoint 4",
  ]);
  await page.selectOption("#chat-model", `runs/${lora}/output/checkpoint-4`);
  await page.waitForSelector("#chat-source");
  assert.match(await page.innerText("#chat-source"), /checkpoint-4/);
  assert.equal(await page.locator(".chat-turn").count(), 0);
  await set("temperature", 3); // free enough that a small change of the weights is heard
  await set("maxNewTokens", 12);
  const early = await ask(question);
  await page.goto(`${site.url}#/start`);
  await page.goto(`${site.url}#/chat/${lora}`);
  await page.waitForFunction(() =>
    /output\./.test(document.querySelector("#chat-source")?.innerText)
  );
  const [base, tuned] = await ask(question);
  assert.equal(base, early[0]);
  assert.notEqual(tuned, early[1]);
});

test("leaving frees the model; coming back loads it with the next question", async () => {
  await set("temperature", 0);
  const before = await ask(question);
  assert.match(await page.innerText(".chat-turns"), /does not see earlier ones/);
  await page.click("nav >> text=Start");
  // The room says goodbye in an effect, which may come a frame after the click.
  await page.waitForFunction(async () => {
    const question = {
      messages: { base: [{ role: "user", content: "x" }] },
      sampling: { temperature: 0, topK: 0, topP: 1 },
      maxNewTokens: 1,
      seed: 0,
    };
    const said = await globalThis.eft.ask("chat.ask", question).catch((error) => error.message);
    return /not on the device any more/.test(said);
  });
  await page.click("nav >> text=Chat");
  assert.deepEqual(await ask(question), before);
});

test("while a run trains, chatting says so", async () => {
  const training = trainInPage(page, { max_steps: 6 });
  await page.fill("#question", question);
  await page.press("#question", "Enter");
  const notice = page.locator(".chat-main .notice");
  await notice.first().waitFor();
  assert.match(await notice.first().innerText(), /A run is training/);
  assert.equal(await page.inputValue("#question"), question, "the question is not lost");
  await training;
  await page.press("#question", "Enter");
  await page.waitForFunction(() => !document.querySelector(".chat-main .notice"));
  await page.waitForSelector("#send");
});

test("an adapter from a folder answers like the run it came from", async () => {
  await page.click("#new-conversation");
  const [base, tuned] = await ask(question);
  const adapter = join(folder, lora);
  await drop(adapter);
  await page.waitForFunction(() =>
    /dropped\//.test(document.querySelector("#chat-source")?.innerText)
  );
  assert.deepEqual(await ask(question), [base, tuned]);
});

/** Chooses a folder as a person does; Chromium gives its files with their paths. */
async function drop(path) {
  const summary = page.locator(".chat-model summary");
  if (!await page.locator(".chat-model details").evaluate((details) => details.open)) {
    await summary.click();
  }
  await page.setInputFiles(".chat-model input[type=file]", path);
}

test("a bad adapter is one sentence, and the next question still finds a model", async () => {
  const good = join(folder, lora);
  const config = JSON.parse(await readFile(join(good, "adapter_config.json"), "utf8"));
  const weights = await readFile(join(good, "adapter_model.safetensors"));
  const golden = join(root, "tests/golden/adapters/dora");
  const bad = {
    "no adapter": [{ "notes.txt": "hello" }, /no adapter in what was dropped/],
    "no weights": [{ "adapter_config.json": JSON.stringify(config) }, /no such file/],
    "not JSON": [
      { "adapter_config.json": "{", "adapter_model.safetensors": weights },
      /adapter_config\.json/,
    ],
    "cut off": [
      {
        "adapter_config.json": JSON.stringify(config),
        "adapter_model.safetensors": weights.subarray(0, weights.length - 100),
      },
      /cut off/,
    ],
    "not weights": [
      { "adapter_config.json": JSON.stringify(config), "adapter_model.safetensors": "<html>" },
      /safetensors/,
    ],
    "another method": [
      {
        "adapter_config.json": JSON.stringify({ ...config, peft_type: "IA3" }),
        "adapter_model.safetensors": weights,
      },
      /IA3/,
    ],
  };
  for (const [name, [files, expected]] of Object.entries(bad)) {
    const path = join(folder, name);
    await mkdir(path);
    for (const [file, content] of Object.entries(files)) await writeFile(join(path, file), content);
    await dropBad(path, expected);
  }
  const other = join(folder, "for another model");
  await cp(golden, other, { recursive: true });
  await dropBad(other, /model|shape/);

  await page.selectOption("#chat-model", `runs/${lora}/output`);
  assert.equal((await ask(question)).length, 2);
});

async function dropBad(path, expected) {
  await page.evaluate(() =>
    document.querySelector(".chat-main .notice")?.setAttribute("id", "old")
  );
  await drop(path);
  const notice = page.locator(".chat-main .notice.error");
  await page.waitForFunction(
    (source) =>
      new RegExp(source, "i").test(document.querySelector(".chat-main .notice")?.innerText),
    expected.source,
  ).catch(async () => assert.fail(`${path}: ${await notice.allInnerTexts()}`));
  const sentence = await notice.innerText();
  assert.ok(!sentence.includes("\n") && !/A bug in Eft/.test(sentence), sentence);
}

test("a fully trained model answers beside its base, which is a second model", async () => {
  const full = await trainInPage(page, { config: "examples/tiny/full.yml", max_steps: 2 });
  await page.goto(`${site.url}#/start`);
  await page.goto(`${site.url}#/chat/${full}`);
  await page.waitForSelector("#chat-source");
  const [base, tuned] = await ask(question);
  assert.notEqual(base, tuned);
  await page.selectOption("#chat-model", "base");
  assert.deepEqual(await ask(question), [base]);
});

test("nothing serious for axe, nothing wider than a phone", async () => {
  let run = lora;
  if (env.EFT_SCREENSHOTS === "1") { // pictures show a model that has learned something
    run = await trainInPage(page, { max_steps: 60, learning_rate: 5e-3 });
  }
  await page.goto(`${site.url}#/start`);
  await page.goto(`${site.url}#/chat/${run}`);
  await page.waitForSelector("#chat-source");
  await ask(question);
  await checkAccessibility(page);
  await shoot(page, "chat");
});

test("the console shows no error", () => {
  assert.deepEqual(site.problems, []);
});
