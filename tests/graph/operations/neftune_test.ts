// NEFTune's noise and the clearing of rows against their twins, in odd shapes.

import assert from "node:assert/strict";
import { tensor } from "../../../src/graph/graph.ts";
import { clearRows } from "../../../src/graph/operations/clear_rows.ts";
import { neftune } from "../../../src/graph/operations/neftune.ts";
import * as twin from "../../reference/neftune.ts";
import { runGraph } from "../../device.ts";
import { check, deviceTest, Source, stepInput } from "./check.ts";

for (const [rows, width] of [[1, 1], [7, 3], [5, 64]]) {
  deviceTest(`neftune on ${rows} x ${width}`, async () => {
    const source = new Source(rows);
    const size = 5 / Math.sqrt(rows * width);
    const step = stepInput({ microStep: 3, seed: 2 ** 33 + 7 });
    await check("neftune", {
      inputs: [source.activation([rows, width]), step],
      build: (graph, inputs) => [graph.call(neftune, inputs, { size })],
      twin: (inputs) => twin.neftune(inputs, { size }),
      tolerance: 2 ** -23,
      gradientTolerance: 1e-6,
    });
  });
}

deviceTest("neftune's noise is uniform, and another one in each micro step", async () => {
  const x = tensor("x", [1024, 64], "f32", "input");
  const noises = await Promise.all([0, 1].map(async (microStep) => {
    const step = stepInput({ microStep, seed: 1 });
    const values = new Map([[x, new Float32Array(2 ** 16)], [step.tensor, step.bits]]);
    const [y] = await runGraph(
      values,
      (graph) => [graph.call(neftune, [x, step.tensor], { size: 0.5 })],
    );
    return y;
  }));
  for (const noise of noises) {
    const mean = noise.reduce((sum, v) => sum + v, 0) / noise.length;
    const square = noise.reduce((sum, v) => sum + v * v, 0) / noise.length;
    assert.ok(Math.abs(mean) < 0.005 && Math.abs(square - 0.25 / 3) < 0.002, `${mean} ${square}`);
    assert.ok(noise.every((v) => v >= -0.5 && v < 0.5));
  }
  assert.notDeepEqual(noises[0], noises[1]);
});

deviceTest("rows are cleared, in several bindings too", async () => {
  const into = tensor("gradient", [200, 16], "f32", "gradient");
  const values = new Map([[into, new Float32Array(3200).fill(1)]]);
  for (const maxBinding of [2 ** 20, 4096]) {
    const [found] = await runGraph(values, (graph) => {
      graph.add(clearRows, [], { into, ranges: [[0, 3], [60, 130], [199, 200]] });
      return [into];
    }, { maxBinding });
    found.forEach((value, i) => {
      const row = Math.floor(i / 16);
      const cleared = row < 3 || (row >= 60 && row < 130) || row === 199;
      assert.equal(value, cleared ? 0 : 1, `row ${row}`);
    });
  }
});
