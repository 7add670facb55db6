// A person writes a configuration: in the form, in the YAML, from files, examples and links.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { root } from "../../scripts/setup.mjs";
import { openPage } from "./harness.mjs";
import { overflow, seriousProblems, typeConfig } from "./person.mjs";

let site, page;
before(async () => {
  site = await openPage("#/config");
  ({ page } = site);
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.waitForSelector(".cm-content");
});
after(() => site?.close());

/** The whole text, also what the editor has not drawn. */
async function text() {
  return await page.locator(".cm-content").evaluate((content) => {
    return content.cmTile?.view?.state.doc.toString() ?? content.cmView.view.state.doc.toString();
  });
}
const write = (whole) => typeConfig(page, whole);
/** Waits until the text is, or matches, this: a change of the form reaches it a moment later. */
async function becomes(expected) {
  const fits = (now) => typeof expected === "string" ? now === expected : expected.test(now);
  let now = await text();
  for (let i = 0; i < 50 && !fits(now); i++) {
    await page.waitForTimeout(100);
    now = await text();
  }
  assert.ok(fits(now), `${expected} is not what the editor holds:\n${now}`);
}
/** Waits for the engine's word on what is written now. */
async function counted(pattern) {
  await page.waitForFunction(
    (source) => new RegExp(source).test(document.getElementById("findings-count")?.textContent),
    pattern,
    { timeout: 30_000 },
  );
}

async function drop(files, target = ".config .drop") {
  const transfer = await page.evaluateHandle((files) => {
    const transfer = new DataTransfer();
    for (const [name, content] of files) {
      transfer.items.add(new File([new Uint8Array(content)], name));
    }
    return transfer;
  }, files.map(([name, content]) => [name, [...Buffer.from(content)]]));
  await page.dispatchEvent(target, "drop", { dataTransfer: transfer });
}

const start = `# kept
base_model: public/models/eft-tiny # a comment that stays
datasets:
  - path: public/data/town.jsonl
    type: alpaca
learning_rate: 3e-3
sequence_len: 64
`;

