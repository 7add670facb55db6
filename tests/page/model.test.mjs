// The model room: a model from the page, from this computer, from the hub; what is kept, and that a
// file of a gigabyte never is in memory.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { cp, mkdtemp, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { buildSite, launchBrowser, serveSite, watchForProblems } from "./harness.mjs";
import { fakeHub, TOKEN } from "./hub.mjs";
import {
  keep,
  kept,
  overflow,
  photograph,
  photographs,
  privateFiles,
  seriousProblems,
} from "./person.mjs";
import { root } from "../../scripts/setup.mjs";

const tiny = join(root, "public/models/eft-tiny");
const files = Object.fromEntries(
  readdirSync(tiny).map((name) => [
    name,
    readFileSync(join(tiny, name)),
  ]),
);
const hub = fakeHub({
  "owner/tiny": { files: { ...files, "README.md": Buffer.from("read me") } },
  "owner/gated": { files, gated: true },
  "owner/pickle": { files: { "config.json": files["config.json"], "model.bin": Buffer.from("x") } },
});

let site, browser, folder, context, page, problems;
before(async () => {
  await buildSite();
  site = await serveSite({ handle: hub.handle });
  browser = await launchBrowser();
  folder = await mkdtemp(join(tmpdir(), "eft-models-"));
  context = await browser.newContext();
  page = await enter(context);
  problems = watchForProblems(page);
});
after(async () => {
  await browser?.close();
  await site?.close();
  if (folder) await rm(folder, { recursive: true });
});

async function enter(context) {
  const page = await context.newPage();
  await page.addInitScript(() => {
    const { persist } = StorageManager.prototype;
    globalThis.askedToPersist = 0;
    StorageManager.prototype.persist = function () {
      globalThis.askedToPersist++;
      return persist.call(this);
    };
  });
  await page.goto(`${site.url}#/model`);
  await page.waitForSelector(".facts");
  return page;
}

/** Drops files on the room's target as a person does who let go of them there. */
function drop(contents) {
  return page.evaluate((contents) => {
    const transfer = new DataTransfer();
    for (const [name, base64] of Object.entries(contents)) {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      transfer.items.add(new File([bytes], name));
    }
    const event = new DragEvent("drop", {
      dataTransfer: transfer,
      bubbles: true,
      cancelable: true,
    });
    document.querySelector(".drop").dispatchEvent(event);
  }, Object.fromEntries(Object.entries(contents).map(([k, v]) => [k, v.toString("base64")])));
}

/** Waits until the room says this. */
function says(expected) {
  return page.waitForFunction(
    (source) => new RegExp(source).test(document.querySelector(".message .notice")?.textContent),
    expected.source,
  );
}

const baseModel = async () => /^base_model: (.*)$/m.exec(await kept(page, "config.text"))?.[1];

test("says what the chosen model is", async () => {
  assert.equal(await page.textContent("#chosen"), "public/models/eft-tiny");
  const facts = await page.textContent(".facts");
  for (
    const each of ["FamilyLlama", "857 thousand", "1.6 MiB", "BF16", "Layers4", "Width128", "512"]
  ) {
    assert.ok(facts.includes(each), `${each} in ${facts}`);
  }
});

const config = JSON.parse(files["config.json"]);
const json = (value) => Buffer.from(JSON.stringify(value));
const { "config.json": _, ...withoutConfig } = files;
const { "model.safetensors": weights, ...withoutWeights } = files;
const bad = {
  "a GGUF file": [{ "model.gguf": Buffer.from("GGUF") }, /model\.gguf is a GGUF file/],
  "a pickle": [
    { ...withoutWeights, "pytorch_model.bin": Buffer.from("PK") },
    /pytorch_model\.bin is weights in PyTorch's pickle format.*safetensors only/,
  ],
  "no config.json": [withoutConfig, /config\.json is missing/],
  "no weights": [withoutWeights, /There are no weights/],
  "no tokenizer": [
    { "config.json": files["config.json"], "model.safetensors": weights },
    /tokenizer\.json is missing/,
  ],
  "an unknown architecture": [
    { ...files, "config.json": json({ ...config, architectures: ["RwkvForCausalLM"] }) },
    /config\.json: The architecture RwkvForCausalLM is not supported. Supported: Llama/,
  ],
  "a cut file": [
    { ...files, "model.safetensors": weights.subarray(0, 100_000) },
    /model\.safetensors: the file is cut off: expected 1718488 bytes, found 100000/,
  ],
  "a page in place of weights": [
    { ...files, "model.safetensors": Buffer.from("<!DOCTYPE html><title>Login</title>") },
    /not a safetensors file/,
  ],
  "wrong JSON": [{ ...files, "config.json": Buffer.from("{") }, /config\.json: This is not JSON/],
  "a wrong tokenizer": [{ ...files, "tokenizer.json": Buffer.from("[]") }, /tokenizer\.json/],
  "an empty file": [{ "config.json": Buffer.alloc(0) }, /config\.json: This is not JSON/],
  "a picture": [{ "cat.png": readFileSync(join(root, "public/icon-192.png")) }, /no weights/],
  "an adapter": [
    { "adapter_config.json": json({}), "adapter_model.safetensors": weights },
    /LoRA adapter, not a model/,
  ],
  nothing: [{}, /Nothing was dropped/],
};
for (const [name, [contents, expected]] of Object.entries(bad)) {
  test(`dropped: ${name}`, async () => {
    await drop(contents);
    await says(expected);
    assert.equal(await baseModel(), "public/models/eft-tiny");
    assert.ok(!Object.keys(await privateFiles(page)).some((path) => path.startsWith("models/")));
  });
}

