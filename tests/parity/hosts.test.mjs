// The same run ends in the same bytes in Deno with wgpu, in Deno with Dawn, and in Chromium: every
// logged number and the file of weights. A difference is a bug in a kernel or in a host.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openPage } from "../page/harness.mjs";
import { root } from "../../scripts/setup.mjs";
import { denoOnSwiftshader } from "./swiftshader.mjs";

let folder, site;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "eft-parity-"));
  site = await openPage();
});
after(async () => {
  await site?.close();
  if (folder) await rm(folder, { recursive: true });
});

const configuration = (name) => `tests/parity/${name}.yml`;

/** What a run leaves, as far as it must not depend on the host. */
async function inDeno(engine, name, file) {
  const output = join(folder, `${engine}-${name}`);
  const args = ["run", "-q", "-P", "train.ts", configuration(name), "--json"];
  const lines = await denoOnSwiftshader([...args, "--engine", engine, "--output_dir", output]);
  const end = JSON.parse(lines.trim().split("\n").at(-1));
  const bytes = await readFile(join(output, file));
  return {
    adapter: end.adapter,
    weights: createHash("sha256").update(bytes).digest("hex"),
    log: logOf(await readFile(join(output, "trainer_state.json"), "utf8")),
  };
}

async function inChromium(name, file) {
  const configName = configuration(name);
  const configText = await readFile(join(root, configName), "utf8");
  const { end, weights, state } = await site.page.evaluate(async ({ file, ...request }) => {
    const { eft } = globalThis;
    const end = await eft.ask("train.start", { ...request, overrides: [] });
    const result = (name) => eft.ask("train.file", { path: `${end.output_dir}/${name}` });
    const state = new TextDecoder().decode((await result("trainer_state.json")).bytes);
    return { end, weights: (await result(file)).sha256, state };
  }, { configName, configText, file });
  return { adapter: end.adapter, weights, log: logOf(state) };
}

/** The log without times: its last entry, and those of evaluations. JSON keeps every bit of a number. */
function logOf(state) {
  const isTime = ([key]) => /_runtime$|_per_second$/.test(key);
  return JSON.parse(state).log_history.slice(0, -1).map((entry) =>
    Object.fromEntries(Object.entries(entry).filter((field) => !isTime(field)))
  );
}

function assertSame(found, expected, host) {
  assert.match(found.adapter, /swiftshader/i);
  expected.log.forEach((entry, i) => {
    assert.deepEqual(found.log[i], entry, `${host} differs from wgpu in entry ${i} of the log`);
  });
  assert.equal(found.log.length, expected.log.length);
  assert.equal(found.weights, expected.weights, `${host}: other weights than wgpu`);
}

for (
  const { title, name, file, steps } of [
    { title: "LoRA", name: "lora", file: "adapter_model.safetensors", steps: 50 },
    { title: "full fine-tuning", name: "full", file: "model.safetensors", steps: 10 },
  ]
) {
  test(`${title}: ${steps} steps are the same bits in wgpu, Dawn and Chromium`, async (context) => {
    const timed = async (host, run) => {
      const start = performance.now();
      const result = await run;
      const seconds = ((performance.now() - start) / 1000).toFixed(0);
      context.diagnostic(`${host}: ${seconds} s, weights ${result.weights.slice(0, 16)}`);
      return result;
    };
    const wgpu = await timed("Deno, wgpu", inDeno("wgpu", name, file));
    assert.match(wgpu.adapter, /swiftshader/i);
    const logged = wgpu.log.filter(({ loss, grad_norm }) => loss > 0 && grad_norm > 0);
    assert.equal(logged.length, steps);
    assertSame(await timed("Deno, Dawn", inDeno("dawn", name, file)), wgpu, "Dawn");
    assertSame(await timed("Chromium", inChromium(name, file)), wgpu, "Chromium");
  });
}

test("the console shows no error", () => {
  assert.deepEqual(site.problems, []);
});
