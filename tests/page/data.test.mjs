// A person brings data of every kind, sees what is trained in it, and is told what is wrong with it.

import assert from "node:assert/strict";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { writeFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { root } from "../../scripts/setup.mjs";
import { openPage } from "./harness.mjs";

const CONFIG = `# mine
base_model: public/models/eft-tiny # embedded
datasets:
  - path: public/data/town.jsonl
    type: alpaca
sequence_len: 128
micro_batch_size: 1
learning_rate: 1e-3
max_steps: 1
output_dir: outputs/x
`;
const golden = JSON.parse(
  readFileSync(join(root, "tests/golden/formats/cases-v0.18.0.json"), "utf8"),
);

let site, page, folder;
before(async () => {
  folder = mkdtempSync(join(tmpdir(), "eft-data-"));
  site = await openPage("#/data");
  page = site.page;
  page.setDefaultTimeout(10_000);
  await useConfig(CONFIG);
});
after(async () => {
  await site?.close();
  rmSync(folder, { recursive: true, force: true });
});

// ---- tools -------------------------------------------------------------------------------------

/** The page's own memory (idb-keyval), where the configuration outlives a reload. */
const remembered = (value) =>
  page.evaluate((value) =>
    new Promise((resolve, reject) => {
      const opening = indexedDB.open("keyval-store");
      opening.onerror = () => reject(opening.error);
      opening.onsuccess = () => {
        const transaction = opening.result.transaction("keyval", "readwrite");
        const store = transaction.objectStore("keyval");
        const request = value === undefined
          ? store.get("config.text")
          : store.put(value, "config.text");
        transaction.oncomplete = () => resolve(request.result);
        transaction.onerror = () => reject(transaction.error);
      };
    }), value);

async function useConfig(text) {
  await page.waitForSelector(".data");
  await remembered(text);
  await page.reload();
  await page.waitForSelector(".sets, .data .quiet");
}

/** Waits until the configuration holds a text. */
async function configHas(pattern) {
  let text;
  for (let i = 0; i < 50; i++) {
    text = await remembered();
    if (pattern.test(text)) return text;
    await page.waitForTimeout(100);
  }
  assert.fail(`${pattern} is not in the configuration:\n${text}`);
}

const lines = (...rows) => rows.map((row) => JSON.stringify(row)).join("\n");

async function choose(name, content) {
  const buffer = Buffer.isBuffer(content) ? content : Buffer.from(content);
  await page.setInputFiles("input[type=file]", { name, mimeType: "", buffer });
}

/** Chooses a file and waits until its rows are looked at. */
async function look(name, content) {
  await choose(name, content);
  await page.waitForSelector(`#shown-title:text-is("data/${name}")`);
  await page.waitForSelector(".bar, .notice.error");
}

/** Drops files or folders of the disk, as a person does with the mouse. */
async function drop(...paths) {
  const box = await page.locator(".drop").boundingBox();
  const client = await page.context().newCDPSession(page);
  const at = { x: box.x + 20, y: box.y + 20 };
  const data = { items: [], files: paths, dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) {
    await client.send("Input.dispatchDragEvent", { type, ...at, data });
  }
  await client.detach();
}

const combobox = (name) => page.getByRole("combobox", { name, exact: true });
const failureText = async () => await page.locator(".data .notice.error").first().innerText();
const formatChosen = () => page.inputValue("#format");
const sentence = async (name, content) => {
  await choose(name, content);
  await page.waitForFunction(
    (name) => document.querySelector(".data .notice.error")?.textContent.includes(name),
    name,
  );
  return await failureText();
};

async function axe() {
  const path = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
  await page.evaluate(readFileSync(path, "utf8"));
  const { violations } = await page.evaluate("axe.run()");
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("\n")}`);
}

/** A part of the room, from `top` or so far above its end, kept to be looked at. */
async function screenshot(name, width, top, part, colorScheme = "light") {
  if (process.env.EFT_SCREENSHOTS !== "1") return;
  const size = page.viewportSize();
  await page.setViewportSize({ width, height: 740 });
  await page.emulateMedia({ colorScheme });
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ width, height }); // the bar at the top stays there
  const clip = { x: 0, y: top < 0 ? height + top : top, width, height: part };
  mkdirSync(join(root, "docs/screenshots"), { recursive: true });
  await page.screenshot({ path: join(root, `docs/screenshots/${name}.png`), clip });
  await page.setViewportSize(size);
  await page.emulateMedia({ colorScheme: "light" });
}

// ---- what a person does ------------------------------------------------------------------------

test("the data of the configuration is shown, read and as tokens", async () => {
  await page.waitForSelector(".tokens");
  assert.equal(await formatChosen(), "alpaca");
  assert.match(await page.locator(".tokens").first().innerText(), /Give the name of the tailor/);
  await page.click("text=As read");
  const header = await page.locator("table.rows thead").innerText();
  assert.deepEqual(header.trim().split(/\s+/), ["Line", "instruction", "input", "output"]);
  await page.click("text=Next");
  await page.waitForSelector("text=Rows 11 to 20");
  assert.equal(await page.locator("table.rows tbody th").first().innerText(), "11");
  await page.click("text=As tokens");
});

test("labels are those of Axolotl, by colour, underline, hover and keyboard", async () => {
  const { rows, expected } = golden.find(({ type, tokenizer }) =>
    type === "alpaca" && tokenizer === "bos"
  );
  const files = ["tokenizer.json", "tokenizer_config.json"].map((name) => [
    name,
    readFileSync(join(root, "tests/golden/formats/bos", name), "utf8"),
  ]);
  await page.evaluate(async (files) => {
    const storage = await navigator.storage.getDirectory();
    const models = await storage.getDirectoryHandle("models", { create: true });
    const model = await models.getDirectoryHandle("golden", { create: true });
    for (const [name, text] of files) {
      const file = await model.getFileHandle(name, { create: true });
      const stream = await file.createWritable();
      await stream.write(text);
      await stream.close();
    }
  }, files);
  await useConfig(`${CONFIG}tokenizer_config: models/golden\n`);
  await look("golden.jsonl", lines(...rows.slice(0, 3)));
  await page.waitForSelector(".tokens");
  const found = await page.locator(".tokens").evaluateAll((lists) =>
    lists.map((list) =>
      [...list.children].map((token) => [
        ...token.getAttribute("aria-description").match(/-?\d+/g).map(Number),
        token.className,
        getComputedStyle(token).textDecorationLine,
      ])
    )
  );
  const wanted = expected.slice(0, 3).map(([[ids, labels]]) =>
    ids.map((id, i) => [
      labels[i],
      id,
      `token ${labels[i] === -100 ? "masked" : labels[i] === 0 ? "zero" : "trained"}`,
      labels[i] === -100 ? "none" : "underline",
    ])
  );
  assert.deepEqual(found, wanted);

  const told = page.locator(".told").first();
  const tokens = page.locator(".tokens").first().locator(".token");
  await tokens.last().hover();
  assert.equal(await told.innerText(), `${wanted[0].length}: "</s>", trained, label 2, id 2`);
  await tokens.first().focus();
  assert.equal(await told.innerText(), '1: "<s>", not trained, label -100, id 1');
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("End");
  assert.match(await told.innerText(), /"<\/s>", trained, label 2, id 2$/);
  assert.equal(await page.locator(":focus").getAttribute("aria-label"), "</s>, trained");
  await page.keyboard.press("Home");
  assert.match(await told.innerText(), /^1: /);
  // One stop for the Tab key, however many tokens there are.
  assert.equal(await tokens.and(page.locator("[tabindex='0']")).count(), 1);
  await page.screenshot(); // the colours have been drawn
  await useConfig(CONFIG);
});

test("formats are recognised, written into the configuration, and can be changed", async () => {
  const talk = { conversations: [{ from: "human", value: "Hi" }, { from: "gpt", value: "Ho" }] };
  await look("talk.jsonl", lines(talk, talk));
  assert.equal(await formatChosen(), "chat_template");
  await page.click("text=Train on it");
  let text = await configHas(/datasets:\n {2}- path: data\/talk\.jsonl\n/);
  assert.match(text, /type: chat_template\n {4}field_messages: conversations\n/);
  assert.match(text, /message_property_mappings:\n {6}role: from\n {6}content: value\n/);
  assert.match(text, /^# mine\nbase_model: \S+ # embedded\n/); // comments stay
  assert.doesNotMatch(text, /town/);
  await page.selectOption("#format", "sharegpt");
  text = await configHas(/type: sharegpt\n/);
  assert.doesNotMatch(text, /field_messages|message_property/);
  await page.waitForFunction(() =>
    document.querySelector(".tokens")?.textContent.includes("USER: Hi")
  );
  await page.selectOption("#format", "chat_template");
  await configHas(/content: value/);
  await combobox("Chat template").selectOption("chatml");
  await configHas(/chat_template: chatml/);
  await page.waitForFunction(() =>
    document.querySelector(".tokens")?.textContent.includes("<|im_start|>user")
  );

  await look("plain.txt.gz", gzipSync("One line.\nAnother line.\n"));
  assert.equal(await formatChosen(), "completion");
  await page.click("text=Train on it too");
  text = await configHas(/- path: data\/plain\.txt\.gz\n {4}type: completion\n/);
  assert.match(text, /talk\.jsonl/);
  await look("held.csv", "question,answer\nWhy?,So.\nWho?,Me.\n");
  assert.equal(await formatChosen(), "alpaca_chat.load_qa");
  await page.click("text=Evaluate on it");
  await configHas(/test_datasets:\n {2}- path: data\/held\.csv\n/);
  assert.equal(await page.isDisabled("#val_set_size"), true);
  await page.click("text=Take out >> nth=2");
  assert.match(await configHas(/^(?![^]*(held|test_datasets))/), /plain/);
  await page.fill("#val_set_size", "0.5");
  await page.press("#val_set_size", "Enter");
  await configHas(/val_set_size: 0\.5/);
  await useConfig(CONFIG);
});

test("columns are mapped by hand", async () => {
  await look("odd.tsv", "frage\tantwort\tland\nWarum?\tDarum.\tDE\n");
  assert.equal(await formatChosen(), "completion");
  await page.selectOption("#format", "user_defined");
  await combobox("Instruction").selectOption("frage");
  await combobox("Response").selectOption("antwort");
  await combobox("Input").selectOption("land");
  await page.fill("label:has-text('Prompt with input') textarea", "F: {instruction} ({input}) A: ");
  await page.press("label:has-text('Prompt with input') textarea", "Tab");
  await page.waitForFunction(() =>
    document.querySelector(".tokens")?.textContent.includes("F: Warum? (DE) A: Darum.")
  );
  const trained = await page.locator(".tokens .trained").allInnerTexts();
  assert.match(trained.join(""), /^Darum\./);
  await page.click("text=Train on it");
  const text = await configHas(/field_instruction: frage/);
  assert.match(text, /field_output: antwort\n {6}format: .*\n(.*\n)* {6}field_input: land\n/);
  await page.fill("label:has-text('Prompt with input') textarea", "{nothing}");
  await page.press("label:has-text('Prompt with input') textarea", "Tab");
  await page.waitForSelector("text=/`format` has a place \\{nothing\\}; those that can be filled/");
  await useConfig(CONFIG);
});

test("rows can be pasted; long cells and long samples are opened", async () => {
  await page.click("text=Paste text");
  const long = "word ".repeat(300);
  await page.fill("#pasted", lines({ messages: [{ role: "assistant", content: long }] }));
  assert.equal(await page.inputValue(".paste input"), "pasted.jsonl");
  await page.click(".paste button");
  await page.waitForSelector('#shown-title:text-is("data/pasted.jsonl")');
  await page.waitForSelector("text=left out: longer than sequence_len");
  const tokens = page.locator(".tokens .token");
  assert.equal(await tokens.count(), 300);
  await page.click("text=/Show 300 more of \\d+ tokens/");
  assert.equal(await tokens.count(), 600);
  await page.click("text=As read");
  assert.equal((await page.locator(".cell").innerText()).length, 201);
  await page.click("text=/Show all 1,5\\d\\d characters/");
  assert.ok((await page.locator(".cell").innerText()).includes(long));
  await page.click("text=As tokens");
});

test("all rows are checked: counts, lengths, packing, left-out rows with their places", async () => {
  const row = (n) => ({ instruction: "Say it", output: "newts and efts ".repeat(n) });
  await look("mixed.jsonl", lines(row(2), row(3), row(90), row(5), { ...row(1), output: "" }));
  await page.click("text=Train on it");
  await configHas(/mixed/);
  await page.click("#check");
  await page.waitForSelector(".summary");
  const figures = await page.locator(".figures > div").evaluateAll((all) =>
    Object.fromEntries(all.map((each) => [
      each.querySelector("dt").textContent,
      each.querySelector("dd").textContent,
    ]))
  );
  assert.equal(figures["Rows read"], "5");
  assert.equal(figures["Left out"], "2");
  assert.equal(figures["Samples to train on"], "3");
  const places = await page.locator(".places li").allInnerTexts();
  assert.deepEqual(
    places,
    [
      "data/mixed.jsonl:3 longer than sequence_len",
      "data/mixed.jsonl:5 nothing to train on",
    ],
  );
  await screenshot("data", 1280, 0, 1500);
  await screenshot("data-dark", 1280, -1300, 1300, "dark");
  await screenshot("data-phone", 360, 640, 1500);
  await page.click("text=As a table");
  const counts = await page.locator(".histogram td").allInnerTexts();
  assert.equal(counts.reduce((sum, each) => sum + Number(each), 0), 3);
  await page.selectOption("#format", "alpaca:chat");
  await page.waitForSelector("text=The configuration has changed since this check.");
  assert.deepEqual(await axe(), []);
  await useConfig(CONFIG);
});

test("without a tokenizer the rows are still shown, with a sentence", async () => {
  await useConfig(CONFIG.replace("public/models/eft-tiny", "./models/none"));
  await page.waitForSelector("text=/The rows cannot be shown as tokens\\..*models\\/none/");
  assert.equal(await page.locator("table.rows tbody tr").count(), 10);
  const asked = [];
  const listen = (request) =>
    new URL(request.url()).hostname !== "127.0.0.1" && asked.push(request);
  page.on("request", listen);
  await useConfig(CONFIG.replace("public/models/eft-tiny", "owner/model"));
  await page.waitForSelector("text=The tokenizer of the model is not on this computer yet");
  assert.equal(await page.locator("table.rows tbody tr").count(), 10);
  await useConfig(CONFIG.replace("public/data/town.jsonl", "owner/rows"));
  await page.waitForSelector("text=These rows are not on this computer yet.");
  assert.equal(asked.length, 0);
  page.off("request", listen);
  await useConfig(`${CONFIG}lora_rr: 3\n`);
  await page.waitForSelector("text=/The rows cannot be shown as tokens\\..*:\\d+:1: .*lora_rr/");
  const aliased = CONFIG.replace("datasets:", "datasets: *rows").replace(/ {2}- path.*\n.*\n/, "");
  await useConfig("rows: &rows [{path: public/data/town.jsonl, type: alpaca}]\n" + aliased);
  await page.waitForSelector("table.rows");
  await page.selectOption("#format", "alpaca:chat");
  await page.waitForSelector(
    "text=/The configuration could not be changed: .*Change it in the room/",
  );
  await useConfig("a: [");
  await page.waitForSelector("text=The configuration is not valid YAML");
  await useConfig(CONFIG);
});

test("a bad file of every kind gets a sentence", async () => {
  const parquet = readFileSync(join(root, "tests/golden/parquet/snappy.parquet"));
  const zip = Buffer.from([0x50, 0x4b, 3, 4, 20, 0, 0, 0]);
  const zst = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0]);
  const png = Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, 13]);
  const cases = [
    ["photo.png", png, /data\/photo\.png: the file is a PNG image\. Give a file of rows/],
    ["photo.jsonl", png, /the file is a PNG image/],
    ["noise", Buffer.from([1, 2, 3, 4, 5, 6, 7]), /neither its name nor its first bytes tell/],
    ["broken.json", '[\n  {"a": oops}\n]', /broken\.json:2:9: the row is not valid JSON/],
    ["first.jsonl", '{"a": 1,}\n', /first\.jsonl:1:9: the row is not valid JSON/],
    [
      "wrong.jsonl",
      Buffer.from([0x7b, 0xff, 0x7d]),
      /wrong\.jsonl:1:2: byte 1 \(0xff\) is not UTF/,
    ],
    ["empty.jsonl", "", /empty\.jsonl: the file is empty; expected one JSON object per line/],
    ["empty.csv", "", /empty\.csv: the file is empty; expected a line with the names/],
    ["empty.txt", "\n\n", /empty\.txt: the file has no rows/],
    ["cut.parquet", parquet.subarray(0, 200), /cut\.parquet: the Parquet file is cut off/],
    ["not.parquet", "text", /not\.parquet: this is not a Parquet file/],
    ["uneven.csv", "a,b\n1,2,3\n", /uneven\.csv:2: the row has 3 fields, but the header names 2/],
    ["data.zip", zip, /data\.zip: the file is a zip archive\. Unpack it/],
    ["data.jsonl.zst", zst, /the file is packed with zstd\. Unpack it/],
    ["cut.jsonl.gz", gzipSync("{}".repeat(50)).subarray(0, 20), /gzip data is damaged, cut off/],
  ];
  for (const [name, content, expected] of cases) {
    const said = await sentence(name, content);
    assert.match(said, expected, name);
    assert.doesNotMatch(said, /A bug in Eft|\[object|undefined/, name);
  }
  const kept = await page.locator("table.files tbody th").allInnerTexts();
  for (const [name] of cases) assert.equal(kept.join().includes(name), false, `${name} is kept`);

  // A mistake further down leaves the rows before it to be seen.
  await look("late.jsonl", lines({ text: "fine" }) + '\n{"text": \n');
  assert.match(await failureText(), /^data\/late\.jsonl:2:\d+: the row is not valid JSON/);
  assert.equal(await page.locator(".token-rows > li").count(), 1);
  await look("lacking.jsonl", lines({ instruction: "a", output: "b" }, { instruction: "c" }));
  await page.waitForSelector(
    'text=/data\\/lacking\\.jsonl:2: the row has no "output"; its fields are "instruction"/',
  );
  await page.click("text=Train on it");
  await page.click("#check");
  await page.waitForSelector(
    '#check ~ .notice >> text=/lacking\\.jsonl:2: the row has no "output"/',
  );
  await useConfig(CONFIG);
});

test("files and folders are dropped; a folder without rows gets a sentence", async () => {
  const good = join(folder, "several"), bad = join(folder, "pictures"), none = join(folder, "none");
  for (const each of [good, bad, none]) mkdirSync(each);
  writeFileSync(join(good, "train.jsonl"), lines({ text: "first" }));
  writeFileSync(join(good, "test.jsonl"), lines({ text: "held out" }));
  writeFileSync(join(bad, "a.png"), Buffer.from([0x89, 0x50]));
  writeFileSync(join(folder, "one.jsonl"), lines({ text: "dropped" }));
  await drop(join(folder, "one.jsonl"));
  await page.waitForSelector('#shown-title:text-is("data/one.jsonl")');
  await page.waitForSelector(".tokens >> text=dropped");
  await drop(good);
  await page.waitForSelector('#shown-title:text-is("data/several")');
  await page.waitForSelector(".tokens >> text=first");
  await drop(bad);
  await page.waitForSelector(
    ".notice.error >> text=/data\\/pictures holds no file that Eft reads/",
  );
  await drop(none);
  await page.waitForSelector(".notice.error >> text=Nothing was in what you dropped");
  assert.equal(await page.locator("table.files >> text=pictures").count(), 0);
  // The same name again is another file; nothing is overwritten.
  await drop(join(folder, "one.jsonl"));
  await page.waitForSelector('#shown-title:text-is("data/one-2.jsonl")');
  await page.click('[aria-label="Delete one-2.jsonl"]');
  await page.click('[aria-label="Delete for good one-2.jsonl"]');
  await page.waitForFunction(() =>
    !document.querySelector("table.files").textContent.includes("-2")
  );
});

test("the room is usable on a phone, in the dark, and by screen readers", async () => {
  await look("talk-again.jsonl", lines({ messages: [{ role: "user", content: "Who is it?" }] }));
  assert.deepEqual(await axe(), []);
  await page.setViewportSize({ width: 360, height: 740 });
  const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.equal(await overflow(), 0);
  await page.click("text=As read");
  assert.equal(await overflow(), 0);
  await page.click("text=Paste text");
  assert.equal(await overflow(), 0);
  assert.deepEqual(await axe(), []);
  await page.click("text=As tokens");
  await page.emulateMedia({ colorScheme: "dark" });
  assert.deepEqual(await axe(), []);
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
});

test("a file of 1 GB is kept, looked at and given up without taking its size in memory", async () => {
  const path = join(folder, "large.jsonl");
  const line = `${JSON.stringify({ instruction: "Count.", output: "sheep ".repeat(160) })}\n`;
  const piece = Buffer.from(line.repeat(Math.ceil(2 ** 24 / line.length)));
  const file = openSync(path, "w");
  let size = 0;
  while (size < 10 ** 9) size += writeSync(file, piece);
  closeSync(file);

  const browser = await page.context().browser().newBrowserCDPSession();
  const { processInfo } = await browser.send("SystemInfo.getProcessInfo");
  const renderers = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
  // Page and worker live in the renderer: all of their memory is there, JavaScript's or not.
  const memory = () =>
    Math.max(...renderers.map((id) => {
      const status = readFileSync(`/proc/${id}/status`, "utf8");
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)[1]) / 1024;
    }));
  const client = await page.context().newCDPSession(page);
  await client.send("Performance.enable");
  const heap = async () => {
    await client.send("HeapProfiler.collectGarbage"); // only what is held counts
    const { metrics } = await client.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "JSHeapUsedSize").value / 2 ** 20;
  };
  const before = memory();
  let highest = before;
  const watch = setInterval(() => highest = Math.max(highest, memory()), 20);
  const started = performance.now();
  await page.setInputFiles("input[type=file]", path);
  await page.waitForSelector(".copying progress");
  await page.waitForSelector('#shown-title:text-is("data/large.jsonl")', { timeout: 120_000 });
  const seconds = (performance.now() - started) / 1000;
  await page.waitForSelector(".tokens >> text=sheep");
  clearInterval(watch);
  const grown = highest - before, used = await heap();
  console.log(
    `${(size / 1e9).toFixed(2)} GB kept in ${seconds.toFixed(1)} s; the renderer grew by ` +
      `${grown.toFixed(0)} MiB at most, the page's heap is ${used.toFixed(0)} MiB`,
  );
  assert.ok(grown < 250, `the renderer grew by ${grown} MiB`);
  assert.ok(used < 50, `the page's heap is ${used} MiB`);

  // A check of all of it shows its progress and can be ended at once.
  await page.click("text=Train on it");
  await page.waitForSelector(".tag >> text=in use");
  await page.click("#check");
  await page.waitForFunction(() =>
    /[1-9]\d* rows/.test(document.querySelector(".copying")?.textContent)
  );
  await page.click(".copying >> text=Cancel");
  await page.waitForSelector("#check");
  assert.equal(await page.locator("#check ~ .notice").count(), 0);
  // So can the keeping, which then leaves nothing behind.
  await page.setInputFiles("input[type=file]", path);
  await page.waitForSelector(".copying progress");
  await page.click(".copying >> text=Cancel");
  await page.waitForSelector(".copying", { state: "detached" });
  assert.equal(await page.locator("table.files >> text=large-2").count(), 0);
  assert.equal(await page.locator(".notice.error").count(), 0);
  await page.click('[aria-label="Delete large.jsonl"]');
  await page.click('[aria-label="Delete for good large.jsonl"]');
  await page.waitForFunction(() =>
    !document.querySelector("table.files").textContent.includes("large")
  );
});

test("the console shows no error", () => {
  assert.deepEqual(site.problems, []);
});