test("a file that misses the target does not replace the page", async () => {
  const stays = await page.evaluate(() => {
    const event = new DragEvent("drop", { bubbles: true, cancelable: true });
    document.querySelector("h1").dispatchEvent(event);
    return event.defaultPrevented;
  });
  assert.equal(stays, true);
});

test("a folder is kept under its name and chosen; comments of the configuration stay", async () => {
  const asked = () => page.evaluate(() => globalThis.askedToPersist);
  assert.equal(await asked(), 0); // nothing so far was worth keeping
  const own = join(folder, "my model (1)");
  await cp(tiny, own, { recursive: true });
  await writeFile(join(own, "README.md"), "not needed");
  await writeFile(join(own, "training_args.bin"), "not needed");
  await page.setInputFiles("input[webkitdirectory]", own);
  await page.waitForFunction(() => document.querySelector("#chosen")?.textContent.startsWith("./"));
  assert.equal(await page.textContent("#chosen"), "./models/my-model-1");
  assert.equal(await baseModel(), "./models/my-model-1");
  assert.match(await kept(page, "config.text"), /^# Teaches eft-tiny/);
  const stored = await privateFiles(page);
  const expected = Object.entries(files).map(([name, { length }]) => [
    `models/my-model-1/${name}`,
    length,
  ]);
  assert.deepEqual(
    Object.entries(stored).filter(([path]) => path.startsWith("models/")).sort(),
    expected.sort(),
  );
  const row = page.locator("#kept tr", { hasText: "./models/my-model-1" });
  await row.waitFor();
  assert.match(await row.textContent(), /dropped.*1\.7 MiB/);
  assert.equal(await asked(), 1);
  assert.match(await page.textContent("#usage"), /MiB used of .* that the browser allows/);
  assert.match(await page.textContent("#persisted"), /The browser (keeps|may delete) it/);
});

test("what is kept can be deleted, after a second click", async () => {
  await page.click('[aria-label="Delete ./models/my-model-1"]');
  await page.click('[aria-label="Delete for good ./models/my-model-1"]');
  await page.waitForFunction(() => !document.querySelector("#kept"));
  assert.deepEqual(
    Object.keys(await privateFiles(page)).filter((p) => p.startsWith("models/")),
    [],
  );
  // The configuration still names it, and the room says so.
  await page.waitForSelector("text=There is no folder ./models/my-model-1.");
  await page.click('[aria-label="Use eft-tiny"]');
  await page.waitForSelector(".facts");
});

async function useHub(page) {
  await page.click("summary");
  await page.fill("#hub-address", `${site.url}hub`);
}

async function startDownload(page, name) {
  await page.fill("#hub-name", name);
  await page.click(".hub button[type=submit]");
}

test("a tab that dies in the middle of a download loses nothing of it", async () => {
  const doomed = await enter(context);
  await useHub(doomed);
  hub.mishaps.push({ after: 600_000, hang: true });
  await startDownload(doomed, "owner/tiny");
  const list = doomed.locator(".files li");
  await list.filter({ hasText: "model.safetensors" }).filter({ hasText: "586 KiB of 1.6 MiB" })
    .waitFor();
  assert.equal(await list.filter({ hasText: "done" }).count(), 5);
  await doomed.close();

  await page.reload();
  await page.waitForSelector("#kept");
  assert.match(await page.textContent("#kept"), /owner\/tiny.*Hugging Face, unfinished/);
});

test("it goes on from there, can be stopped, and survives a broken connection", async () => {
  await useHub(page);
  hub.mishaps.push({ after: 100_000, hang: true });
  await page.click('[aria-label="Go on owner/tiny"]');
  await page.locator(".files li", { hasText: "684 KiB of 1.6 MiB" }).waitFor();
  await page.click("text=Cancel");
  await page.waitForSelector("text=What arrived is kept");

  hub.mishaps.push({ after: 200_000 });
  await startDownload(page, "owner/tiny");
  await page.waitForFunction(() => document.querySelector("#chosen").textContent === "owner/tiny");
  await page.waitForSelector(".facts");
  assert.equal(await baseModel(), "owner/tiny");
  const asked = hub.log.filter((line) => line.includes("model.safetensors"))
    .map((line) => Number(/bytes=(\d+)/.exec(line)?.[1] ?? 0));
  assert.deepEqual(asked, [0, 600_000, 700_000, 900_000]);
  const stored = Object.entries(await privateFiles(page));
  assert.ok(stored.some(([path, size]) => /model\.safetensors$/.test(path) && size === 1718488));
  assert.ok(!hub.log.some((line) => line.includes("README")));
});

test("a gated model wants a token, which is forgotten unless it is to be remembered", async () => {
  await startDownload(page, "owner/gated");
  await page.waitForSelector("text=/is gated: its owners want to be asked first/");
  assert.match(await page.textContent(".notice.error"), /enter it in the Model room/);
  await page.fill("#hub-token", TOKEN);
  await startDownload(page, "owner/gated");
  await page.waitForFunction(() => document.querySelector("#chosen").textContent === "owner/gated");
  assert.equal(await kept(page, "hub"), undefined);
  await page.check("text=Remember token and address");
  await page.waitForTimeout(100);
  assert.deepEqual(await kept(page, "hub"), { token: TOKEN, address: `${site.url}hub` });
  await page.uncheck("text=Remember token and address");
  await page.waitForTimeout(100);
  assert.equal(await kept(page, "hub"), undefined);
});

test("a wrong name, a missing model and one without safetensors are a sentence each", async () => {
  for (
    const [name, expected] of [
      ["just words", /“just words” is not a name of the hub/],
      ["owner/nothing", /owner\/nothing .*does not exist at/],
      ["owner/pickle", /has no model\.safetensors; it holds model\.bin/],
    ]
  ) {
    await startDownload(page, name);
    await says(expected);
  }
});

test("a model that is not here is not asked for until the person wants it", async () => {
  const before = hub.log.length;
  const text = await kept(page, "config.text");
  await keep(page, { "config.text": text.replace(/^base_model:.*$/m, "base_model: owner/absent") });
  await page.reload();
  await page.waitForSelector("text=It is not in this browser yet");
  assert.equal(hub.log.length, before);
});

test("nothing serious for axe, light and dark; no overflow on a phone", async () => {
  await page.click("summary");
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    assert.deepEqual(await seriousProblems(page), []);
  }
  await page.setViewportSize({ width: 360, height: 740 });
  assert.equal(await overflow(page), 0);
});