test("the example is shown in both, without a problem", async () => {
  await counted("No problems");
  assert.match(await text(), /^# Teaches eft-tiny/);
  assert.equal(await page.inputValue("#field-lora_r"), "8");
  assert.equal(await page.inputValue("#field-method"), "lora");
  assert.ok(await page.isChecked("#field-sample_packing"));
});

test("text to form and form to text, with comments kept", async () => {
  await write(start);
  await page.waitForFunction(() => document.getElementById("field-method").value === "full");
  assert.equal(await page.inputValue("#field-sequence_len"), "64");
  assert.equal(await page.locator("#field-lora_r").count(), 0, "no adapter, no rank");
  await page.fill("#field-sequence_len", "48");
  await page.press("#field-sequence_len", "Enter");
  await becomes(start.replace("sequence_len: 64", "sequence_len: 48"));
  await page.selectOption("#field-method", "qlora");
  await page.waitForSelector("#field-lora_r");
  await becomes(/a comment that stays[^]*adapter: qlora\nload_in_4bit: true\nlora_r: 16\n/);
  await page.check("#field-gradient_checkpointing");
  await page.selectOption("#field-optimizer", "adamw_bnb_8bit");
  await becomes(/gradient_checkpointing: true\noptimizer: adamw_bnb_8bit\n$/);
});

test("undo goes back over changes of the form and of the text", async () => {
  await page.click(".cm-content");
  for (let i = 0; i < 12 && await text() !== start; i++) await page.keyboard.press("Control+z");
  assert.equal(await text(), start);
  await page.waitForFunction(() => document.getElementById("field-method").value === "full");
  await page.keyboard.press("Control+y");
  await page.waitForFunction(() => document.getElementById("field-sequence_len").value === "48");
  await page.keyboard.press("Control+z");
});

test("keys and values complete", async () => {
  await page.keyboard.press("Control+End");
  await page.keyboard.type("lr_sch", { delay: 20 });
  const list = page.locator(".cm-tooltip-autocomplete");
  await list.locator("li[aria-selected]", { hasText: "lr_scheduler" }).waitFor();
  await page.waitForTimeout(150); // a list that has just appeared does not take Enter yet
  await page.keyboard.press("Enter");
  await list.getByText("constant_with_warmup", { exact: true }).waitFor();
  await page.keyboard.type("lin", { delay: 20 });
  await list.locator("li[aria-selected]", { hasText: "linear" }).waitFor();
  await page.waitForTimeout(150);
  await page.keyboard.press("Enter");
  assert.match(await text(), /lr_scheduler: linear$/);
  await page.waitForFunction(() =>
    document.getElementById("field-lr_scheduler").value === "linear"
  );
});

test("a key explains itself under the pointer", async () => {
  await page.locator(".cm-line", { hasText: "learning_rate" }).locator("span").first().hover();
  const tip = page.locator(".cm-tooltip-hover .explain");
  await tip.waitFor();
  assert.match(await tip.innerText(), /learning_rate[^]*highest learning rate of the schedule/);
  await page.mouse.move(5, 5);
});

test("every problem stands at its line, and what was meant is one click away", async () => {
  await write(`${start}lora_rr: 8\nmicro_batch_size: none\nflash_attention: true\n`);
  await counted("2 problems, 1 note");
  const items = await page.locator(".findings li").allInnerTexts();
  assert.match(items[0], /Line 8\s+unknown key lora_rr; did you mean lora_r/);
  assert.match(items.find((item) => /flash_attention/.test(item)), /Line 10\s+.*no effect/);
  assert.equal(await page.locator(".cm-lint-marker-error").count(), 2);
  assert.equal(await page.locator(".cm-lint-marker-info").count(), 1);
  const marked = await page.locator(".cm-lintRange-error").allInnerTexts();
  assert.deepEqual(marked, ["lora_rr", "none"]);
  assert.match(await page.locator("#help-micro_batch_size").innerText(), /whole number/);
  await page.locator(".cm-lintRange-error").first().hover();
  await page.locator(".cm-diagnosticAction", { hasText: "Change to lora_r" }).click();
  await counted("1 problem");
  assert.match(await text(), /\nlora_r: 8\n/);
  await page.mouse.move(5, 5);
  await page.locator(".findings li.error button").click();
  await page.locator(".cm-activeLine", { hasText: /^micro_batch_size: none$/ }).waitFor();
});

test("YAML with a mistake puts the form to rest", async () => {
  await write("base_model: [a\nlearning_rate: 1\n");
  await page.getByText("so the form waits until it is mended").waitFor();
  assert.ok(await page.isDisabled("#field-seed"));
  assert.equal(await page.inputValue("#field-sequence_len"), "64", "what it said last stays");
  await counted("1 problem");
  await write(start);
  await page.waitForFunction(() => !document.getElementById("field-seed").disabled);
});

test("Tab indents; Escape, then Tab, leaves the editor", async () => {
  await page.click(".cm-content");
  await page.keyboard.press("Control+End");
  await page.keyboard.press("Tab");
  const inside = () => page.evaluate(() => document.activeElement.className);
  assert.equal(await inside(), "editor");
  assert.match(await text(), /64\n {2}$/);
  await page.keyboard.press("Escape");
  await page.keyboard.press("Tab");
  assert.notEqual(await inside(), "editor");
  await write(start);
});

test("what is saved is what is written", async () => {
  await page.evaluate(() => {
    globalThis.showSaveFilePicker = ({ suggestedName }) => {
      const stream = {
        write: (content) => Promise.resolve(globalThis.saved = [suggestedName, content]),
        close: () => Promise.resolve(),
      };
      const name = "mine.yml";
      return Promise.resolve({ name, createWritable: () => Promise.resolve(stream) });
    };
  });
  await page.getByText("unsaved changes").waitFor();
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByText("Saved as mine.yml.").waitFor();
  assert.deepEqual(await page.evaluate(() => globalThis.saved), ["lora.yml", start]);
  assert.equal(await page.getByText("unsaved changes").count(), 0);
  // Without the file system's own dialog it is a download.
  await page.evaluate(() =>
    Reflect.deleteProperty(globalThis, "showSaveFilePicker") &&
    Reflect.deleteProperty(Window.prototype, "showSaveFilePicker")
  );
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Save", exact: true }).click(),
  ]);
  assert.equal(download.suggestedFilename(), "mine.yml");
});

