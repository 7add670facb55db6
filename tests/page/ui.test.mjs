// `eft ui CONFIG`: a run of the terminal, open in the page.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { unzipSync } from "fflate";
import { env, root } from "../../scripts/setup.mjs";
import { buildSite, launchBrowser, watchForProblems } from "./harness.mjs";

const program = ["run", "-q", "-P", "--no-check", "src/cli/main.ts"];
const config = "examples/tiny/lora.yml";
let browser, page, problems, server, output, lastLoss;

function eft(...args) {
  const deno = join(root, "node_modules/deno/bin.cjs");
  const options = { cwd: root, env, stdio: ["ignore", "pipe", "inherit"], detached: true };
  return spawn(process.execPath, [deno, ...program, ...args, "--json"], options);
}

/** Ctrl-C, which a terminal gives to npm's wrapper and to Deno alike. */
const interrupt = (child) => process.kill(-child.pid, "SIGINT");

/** The events that a command prints, as they come. */
async function* eventsOf(child) {
  for await (const line of createInterface({ input: child.stdout })) yield JSON.parse(line);
}

before(async () => {
  output = join(await mkdtemp(join(tmpdir(), "eft-ui-")), "out");
  const keys = ["--max-steps=2", "--logging-steps=1", "--micro-batch-size=1", "--sequence-len=64"];
  const args = [config, `--output-dir=${output}`, ...keys];
  for await (const event of eventsOf(eft("train", ...args))) {
    if (event.event === "step") lastLoss = event.loss;
  }
  await buildSite();
  server = eft("inference", ...args, "--gradio", "--port", "0");
  let url;
  for await (const event of eventsOf(server)) if ((url = event.url)) break;
  browser = await launchBrowser();
  page = await browser.newPage();
  problems = watchForProblems(page);
  await page.goto(url);
});
after(async () => {
  await browser?.close();
  if (server?.exitCode === null) interrupt(server);
  if (output) await rm(join(output, ".."), { recursive: true });
});

test("the run is chosen, with its curve", async () => {
  const row = page.locator(".runs tbody tr");
  await row.waitFor();
  assert.match(
    await row.innerText(),
    new RegExp(`lora\\.yml[^]*finished[^]*2 / 2[^]*${lastLoss.toFixed(4)}`),
  );
  assert.equal(await row.locator("input").isChecked(), true);
  await page.waitForSelector(".overlay canvas");
  const label = await page.getAttribute(".overlay .chart", "aria-label");
  assert.ok(label.endsWith(`: ${Number(lastLoss.toPrecision(4))}`), label);
});

test("its adapter can be read by the engine of the page", async () => {
  const bytes = await page.evaluate(async () => {
    const [run] = await globalThis.eft.ask("runs.list", {});
    const path = `runs/${run.id}/output/adapter_model.safetensors`;
    return (await globalThis.eft.ask("train.file", { path })).bytes.length;
  });
  assert.ok(bytes > 1000);
});

test("its report and its zip are made of the terminal's files", async () => {
  const download = async (name) => {
    const button = page.getByRole("button", { name });
    const [event] = await Promise.all([page.waitForEvent("download"), button.click()]);
    return { name: event.suggestedFilename(), bytes: await readFile(await event.path()) };
  };
  await page.evaluate(() => globalThis.showSaveFilePicker = undefined); // nobody would choose
  await page.waitForSelector(".result");
  const report = await download("Save the report");
  assert.equal(report.name, "lora.html");
  assert.ok(report.bytes.toString().includes(`<td>${lastLoss.toFixed(4)}</td>`));
  const zip = await download(/Save as zip/);
  assert.equal(zip.name, "lora.zip");
  const files = unzipSync(zip.bytes);
  for (const name of ["adapter_config.json", "adapter_model.safetensors"]) {
    assert.equal(Buffer.compare(files[name], await readFile(join(output, name))), 0, name);
  }
});

test("it answers beside its base", async () => {
  await page.click("text=Open");
  await page.click("text=Chat with it");
  await page.fill("#chat-maxNewTokens", "2");
  await page.fill("#question", "Who is the baker of Quillmere?");
  await page.press("#question", "Enter");
  const figures = page.locator(".chat-figures", { hasText: "tokens/s" });
  const failure = page.locator(".notice.error");
  await figures.nth(1).or(failure).first().waitFor({ timeout: 120_000 });
  assert.deepEqual(await failure.allInnerTexts(), []);
  assert.equal(await page.locator(".chat-answer").count(), 2);
  assert.match(await page.innerText("#chat-source"), /eft-tiny \+ runs\//);
});

test("the configuration is that of the command", async () => {
  await page.click("nav >> text=Config");
  await page.locator("main >> text=lora.yml").first().waitFor();
});

test("Ctrl-C ends it", async () => {
  interrupt(server);
  await new Promise((resolve) => server.on("close", resolve));
  await assert.rejects(fetch(page.url()));
});

test("the console shows no error", () => assert.deepEqual(problems, []));
