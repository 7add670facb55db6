// Forward passes against transformers: every kind of weight file and of model that loads today.

import assert from "node:assert/strict";
import { testDevice } from "../device.ts";
import { distance, logitsOf, openModel, readExpected } from "./logits.ts";

const golden = "tests/golden";
const sanitize = { sanitizeOps: false, sanitizeResources: false };

/** What weights of a folder are held as on a device; everything else is f32. */
async function heldDtype(folder: string): Promise<string> {
  const { limits } = await testDevice();
  if (folder.includes("bf16")) return "bf16";
  return folder.includes("f16") && limits.f16 ? "f16" : "f32";
}

for (const { name } of [...Deno.readDirSync(golden)].sort((a, b) => (a.name < b.name ? -1 : 1))) {
  if (!name.startsWith("forward-")) continue;
  Deno.test(`logits equal those of transformers: ${name}`, sanitize, async () => {
    const folder = `${golden}/${name}`;
    const opened = await openModel(folder);
    try {
      const { rows, logits } = await readExpected(`${folder}/expected.safetensors`);
      const found = await logitsOf(opened, rows);
      const held = await heldDtype(name);
      assert.equal(opened.model.blocks[0].query.weight.dtype, held);
      assert.equal(opened.model.blocks[0].attentionNorm.dtype, "f32");
      const worst = distance(found, logits);
      console.log(`${name}: largest difference ${worst.toExponential(2)}, weights held as ${held}`);
      assert.ok(worst < 1e-4, `logits differ by ${worst}`);
    } finally {
      opened.memory.destroy();
    }
  });
}
