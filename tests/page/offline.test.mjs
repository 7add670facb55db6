// One visit, below a sub-path and under the strict policy that a host can send; then the network is
// gone and the server with it, and the page still does all it can do. A new version waits to be asked.

import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { after, before, test } from "node:test";
import {
  buildSite,
  launchBrowser,
  previewHeaders,
  serveSite,
  watchForProblems,
} from "./harness.mjs";
import { typeConfig } from "./person.mjs";
import { root } from "../../scripts/setup.mjs";

let browser, folder, headers;
before(async () => {
  await buildSite();
  headers = await previewHeaders();
  browser = await launchBrowser();
  folder = await mkdtemp(join(tmpdir(), "eft-site-"));
});
after(async () => {
  await browser?.close();
  if (folder) await rm(folder, { recursive: true });
});

/** As `serveSite`, until the test `t` ends. */
async function serve(t, options) {
  const site = await serveSite(options);
  t.after(() => site.close());
  return site;
}

/** Opens the site in a fresh profile and waits until it is kept. */
async function visit(site) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const problems = watchForProblems(page);
  const asked = new Set();
  context.on("request", (request) => asked.add(new URL(request.url()).origin));
  await page.goto(site.url);
  await page.waitForSelector("#offline");
  await page.waitForFunction(() => /swiftshader/i.test(document.querySelector("#adapter")?.value));
  return { context, page, problems, asked };
}

/** Trains two steps of the demo; the answer is the run's last event. */
function trainTwoSteps(page) {
  return page.evaluate(async () => {
    const configText = await (await fetch("examples/tiny/lora.yml")).text();
    return await globalThis.eft.ask("train.start", {
      configText,
      configName: "examples/tiny/lora.yml",
      overrides: [["max_steps", "2"], ["micro_batch_size", "1"], ["sequence_len", "64"]].map((
        [key, value],
      ) => ({ key, value })),
    });
  });
}

test("after one visit everything works without network and server, also below a sub-path", async (t) => {
  const site = await serve(t, { prefix: "/eft/sub/", headers });
  const { context, page, problems, asked } = await visit(site);
  const devtools = await context.newCDPSession(page);
  const { installabilityErrors } = await devtools.send("Page.getInstallabilityErrors");
  // The test's own profile forgets everything, so nothing could be installed into it.
  const obstacles = installabilityErrors.filter(({ errorId }) => errorId !== "in-incognito");
  assert.deepEqual(obstacles, []);
  const manifest = await devtools.send("Page.getAppManifest");
  assert.deepEqual(manifest.errors, []);
  assert.match(manifest.url, /\/eft\/sub\/manifest\.webmanifest$/);
  assert.equal(JSON.parse(manifest.data).start_url, "./");

  await context.setOffline(true);
  await site.close();

  await page.reload();
  await page.waitForFunction(() => /swiftshader/i.test(document.querySelector("#adapter")?.value));
  assert.match(await page.textContent("#offline"), /offline/i);
  const end = await trainTwoSteps(page);
  assert.equal(end.steps, 2);
  assert.ok(Number.isFinite(end.train_loss));

  // What only the working rooms show: code, styles and data that are fetched on demand.
  const signs = {
    model: [".facts"],
    data: [".tokens .trained"],
    config: [".cm-editor .cm-content", "#verdict"],
    train: [".chart canvas", "#result"],
    runs: ["table.runs"],
    chat: ["#question:not([disabled])"],
    start: [".example"],
  };
  for (const [room, selectors] of Object.entries(signs)) {
    await page.evaluate((room) => location.hash = `#/${room}`, room);
    for (const selector of selectors) await page.waitForSelector(selector, { timeout: 60_000 });
    assert.equal(await page.locator(".notice.error").count(), 0, room);
  }
  await page.click("nav >> text=Config");
  const display = await page.locator(".cm-editor").evaluate((e) => getComputedStyle(e).display);
  assert.equal(display, "flex", "the editor has its style sheet");
  await typeConfig(page, "base_model: m\noptimizr: sgd\n");
  await page.locator(".cm-lint-marker-error").first().waitFor();
  await page.keyboard.type("lora_");
  await page.locator(".cm-tooltip-autocomplete").waitFor();
  await page.click("nav >> text=Runs");
  await page.check("table.runs input");
  await page.waitForSelector(".chart canvas");
  await page.waitForSelector("#take-along");
  await page.click("nav >> text=Chat");
  await page.fill("#question", "Who is the baker of Quillmere?");
  await page.keyboard.press("Enter");
  await page.getByText(/first after/).first().waitFor({ timeout: 120_000 });

  assert.deepEqual(problems, []);
  assert.deepEqual([...asked], [new URL(site.url).origin]);
  await context.close();
});

