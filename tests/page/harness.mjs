// Builds the site, serves it from a small server of its own, and opens it in Chromium with a
// software GPU, so that the page's tests need neither a network nor a graphics card.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { chromium } from "playwright-core";
import { build, createServer as createVite, loadConfigFromFile } from "vite";
import { findChromium, root } from "../../scripts/setup.mjs";

const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".webmanifest": "application/manifest+json",
  ".wasm": "application/wasm",
  ".yml": "text/plain; charset=utf-8",
};

const browserArguments = [
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Builds the site into dist/. */
export async function buildSite() {
  await build({ configFile: join(root, "vite.config.ts"), logLevel: "warn" });
}

/**
 * Serves a built site below `prefix`; resolves to its URL and a function that ends the server.
 * `headers` go with every file; `handle(request, response)` may answer first, and then says true.
 */
export async function serveSite(
  { folder = join(root, "dist"), prefix = "/", headers = {}, handle } = {},
) {
  const server = createServer(async (request, response) => {
    if (handle?.(request, response)) return;
    const { pathname } = new URL(request.url, "http://localhost");
    const inside = pathname.startsWith(prefix) ? pathname.slice(prefix.length) : "..";
    const path = normalize(decodeURIComponent(inside === "" ? "index.html" : inside));
    try {
      if (path.startsWith("..")) throw new Error("outside of the site");
      const content = await readFile(join(folder, path));
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      response.setHeader("Content-Type", types[extname(path)] ?? "application/octet-stream");
      response.end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () =>
    new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${server.address().port}${prefix}`, close };
}

/** The headers that `npm run preview` sends, the Content-Security-Policy among them. */
export async function previewHeaders() {
  const file = join(root, "vite.config.ts");
  const { config } = await loadConfigFromFile({ command: "build", mode: "production" }, file);
  return config.preview.headers;
}

/** Serves the sources, as `npm run dev` does; the result is as that of `serveSite`. */
export async function serveSources() {
  const server = await createVite({
    configFile: join(root, "vite.config.ts"),
    logLevel: "warn",
    server: { port: 0, host: "127.0.0.1" },
  });
  await server.listen();
  const { port } = server.httpServer.address();
  return { url: `http://127.0.0.1:${port}/`, close: () => server.close() };
}

/**
 * Starts Chromium; ending it is the caller's. By default it has a software GPU. With `profile`, a
 * folder, the result is one context that keeps its files on disk.
 */
export async function launchBrowser(wanted = browserArguments, profile) {
  const executablePath = findChromium();
  if (!executablePath) {
    throw new Error(
      "no Chromium was found. Install one (apt-get install -y chromium) or set CHROME_PATH",
    );
  }
  const isRoot = process.getuid?.() === 0; // Chromium's sandbox does not work for root
  const args = isRoot ? [...wanted, "--no-sandbox"] : wanted;
  const options = { executablePath, headless: true, args };
  return profile
    ? await chromium.launchPersistentContext(profile, options)
    : await chromium.launch(options);
}

/** Starts Chromium with a folder in which it keeps what pages store, and opens it again later. */
export function launchProfile(folder) {
  return launchBrowser(browserArguments, folder);
}

/** Makes `text` the page's configuration, as an earlier visit would have, and loads the page again. */
export async function useConfig(page, name, text) {
  await page.waitForFunction(() => globalThis.eft); // the page has made its database
  await page.evaluate(({ name, text }) =>
    new Promise((resolve, reject) => {
      const request = indexedDB.open("keyval-store");
      request.onerror = () => reject(request.error);
      request.onsuccess = () => {
        const change = request.result.transaction("keyval", "readwrite");
        change.objectStore("keyval").put(text, "config.text");
        change.objectStore("keyval").put(name, "config.name");
        change.oncomplete = resolve;
      };
    }), { name, text });
  await page.reload();
  await page.waitForFunction(() => globalThis.eft);
}

/** A growing list of what the console calls an error, uncaught exceptions, and answers >= 400. */
export function watchForProblems(page) {
  const problems = [];
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("response", (answer) => {
    if (answer.status() >= 400) problems.push(`${answer.status()} ${answer.url()}`);
  });
  return problems;
}

/** Builds, serves and opens the page, at `query` (such as "?config=..."). */
export async function openPage(query = "") {
  await buildSite();
  const site = await serveSite();
  const browser = await launchBrowser().catch(async (error) => {
    await site.close();
    throw error;
  });
  const page = await browser.newPage();
  const problems = watchForProblems(page);
  await page.goto(site.url + query);
  const close = async () => {
    await browser.close();
    await site.close();
  };
  return { page, problems, url: site.url, close };
}

/**
 * Throws when axe finds something serious in what the page shows now, in light or dark colours, or
 * when the page is wider than a phone of 360 pixels.
 */
export async function checkAccessibility(page) {
  const size = page.viewportSize();
  const source = await readFile(join(root, "node_modules/axe-core/axe.min.js"), "utf8");
  await page.evaluate(source);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" }); // nothing is half faded in
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    const serious = violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${id}: ${help}: ${html}`));
    if (serious.length > 0) throw new Error(`${colorScheme}: ${serious.join("\n")}`);
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
  await page.setViewportSize({ width: 360, height: 740 });
  const width = await page.evaluate(async () => {
    for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame); // drawings follow
    return document.documentElement.scrollWidth;
  });
  await page.setViewportSize(size);
  if (width > 360) throw new Error(`the page is ${width} pixels wide on a screen of 360`);
}
