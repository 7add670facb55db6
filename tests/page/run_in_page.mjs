// A run of the tiny model trained in an open page, as its tests need one, and what it leaves.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { env } from "node:process";
import { root } from "../../scripts/setup.mjs";

/** The keys that make the embedded example quick. */
export const quick = {
  sequence_len: 64,
  micro_batch_size: 1,
  sample_packing: false,
  max_steps: 8,
  warmup_steps: 0,
  learning_rate: 2e-2,
  logging_steps: 1,
};

/** Trains `config` (a file of the site) in the page; resolves to the run's id. */
export async function trainInPage(page, { config = "examples/tiny/lora.yml", ...keys } = {}) {
  const overrides = Object.entries({ ...quick, ...keys })
    .map(([key, value]) => ({ key, value: String(value) }));
  return await page.evaluate(async ({ config, overrides }) => {
    const configText = await (await fetch(config)).text();
    const start = { configText, configName: config, overrides };
    const { output_dir } = await globalThis.eft.ask("train.start", start);
    return output_dir.split("/")[1]; // runs/ID/output
  }, { config, overrides });
}

/** Copies the result of a run out of the page into a folder below `parent`, whose path it gives. */
export async function copyResult(page, id, parent) {
  const folder = join(parent, id);
  await mkdir(folder, { recursive: true });
  for (const [name, bytes] of Object.entries(await readResult(page, id))) {
    await writeFile(join(folder, name), bytes);
  }
  return folder;
}

/** The files of a result by their names. */
export async function readResult(page, id) {
  const files = await page.evaluate(async (path) => {
    const found = {};
    for (const { name } of await globalThis.eft.ask("train.list", { path })) {
      const { bytes } = await globalThis.eft.ask("train.file", { path: `${path}/${name}` });
      found[name] = bytes.toBase64();
    }
    return found;
  }, `runs/${id}/output`);
  return Object.fromEntries(
    Object.entries(files).map(([name, text]) => [name, Buffer.from(text, "base64")]),
  );
}

/** With EFT_SCREENSHOTS=1, keeps pictures of what the page shows: light, dark, and on a phone. */
export async function shoot(page, name) {
  if (env.EFT_SCREENSHOTS !== "1") return;
  const size = page.viewportSize();
  const take = async (suffix) => {
    await page.evaluate(() => scrollTo(0, 0));
    await page.waitForTimeout(200); // charts follow the colours and the width
    await page.screenshot({ path: join(root, `docs/screenshots/${name}${suffix}.png`) });
  };
  await page.emulateMedia({ colorScheme: "light" });
  await take("");
  await page.emulateMedia({ colorScheme: "dark" });
  await take("-dark");
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 360, height: 740 });
  await take("-phone");
  await page.setViewportSize(size);
  await page.emulateMedia({ colorScheme: null });
}
