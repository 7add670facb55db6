// What a run leaves is carried away: a zip with the very bytes of the result, a report that stands on
// its own, the merged model as the terminal makes it, and every file alone.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { unzipSync } from "fflate";
import { root } from "../../scripts/setup.mjs";
import { denoOnSwiftshader } from "../parity/swiftshader.mjs";
import { checkAccessibility, openPage } from "./harness.mjs";
import { copyResult, readResult, shoot, trainInPage } from "./run_in_page.mjs";

const mergedNames = [
  "config.json",
  "generation_config.json",
  "model.safetensors",
  "special_tokens_map.json",
  "tokenizer.json",
  "tokenizer_config.json",
];

let site, page, folder, lora, result;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "eft-result-"));
  site = await openPage("#/start");
  page = site.page;
  // A headless browser has nobody to ask: the choosers give places in the private file system.
  await page.evaluate(() => {
    globalThis.showSaveFilePicker = async ({ suggestedName }) => {
      globalThis.suggested = suggestedName;
      const disk = await (await navigator.storage.getDirectory())
        .getDirectoryHandle("disk", { create: true });
      return await disk.getFileHandle(suggestedName, { create: true });
    };
    globalThis.showDirectoryPicker = async () =>
      await (await navigator.storage.getDirectory()).getDirectoryHandle("disk", { create: true });
  });
  lora = await trainInPage(page, {
    max_steps: 3,
    val_set_size: 8,
    eval_steps: 2,
    generate_samples: true,
  });
  result = await readResult(page, lora);
  // A change of the address alone, so that the choosers stay.
  await page.evaluate((id) => location.hash = `#/runs/${id}`, lora);
  await page.waitForSelector(".result");
});
after(async () => {
  await site?.close();
  if (folder) await rm(folder, { recursive: true });
});

const saved = () => page.waitForSelector(".result .notice.good");
const sha = (bytes) => createHash("sha256").update(bytes).digest("hex");
const button = (name) => page.getByRole("button", { name });

/** A file in the place of the person's disk, or the names of a folder there. */
async function onDisk(...path) {
  const text = await page.evaluate(async (path) => {
    let place = await (await navigator.storage.getDirectory()).getDirectoryHandle("disk");
    for (const [i, name] of path.entries()) {
      place = i < path.length - 1 || !name.includes(".")
        ? await place.getDirectoryHandle(name)
        : await place.getFileHandle(name);
    }
    if (place.kind === "directory") return (await Array.fromAsync(place.keys())).sort().join("\n");
    return new Uint8Array(await (await place.getFile()).arrayBuffer()).toBase64();
  }, path);
  return path.at(-1)?.includes(".") ? Buffer.from(text, "base64") : text.split("\n");
}

async function download(name) {
  const [event] = await Promise.all([page.waitForEvent("download"), button(name).first().click()]);
  return { name: event.suggestedFilename(), path: await event.path() };
}

function assertSameFiles(found, expected) {
  assert.deepEqual(Object.keys(found).sort(), Object.keys(expected).sort());
  for (const [name, bytes] of Object.entries(expected)) {
    assert.equal(sha(found[name]), sha(bytes), name);
  }
}

test("the zip is written to the chosen file and holds the result byte for byte", async () => {
  await button(/Save as zip/).click();
  await saved();
  assert.equal(await page.evaluate(() => globalThis.suggested), "lora.zip");
  const found = unzipSync(await onDisk("lora.zip"));
  assert.ok(found["adapter_config.json"] && found["adapter_model.safetensors"], "at the root");
  assertSameFiles(found, result);
});

test("where there is no chooser, the zip is downloaded", async () => {
  await page.evaluate(() => {
    globalThis.kept = globalThis.showSaveFilePicker;
    delete globalThis.showSaveFilePicker;
    globalThis.showSaveFilePicker = undefined;
  });
  const { name, path } = await download(/Save as zip/);
  assert.equal(name, "lora.zip");
  assertSameFiles(unzipSync(await readFile(path)), result);
  await page.evaluate(() => globalThis.showSaveFilePicker = globalThis.kept);
});

test("every file alone, the configuration and the log among them", async () => {
  for (const name of ["eft_config.yml", "trainer_state.json"]) {
    const file = await download(name);
    assert.equal(file.name, name);
    assert.equal(sha(await readFile(file.path)), sha(result[name]));
  }
  const events = (await readFile((await download("events.jsonl")).path, "utf8")).trim().split("\n");
  assert.equal(JSON.parse(events.at(-1)).event, "end");
  await page.click(".result summary");
  const names = await page.locator(".result > details .result-files button").allInnerTexts();
  assert.deepEqual(names.sort(), Object.keys(result).sort());
});

