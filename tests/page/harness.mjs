// Builds the site, serves it from a small server of its own, and opens it in Chromium with a
// software GPU, so that the page's tests need neither a network nor a graphics card.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { chromium } from "playwright-core";
import { build, createServer as createVite } from "vite";
import { findChromium, root } from "../../scripts/setup.mjs";

const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".svg": "image/svg+xml",
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

/** Serves dist/; resolves to the site's URL and a function that ends the server. */
export async function serveSite() {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const path = normalize(decodeURIComponent(pathname === "/" ? "/index.html" : pathname));
    try {
      const content = await readFile(join(root, "dist", path));
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
  return { url: `http://127.0.0.1:${server.address().port}/`, close };
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

/** Starts Chromium; ending it is the caller's. */
export async function launchBrowser() {
  return await chromium.launch(launchOptions());
}

/** Starts Chromium with a folder in which it keeps what pages store, and opens it again later. */
export async function launchProfile(folder) {
  return await chromium.launchPersistentContext(folder, launchOptions());
}

function launchOptions() {
  const executablePath = findChromium();
  if (!executablePath) {
    throw new Error(
      "no Chromium was found. Install one (apt-get install -y chromium) or set CHROME_PATH",
    );
  }
  const isRoot = process.getuid?.() === 0; // Chromium's sandbox does not work for root
  const args = isRoot ? [...browserArguments, "--no-sandbox"] : browserArguments;
  return { executablePath, headless: true, args };
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
