// Quantizing and unpacking give the same bits on every engine: this machine's adapter, which
// tests/quant compares with bitsandbytes, and SwiftShader in Deno with wgpu and Dawn, and in Chromium.

import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";
import { launchBrowser, serveSources } from "../page/harness.mjs";
import { root } from "../../scripts/setup.mjs";
import { denoOnSwiftshader, runDeno } from "./swiftshader.mjs";

const script = "tests/parity/quantized_bits.ts";
const files = ["bitsandbytes", "unpacking"].map((name) => `tests/golden/quant/${name}.safetensors`);

async function inDeno(run, engine) {
  const output = await run(["run", "-q", "-A", "--no-check", script, "--engine", engine]);
  return JSON.parse(output.trim().split("\n").at(-1));
}

async function inChromium() {
  const server = await serveSources();
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    await page.goto(`${server.url}files.json`);
    return await page.evaluate(async ({ at, script, files }) => {
      const { browserHost } = await import(`${at}src/host/browser.ts`);
      const { quantizedBits } = await import(`${at}${script}`);
      const host = await browserHost(location.origin + "/");
      for (const file of files) host.mount([[file, await (await fetch(at + file)).blob()]]);
      return await quantizedBits(host);
    }, { at: `/@fs${join(root, "/")}`, script, files });
  } finally {
    await browser.close();
    await server.close();
  }
}

let expected;
before(async () => {
  expected = await inDeno(runDeno, "wgpu");
  const names = Object.keys(expected.digests);
  assert.ok(names.length > 40, `${names.length} digests`);
  assert.ok(
    new Set(Object.values(expected.digests)).size > 30,
    "different weights, different bits",
  );
});

for (
  const [name, run] of [
    ["Deno with wgpu", () => inDeno(denoOnSwiftshader, "wgpu")],
    ["Deno with Dawn", () => inDeno(denoOnSwiftshader, "dawn")],
    ["Chromium", inChromium],
  ]
) {
  test(`${name} on SwiftShader quantizes and unpacks to the same bits`, async (context) => {
    const { adapter, digests } = await run();
    assert.match(adapter, /swiftshader/i);
    context.diagnostic(`${Object.keys(digests).length} as on ${expected.adapter}`);
    assert.deepEqual(digests, expected.digests);
  });
}
