// A run of the tiny model trained in an open page, as its tests need one: runs/ID with a record, its
// events and its result.

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

/** Trains `config` (a file of the site) in the page; resolves to the run's last event. */
export async function trainInPage(page, id, { config = "examples/tiny/lora.yml", ...keys } = {}) {
  const overrides = Object.entries({ ...quick, ...keys, output_dir: `runs/${id}/output` })
    .map(([key, value]) => ({ key, value: String(value) }));
  return await page.evaluate(async ({ id, config, overrides }) => {
    const configText = await (await fetch(config)).text();
    const started = new Date().toISOString();
    const events = [];
    const end = await globalThis.eft.ask(
      "train.start",
      { configText, configName: config, overrides },
      { onReport: (event) => events.push(event) },
    );
    const root = await navigator.storage.getDirectory();
    const runs = await root.getDirectoryHandle("runs", { create: true });
    const folder = await runs.getDirectoryHandle(id, { create: true });
    const write = async (name, text) => {
      const stream = await (await folder.getFileHandle(name, { create: true })).createWritable();
      await stream.write(text);
      await stream.close();
    };
    const record = {
      id,
      name: config,
      started,
      state: "finished",
      step: end.steps,
      steps: end.steps,
    };
    await write("run.json", JSON.stringify(record));
    await write("config.yml", configText);
    await write("events.jsonl", events.map((event) => JSON.stringify(event) + "\n").join(""));
    return end;
  }, { id, config, overrides });
}

/** Problems that axe-core calls serious or critical. */
export async function seriousProblems(page, axePath) {
  await page.addScriptTag({ path: axePath });
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ").slice(0, 500)}`);
}

/** Whether the page is wider than its window. */
export async function overflow(page) {
  return await page.evaluate(() =>
    document.documentElement.scrollWidth - document.documentElement.clientWidth
  );
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

/** With EFT_SCREENSHOTS=1, keeps what the page shows under docs/. */
export async function shoot(page, name) {
  if (env.EFT_SCREENSHOTS !== "1") return;
  const path = join(root, "docs/screenshots", `${name}.png`);
  await mkdir(join(root, "docs/screenshots"), { recursive: true });
  await page.screenshot({ path });
}
