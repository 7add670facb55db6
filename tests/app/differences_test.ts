import assert from "node:assert/strict";
import { differences } from "../../src/app/rooms/runs/differences.ts";

Deno.test("only keys that differ, by their path, missing ones included", () => {
  const first = { lora_r: 8, datasets: [{ path: "a", type: "alpaca" }], plugins: [], seed: 1 };
  const second = { seed: 1, lora_r: 16, datasets: [{ path: "b", type: "alpaca" }], epochs: null };
  assert.deepEqual(differences([first, second]), [
    { key: "lora_r", values: [8, 16] },
    { key: "datasets.0.path", values: ["a", "b"] },
    { key: "plugins", values: ["[]", undefined] },
    { key: "epochs", values: [undefined, null] },
  ]);
  assert.deepEqual(differences([first, structuredClone(first), first]), []);
});
