// What several page tests do or look at as a person would: accessibility, width, stored files.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { root } from "../../scripts/setup.mjs";

const axePath = createRequire(import.meta.url).resolve("axe-core");

/** What axe-core calls serious or critical, one line each. */
export async function seriousProblems(page) {
  await page.evaluate(readFileSync(axePath, "utf8"));
  return await page.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document);
    return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
  });
}

/** Options of a test that takes pictures. */
export const photographs = {
  skip: !process.env.EFT_SCREENSHOTS && "taken with EFT_SCREENSHOTS=1",
};

/**
 * Keeps pictures of a room in docs/screenshots: light, dark, phone. `prepare` brings the page into
 * the state to show. Tests take them only when `photographs` says so.
 */
export async function photograph(browser, url, room, prepare) {
  for (
    const [suffix, width, height, colorScheme] of [
      ["", 1280, 720, "light"],
      ["-dark", 1280, 720, "dark"],
      ["-phone", 360, 720, "light"],
    ]
  ) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme });
    const page = await context.newPage();
    await page.goto(`${url}#/${room}`);
    await prepare(page);
    await page.screenshot({ path: join(root, `docs/screenshots/${room}${suffix}.png`) });
    await context.close();
  }
}

/**
 * Replaces what the editor of the room Config holds. Playwright's `fill` would make Chromium put inline
 * styles into it, which the page's policy refuses.
 */
export async function typeConfig(page, whole) {
  await page.click(".cm-content");
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText(whole);
}

/** By how many pixels the page is wider than its window. */
export function overflow(page) {
  return page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
}

/** Writes a text into the private file system. */
export function writePrivate(page, path, text) {
  return page.evaluate(async ([path, text]) => {
    let folder = await navigator.storage.getDirectory();
    const parts = path.split("/");
    for (const part of parts.slice(0, -1)) {
      folder = await folder.getDirectoryHandle(part, { create: true });
    }
    const file = await folder.getFileHandle(parts.at(-1), { create: true });
    const stream = await file.createWritable();
    await stream.write(text);
    await stream.close();
  }, [path, text]);
}

/** Removes a file or folder of the private file system. */
export function removePrivate(page, name) {
  return page.evaluate(async (name) => {
    const folder = await navigator.storage.getDirectory();
    await folder.removeEntry(name, { recursive: true }).catch(() => {});
  }, name);
}

/** All files of the private file system: path to size. */
export function privateFiles(page) {
  return page.evaluate(async () => {
    const found = {};
    const walk = async (folder, prefix) => {
      for await (const [name, handle] of folder.entries()) {
        if (handle.kind === "directory") await walk(handle, `${prefix}${name}/`);
        else found[prefix + name] = (await handle.getFile()).size;
      }
    };
    await walk(await navigator.storage.getDirectory(), "");
    return found;
  });
}

/** What the page keeps with idb-keyval. */
export function kept(page, key) {
  return page.evaluate((key) =>
    new Promise((resolve, reject) => {
      const opening = indexedDB.open("keyval-store");
      opening.onerror = () => reject(opening.error);
      opening.onsuccess = () => {
        const reading = opening.result.transaction("keyval").objectStore("keyval").get(key);
        reading.onsuccess = () => {
          opening.result.close();
          resolve(reading.result);
        };
      };
    }), key);
}

/** Replaces what the page keeps; it must be reloaded to see that. */
export function keep(page, values) {
  return page.evaluate((values) =>
    new Promise((resolve, reject) => {
      const opening = indexedDB.open("keyval-store");
      opening.onerror = () => reject(opening.error);
      opening.onsuccess = () => {
        const writing = opening.result.transaction("keyval", "readwrite");
        for (const [key, value] of Object.entries(values)) {
          writing.objectStore("keyval").put(value, key);
        }
        writing.oncomplete = () => {
          opening.result.close();
          resolve();
        };
      };
    }), values);
}
