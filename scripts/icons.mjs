// Draws the PNG icons of public/ from icon.svg, with Chromium. Run it after a change of the drawing:
//   node scripts/icons.mjs

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { findChromium, root } from "./setup.mjs";

const drawing = readFileSync(join(root, "public/icon.svg"), "utf8");
// A system cuts a maskable icon to its own shape: the drawing keeps to the middle, colour fills all.
const filled = drawing.replace('rx="14"', "").replace(
  'viewBox="0 0 64 64"',
  'viewBox="-8 -8 80 80"',
)
  .replace('<rect width="64" height="64"', '<rect x="-8" y="-8" width="80" height="80"');

const browser = await chromium.launch({
  executablePath: findChromium(),
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
});
const page = await browser.newPage();
for (
  const [name, size, svg] of [
    ["icon-192.png", 192, drawing],
    ["icon-512.png", 512, drawing],
    ["icon-maskable-512.png", 512, filled],
  ]
) {
  await page.setViewportSize({ width: size, height: size });
  await page.setContent(`<style>body{margin:0}svg{display:block;width:100vw}</style>${svg}`);
  await page.screenshot({ path: join(root, "public", name), omitBackground: true });
}
await browser.close();