test("pictures", photographs, async () => {
  await photograph(browser, site.url, "model", async (page) => {
    await useHub(page);
    await page.click("summary");
    await startDownload(page, "owner/tiny");
    await page.waitForFunction(() =>
      document.querySelector("#chosen").textContent === "owner/tiny"
    );
    await page.waitForSelector("#kept");
    await page.waitForSelector(".facts");
    await page.evaluate(() => scrollTo(0, 0));
  });
});

test("the console shows no error but those of the refusals", () => {
  assert.deepEqual(problems.filter((each) => !/40[14]|ERR_(INCOMPLETE|CONTENT)/.test(each)), []);
});

test("a drop of a gigabyte does not take its size in memory", {
  skip: process.platform !== "linux" && "reads the memory of processes from /proc",
}, async () => {
  const large = join(folder, "large");
  await cp(tiny, large, { recursive: true });
  await addTensor(join(large, "model.safetensors"), 2 ** 30);
  const profile = join(folder, "profile");
  const own = await launchBrowser(undefined, profile);
  try {
    const page = await enter(own);
    const before = rendererPeak(profile);
    await page.setInputFiles("input[webkitdirectory]", large);
    await page.waitForFunction(
      () => document.querySelector("#chosen").textContent === "./models/large",
      null,
      { timeout: 120_000 },
    );
    const grown = rendererPeak(profile) - before;
    const stored = (await privateFiles(page))["models/large/model.safetensors"];
    assert.ok(stored > 2 ** 30);
    assert.ok(grown < 200 * 2 ** 20, `the page grew by ${Math.round(grown / 2 ** 20)} MiB`);
    console.log(`# 1 GiB dropped: the page's process grew by ${Math.round(grown / 2 ** 20)} MiB`);
  } finally {
    await own.close();
  }
});

/** Adds a tensor of zeros to a safetensors file; the disk does not hold them. */
async function addTensor(path, bytes) {
  const content = await readFile(path);
  const length = Number(content.readBigUInt64LE(0));
  const header = JSON.parse(content.subarray(8, 8 + length).toString());
  const end = content.length - 8 - length;
  header.extra = { dtype: "U8", shape: [bytes], data_offsets: [end, end + bytes] };
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  const file = await open(path, "w");
  await file.writeFile(Buffer.concat([size, text, content.subarray(8 + length)]));
  await file.close();
  await truncate(path, 8 + text.length + end + bytes);
}

/** The most memory that any renderer below the browser of this profile has had, in bytes. */
function rendererPeak(profile) {
  const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      const number = (key) => Number(new RegExp(`^${key}:\\s+(\\d+)`, "m").exec(status)?.[1]);
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      return [{ pid: Number(pid), parent: number("PPid"), peak: number("VmHWM"), command }];
    } catch {
      return []; // it ended meanwhile
    }
  });
  const isBelow = (each) =>
    each !== undefined && (each.command.includes(profile) ||
      isBelow(processes.find(({ pid }) => pid === each.parent)));
  const peaks = processes.filter((each) =>
    each.command.includes("--type=renderer") && isBelow(each)
  ).map(({ peak }) => peak * 1024);
  assert.ok(peaks.length > 0, "no renderer was found");
  return Math.max(...peaks);
}