test("a dropped file opens; one that would replace unsaved work is asked about", async () => {
  const mine = "base_model: m\nlearning_rate: 0.5 # mine\n";
  await drop([["dropped.yml", mine]]);
  await page.getByText("Opened dropped.yml.").waitFor();
  assert.equal(await text(), mine);
  assert.equal(await page.textContent("#config-name"), "dropped.yml");
  await page.fill("#field-learning_rate", "0.25");
  await page.press("#field-learning_rate", "Enter");
  await page.getByText("unsaved changes").waitFor();
  await drop([["other.yml", start]]);
  await page.getByRole("button", { name: "Keep mine" }).click();
  assert.match(await text(), /0.25 # mine/);
  await drop([["other.yml", start]]);
  await page.getByRole("button", { name: "Replace" }).click();
  await page.getByText("Opened other.yml.").waitFor();
  assert.equal(await text(), start);
});

test("what is no configuration gets one sentence and changes nothing", async () => {
  const bad = [
    ["photo.png", Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 255, 254]), /photo\.png is not text/],
    ["data.yml", "a: 1\n".repeat(100_000), /data\.yml is larger/],
    ["c.json", '{"base_model": "x"}', /c\.json is JSON/],
    ["list.yml", "- a\n- b\n", /list\.yml is a YAML list/],
    ["letter.yml", "Dear reader, nothing here.\n", /letter\.yml is not a configuration/],
    ["empty.yml", "", /empty\.yml is empty/],
  ];
  for (const [name, content, expected] of bad) {
    await drop([[name, content]]);
    const notice = page.locator(".config > .notice.error", { hasText: name });
    await notice.waitFor();
    assert.match(await notice.innerText(), expected);
  }
  await drop([["a.yml", start], ["b.yml", start]]);
  await page.getByText("Drop one configuration at a time.").waitFor();
  for (const target of [".cm-content", "#config-form"]) {
    await drop([["list.yml", "- a\n"]], target);
    await page.locator(".config > .notice.error", { hasText: "list.yml is a YAML list" }).waitFor();
    await drop([["a.yml", start], ["b.yml", start]], target);
    await page.getByText("Drop one configuration at a time.").waitFor();
  }
  assert.equal(await text(), start);
});

test("an example says what it is and opens", async () => {
  await page.click(".examples summary");
  const card = page.locator(".examples li", { hasText: "tiny/qlora.yml" });
  assert.match(await card.innerText(), /QLoRA: the same town/i);
  await card.getByRole("button").click();
  await page.getByText("Opened examples/tiny/qlora.yml.").waitFor();
  await page.waitForFunction(() => document.getElementById("field-method").value === "qlora");
});

test("a link carries the configuration into a fresh page", async () => {
  const link = await (async () => {
    await page.getByRole("button", { name: "Copy link" }).click();
    await page.waitForSelector("#link");
    return await page.inputValue("#link");
  })();
  const whole = await text();
  const context = await page.context().browser().newContext();
  const fresh = await context.newPage();
  const problems = [];
  fresh.on("pageerror", (error) => problems.push(String(error)));
  await fresh.goto(link);
  await fresh.getByText("Opened examples/tiny/qlora.yml.").waitFor();
  await fresh.waitForSelector(".cm-content");
  assert.equal(await fresh.inputValue("#field-method"), "qlora");
  assert.match(await fresh.locator(".cm-content").innerText(), /QLoRA: the same town/);
  assert.ok(!fresh.url().includes(link.split("/").at(-1)), "the address is the room's again");
  await fresh.goto(link.slice(0, -30));
  await fresh.getByText("This link is damaged or cut off").waitFor();
  assert.deepEqual(problems, []);
  await context.close();
  // Here it meets work that is not saved.
  await write(`${whole}# mine\n`);
  await page.getByText("unsaved changes").waitFor();
  await page.evaluate((link) => location.href = link, link);
  await page.getByRole("button", { name: "Keep mine" }).click();
  assert.equal(await text(), `${whole}# mine\n`);
  await page.evaluate((link) => location.href = link, link);
  await page.getByRole("button", { name: "Replace" }).click();
  await page.waitForFunction(() => !document.querySelector("dialog[open]"));
  assert.equal(await text(), whole);
});

test("the configuration is there after a reload, and undo survives another room", async () => {
  await page.fill("#field-seed", "7");
  await page.press("#field-seed", "Enter");
  await becomes(/seed: 7/);
  await page.click("nav >> text=Start");
  await page.waitForSelector("#adapter");
  await page.click("nav >> text=Config");
  await page.waitForSelector(".cm-content");
  assert.match(await text(), /seed: 7/);
  await page.click(".cm-content");
  await page.keyboard.press("Control+z");
  assert.match(await text(), /seed: 42/);
  await page.reload();
  await page.waitForSelector(".cm-content");
  assert.match(await text(), /QLoRA[^]*seed: 42/);
});

test("axe finds nothing serious; a phone shows it without scrolling sideways", async () => {
  for (const [colorScheme, width] of [["light", 1280], ["dark", 1280], ["light", 360]]) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 800 });
    await page.waitForSelector(".savings");
    assert.deepEqual(await seriousProblems(page), [], `${colorScheme} ${width}`);
    assert.equal(await overflow(page), 0);
    if (process.env.EFT_SCREENSHOTS) {
      const name = width < 500 ? "config-phone" : colorScheme === "dark" ? "config-dark" : "config";
      mkdirSync(join(root, "docs/screenshots"), { recursive: true });
      await page.screenshot({ path: join(root, `docs/screenshots/${name}.png`) });
    }
  }
});

test("the console shows no error", () => {
  assert.deepEqual(site.problems, []);
});
