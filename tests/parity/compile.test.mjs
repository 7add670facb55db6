// Every kernel compiles on naga (Deno's own engine) and on Tint (Chrome's, through Dawn), also the
// variants for real GPUs that no run on a software adapter would use.

import assert from "node:assert/strict";
import { test } from "node:test";
import { denoOnSwiftshader, runDeno } from "./swiftshader.mjs";

for (const engine of ["wgpu", "dawn"]) {
  test(`${engine} compiles the kernels for a CPU adapter and for a GPU`, async (context) => {
    const script = "tests/parity/compile.ts";
    const output = await denoOnSwiftshader(["run", "-q", "-A", script, "--engine", engine]);
    const { adapter, count, failures, control } = JSON.parse(output.trim().split("\n").at(-1));
    assert.match(adapter, /swiftshader/i);
    assert.deepEqual(failures, []);
    assert.ok(count > 100, `only ${count} kernels`);
    // The engine does complain about what is wrong; uniformity is Tint's alone to judge.
    assert.equal(control.types, true);
    if (engine === "dawn") assert.equal(control.uniformity, true);
    context.diagnostic(`${count} kernels`);
  });
}

for (const engine of ["wgpu", "dawn"]) {
  test(`${engine} compiles the kernels for activations in f16`, async (context) => {
    const output = await runDeno([
      "run",
      "-q",
      "-A",
      "tests/parity/compile.ts",
      "--half",
      "--engine",
      engine,
    ]);
    const { f16, count, halves, failures, control } = JSON.parse(output.trim().split("\n").at(-1));
    if (!f16 && engine === "wgpu") return context.skip("no adapter here has shader-f16");
    assert.deepEqual(failures, []);
    assert.ok(halves > 100 && halves < count, `${halves} of ${count} kernels use f16`);
    assert.equal(control.types, true);
    if (engine === "dawn") assert.equal(control.uniformity, true);
    context.diagnostic(`${halves} of ${count} kernels`);
  });
}