test("the report opens on its own, without a request", async () => {
  const { name, path } = await download("Save the report");
  assert.equal(name, "lora.html");
  const html = await readFile(path, "utf8");
  assert.doesNotMatch(html, /<script|\bsrc=|\bhref=|https?:|url\(/);
  const context = await page.context().browser().newContext({ javaScriptEnabled: false });
  const report = await context.newPage();
  const requests = [];
  report.on("request", (request) => requests.push(request.url()));
  await report.route(
    "**/report.html",
    (route) => route.fulfill({ body: html, contentType: "text/html" }),
  );
  await report.goto("http://report.invalid/report.html");
  assert.deepEqual(requests, ["http://report.invalid/report.html"]);
  assert.deepEqual(
    await report.locator("h2").allInnerTexts(),
    ["Result", "Curves", "Samples", "Data", "Adapter", "Kernels", "Configuration"],
  );
  assert.equal(await report.locator("svg polyline").count(), 5);
  const loss = JSON.parse(result["trainer_state.json"]).log_history
    .findLast((entry) => entry.loss !== undefined).loss;
  assert.ok((await report.locator("table").first().innerText()).includes(loss.toFixed(4)));
  await report.setViewportSize({ width: 800, height: 1400 });
  await shoot(report, "report");
  await report.setViewportSize({ width: 360, height: 740 });
  assert.equal(
    await report.evaluate(() => document.documentElement.scrollWidth - innerWidth),
    0,
  );
  await context.close();
});

test("the merged model is the one that the terminal makes", async () => {
  await button("Merge and save").click();
  await saved();
  assert.deepEqual(await onDisk("lora-merged"), mergedNames);

  const output = await copyResult(page, lora, folder);
  const cli = ["run", "-q", "-P", "--no-check", "src/cli/main.ts", "merge-lora"];
  const config = join(output, "eft_config.yml");
  await denoOnSwiftshader([...cli, config, "--output_dir", output]);
  for (const name of mergedNames) {
    const theirs = await readFile(join(output, "merged", name));
    assert.equal(sha(await onDisk("lora-merged", name)), sha(theirs), name);
  }

  await button("Merge and save").click();
  const notice = page.locator(".result .notice.error");
  await notice.waitFor();
  assert.match(await notice.innerText(), /The folder has lora-merged already\. Choose another/);
});

test("where the browser cannot write into folders, the merged files are offered", async () => {
  await page.evaluate(() => globalThis.showDirectoryPicker = undefined);
  await button("Merge and save").click();
  await page.waitForSelector(".result .notice.good");
  const { path } = await download(/^model\.safetensors$/);
  assert.equal(sha(await readFile(path)), sha(await onDisk("lora-merged", "model.safetensors")));
});

test("a write that is cancelled leaves nothing", async () => {
  const names = await page.evaluate(async (id) => {
    const disk = await (await navigator.storage.getDirectory()).getDirectoryHandle("disk");
    const stop = new AbortController();
    const options = { signal: stop.signal, onReport: () => stop.abort() };
    const failed = [];
    const ask = (name, question) =>
      globalThis.eft.ask(name, question, options).catch(() => failed.push(name));
    await ask("result.files", { id, what: "merged", name: "half", into: disk });
    const into = await disk.getFileHandle("half.zip", { create: true });
    await ask("result.zip", { id, into });
    return [failed, await Array.fromAsync(disk.keys())];
  }, lora);
  assert.deepEqual(names[0], ["result.files", "result.zip"]);
  assert.deepEqual(names[1].sort(), ["lora-merged", "lora.zip"]);
});

test("a base that cannot be merged is refused as the terminal refuses it", async () => {
  const id = "2026-11-23-000002-gptq";
  const names = [
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "quantize_config.json",
  ];
  const base = await Promise.all(
    names.map(async (name) => [
      name,
      (await readFile(join(root, "tests/golden/quant/base-gptq", name))).toString("base64"),
    ]),
  );
  const config =
    "base_model: models/gptq\nadapter: lora\nlora_r: 8\nlora_alpha: 16\nlora_target_linear: true\ngptq: true\n" +
    "learning_rate: 1e-3\nsequence_len: 64\nmicro_batch_size: 1\nmax_steps: 1\noutput_dir: o\n" +
    "datasets:\n  - path: public/data/town.jsonl\n    type: alpaca\n";
  await page.evaluate(async ({ id, base, config, adapter }) => {
    const write = async (path, bytes) => {
      let folder = await navigator.storage.getDirectory();
      const parts = path.split("/");
      for (const part of parts.slice(0, -1)) {
        folder = await folder.getDirectoryHandle(part, { create: true });
      }
      const stream = await (await folder.getFileHandle(parts.at(-1), { create: true }))
        .createWritable();
      await stream.write(bytes);
      await stream.close();
    };
    for (const [name, text] of base) {
      await write(`models/gptq/${name}`, Uint8Array.fromBase64(text));
    }
    const output = `runs/${id}/output`;
    await write(`${output}/eft_config.yml`, config);
    await write(`${output}/adapter_model.safetensors`, Uint8Array.fromBase64(adapter));
    await write(`${output}/trainer_state.json`, "{}");
  }, { id, base, config, adapter: result["adapter_model.safetensors"].toString("base64") });
  const message = await page.evaluate(
    (id) =>
      globalThis.eft.ask("result.files", { id, what: "merged", name: "x" })
        .catch((error) => error.message),
    id,
  );
  assert.match(message, /A GPTQ base cannot be merged: its codes cannot hold the adapter/);
});

test("nothing serious for axe, nothing wider than a phone", async () => {
  await checkAccessibility(page);
});

test("the console shows no error", () => {
  assert.deepEqual(site.problems, []);
});