test("every file of the site is kept", async (t) => {
  const site = await serve(t, { prefix: "/below/", headers });
  const { context, page } = await visit(site);
  const files = await readdir(join(root, "dist"), { recursive: true, withFileTypes: true });
  const expected = files.filter((file) => file.isFile())
    .map((file) => relative(join(root, "dist"), join(file.parentPath, file.name)))
    .filter((path) => path !== "service_worker.js");
  const kept = await page.evaluate(async () => {
    const found = [];
    for (const name of await caches.keys()) {
      for (const { url } of await (await caches.open(name)).keys()) found.push(url);
    }
    return found;
  });
  const missing = expected.filter((path) =>
    !kept.includes(site.url + (path === "index.html" ? "" : path))
  );
  assert.ok(expected.length > 30);
  assert.deepEqual(missing, []);
  await context.close();
});

test("a server whose service worker keeps nothing is not said to work offline", async (t) => {
  const site = await serve(t, {
    handle(request, response) {
      if (!request.url.endsWith("/service_worker.js")) return false;
      response.setHeader("Content-Type", "text/javascript");
      response.end("");
      return true;
    },
  });
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(site.url);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.waitForSelector(".example");
  assert.equal(await page.locator("#offline").count(), 0);
  await context.close();
});

test("the policy forbids code from strings and from elsewhere", async (t) => {
  const site = await serve(t); // without headers: the page brings its own
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(site.url);
  const violated = await page.evaluate(async () => {
    const found = [];
    document.addEventListener("securitypolicyviolation", (event) => {
      found.push(event.effectiveDirective);
    });
    // Later, as what the test itself evaluates may make code.
    setTimeout(() => {
      try {
        new Function("");
      } catch { /* as it should be */ }
    });
    await fetch("http://127.0.0.1:9/").catch(() => {});
    const script = document.createElement("script");
    script.src = "https://example.org/x.js";
    document.head.append(script);
    await new Promise((resolve) => setTimeout(resolve, 200));
    return found.sort();
  });
  assert.deepEqual(violated, ["connect-src", "script-src", "script-src-elem"]);
  await context.close();
});

test("a new version announces itself, waits for a run, and comes when it is asked for", async (t) => {
  await cp(join(root, "dist"), folder, { recursive: true });
  const site = await serve(t, { folder, headers });
  const { context, page, problems } = await visit(site);
  assert.equal(await page.locator(".update").count(), 0);

  const change = async (file, from, to) => {
    const text = await readFile(join(folder, file), "utf8");
    assert.ok(text.includes(from), file);
    await writeFile(join(folder, file), text.replace(from, to));
  };
  await change("index.html", "<title>", '<meta name="version" content="2"><title>');
  const worker = await readFile(join(folder, "service_worker.js"), "utf8");
  const [, hash] = /"index\.html":"(\w+)"/.exec(worker);
  await change("service_worker.js", hash, "0000000000000000");
  await change("service_worker.js", 'SITE_VERSION = "', 'SITE_VERSION = "2');

  await page.evaluate(() => {
    globalThis.unreloaded = true;
    navigator.locks.request("eft-run-test", () => new Promise((end) => globalThis.endRun = end));
    return navigator.serviceWorker.getRegistration().then((each) => each.update());
  });
  const button = page.locator(".update button");
  await button.waitFor();
  await page.waitForFunction(() => document.querySelector(".update button").disabled);
  assert.match(await page.textContent(".update"), /when the run has ended/);
  await page.evaluate(() => globalThis.endRun());
  await page.waitForFunction(() => !document.querySelector(".update button").disabled);
  assert.equal(await page.evaluate(() => globalThis.unreloaded), true);
  assert.equal(await page.locator('meta[name="version"]').count(), 0);

  await button.click();
  await page.waitForSelector('meta[name="version"]', { state: "attached" });
  await page.waitForSelector("#offline");
  assert.equal(await page.locator(".update").count(), 0);
  assert.equal(await page.evaluate(() => globalThis.unreloaded), undefined);
  assert.deepEqual(problems, []);
  await context.close();
});
