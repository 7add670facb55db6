// GPTQ's rounding: with independent inputs it is rounding to nearest; with correlated ones the outputs
// of the layer are nearer than those of rounding to nearest; the written tensors read back exactly.

import assert from "node:assert/strict";
import { roundWeight } from "../../src/quant/gptq.ts";
import { dequantizeGrouped, fromGptq } from "../../src/quant/grouped.ts";
import { gptqTensors } from "../../src/quant/make.ts";
import { Source } from "../graph/operations/check.ts";

const rows = 32;
const columns = 96;

/** Σ x·xᵀ of 400 inputs that share 20 hidden causes, and the inputs. */
function calibration(random: Source) {
  const causes = random.normal(20 * columns);
  const inputs = Array.from({ length: 400 }, () => {
    const strength = random.normal(20);
    const noise = random.normal(columns, 0.1);
    return noise.map((value, k) =>
      value + strength.reduce((sum, s, i) => sum + s * causes[i * columns + k], 0)
    );
  });
  const hessian = new Float64Array(columns * columns);
  for (const x of inputs) {
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j < columns; j++) hessian[i * columns + j] += x[i] * x[j];
    }
  }
  return { inputs, hessian };
}

for (const bits of [4, 8] as const) {
  Deno.test(`GPTQ rounds to ${bits} bits with less error in the outputs`, () => {
    const random = new Source(bits);
    const weight = random.normal(rows * columns, 0.05);
    const { inputs, hessian } = calibration(random);
    const outputError = (values: Float32Array) => {
      let sum = 0;
      for (const x of inputs) {
        for (let n = 0; n < rows; n++) {
          let difference = 0;
          for (let k = 0; k < columns; k++) {
            difference += (values[n * columns + k] - weight[n * columns + k]) * x[k];
          }
          sum += difference ** 2;
        }
      }
      return Math.sqrt(sum);
    };
    const grid = { bits, group: 32 };
    const nearest = roundWeight(weight, rows, columns, grid);
    const calibrated = roundWeight(weight, rows, columns, grid, hessian);
    const ratio = outputError(calibrated.values) / outputError(nearest.values);
    console.log(`${bits} bits: the outputs' error is ${ratio.toFixed(3)} of rounding to nearest`);
    assert.ok(ratio < 0.5);

    const identity = new Float64Array(columns * columns);
    for (let i = 0; i < columns; i++) identity[i * columns + i] = 1;
    assert.deepEqual(roundWeight(weight, rows, columns, grid, identity), nearest);

    const parts = gptqTensors("x", calibrated, rows, columns, grid).map(({ data }) =>
      new Uint32Array((data() as Uint8Array<ArrayBuffer>).slice().buffer)
    );
    const scales = new Uint16Array(parts[2].buffer);
    const format = { kind: "grouped", ...grid, ordered: false, scales: "f16" } as const;
    const read = fromGptq(parts[0], parts[1], scales, rows, columns, format, 1);
    assert.deepEqual(dequantizeGrouped(read, rows, columns, format), calibrated.values);
  });
}
