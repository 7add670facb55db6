// `eft ui CONFIG`: a run of the terminal, open in the page.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { env, root } from "../../scripts/setup.mjs";
import { buildSite, launchBrowser, watchForProblems } from "./harness.mjs";

const program = ["run", "-q", "-P", "--no-check", "src/cli/main.ts"];
const config = "examples/tiny/lora.yml";
let browser, page, problems, server, lastLoss;

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
  const output = join(await mkdtemp(join(tmpdir(), "eft-ui-")), "out");
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
  assert.ok((await page.getAttribute(".overlay", "aria-label")).endsWith(lastLoss.toFixed(4)));
});

test("its adapter can be read by the engine of the page", async () => {
  const bytes = await page.evaluate(async () => {
    const [run] = await globalThis.eft.ask("runs.list", {});
    const path = `runs/${run.id}/output/adapter_model.safetensors`;
    return (await globalThis.eft.ask("train.file", { path })).bytes.length;
  });
  assert.ok(bytes > 1000);
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
