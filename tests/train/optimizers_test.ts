// Every optimizer against the library that defines it: 100 steps on given gradients, of matrices with
// weight decay and a vector without; see tests/golden/optimizers.

import assert from "node:assert/strict";
import { bytesToF32 } from "../../src/files/dtype.ts";
import { openSafetensors } from "../../src/files/safetensors.ts";
import { Memory } from "../../src/gpu/program.ts";
import { Graph, type Tensor, tensor } from "../../src/graph/graph.ts";
import type { Limits } from "../../src/graph/limits.ts";
import { plan } from "../../src/graph/plan.ts";
import { packStep, statisticsTensor, stepTensor } from "../../src/graph/step_scalars.ts";
import { denoHost } from "../../src/host/deno.ts";
import { updateGraph } from "../../src/train/graphs.ts";
import { dynamicCodes } from "../../src/train/optimizers/eight_bit.ts";
import { chooseOptimizer } from "../../src/train/optimizers/index.ts";
import type { OptimizerKind } from "../../src/train/optimizers/names.ts";
import { scalarsTensor, UpdateScalars } from "../../src/train/optimizers/scalars.ts";
import { groupParameters } from "../../src/train/parameters.ts";
import { testDevice } from "../device.ts";

interface Manifest {
  steps: number;
  kept: number[];
  rates: number[];
  weight_decay: number;
  codes: { signed: number[]; unsigned: number[] };
  shapes: Record<string, number[]>;
  cases: Record<string, {
    kind: OptimizerKind;
    args: Record<string, number | boolean>;
    beta1: number;
    beta2: number;
    warmup_steps: number;
  }>;
}

const folder = "tests/golden/optimizers";
const manifest: Manifest = JSON.parse(Deno.readTextFileSync(`${folder}/cases.json`));

/** The same hash as in make_optimizers.py: numbers in [-1, 1) with 24 bits. */
function hashed(count: number, stream: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, i) => {
    let h = (i + Math.imul(stream, 0x9e3779b9)) >>> 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    h ^= h >>> 16;
    return (h >>> 8) / 2 ** 23 - 1;
  });
}

function gradient(index: number, count: number, step: number): Float32Array<ArrayBuffer> {
  const noise = hashed(count, 1000 * (1 + index) + step);
  const direction = hashed(count, 100 + index);
  return noise.map((value, i) => Math.fround(value + direction[i]) * 0.5 ** (i % 7));
}

const count = (shape: number[]) => shape.reduce((a, b) => a * b, 1);

/** What 100 steps make of the tensors of the manifest, at the steps that were kept. */
async function run(
  name: string,
  { limits = {}, steps = manifest.steps, shapes = manifest.shapes }: {
    limits?: Partial<Limits>;
    steps?: number;
    shapes?: Record<string, number[]>;
  } = {},
): Promise<Map<string, Float32Array>> {
  const { kind, args, beta1, beta2, warmup_steps: warmupSteps } = manifest.cases[name];
  const device = await testDevice();
  const used = { ...device.limits, ...limits };
  const memory = new Memory(device);
  try {
    const optimizerOf = chooseOptimizer(kind, { beta1, beta2, epsilon: 1e-8, warmupSteps, args });
    const trained = new Map<string, Tensor>(
      Object.entries(shapes).map((
        [member, shape],
      ) => [member, tensor(member, shape, "f32", "trained")]),
    );
    const groups = groupParameters(trained, (member, tensor) => ({
      optimizer: optimizerOf(member, tensor),
      weightDecay: tensor.shape.length > 1 ? manifest.weight_decay : 0,
      rateScale: 1,
    }), used);
    const scalars = scalarsTensor(groups);
    const state = { step: stepTensor(), statistics: statisticsTensor() };
    const graph = updateGraph({ groups, scalars, maxGradNorm: 0 }, state, used);
    const exchanges = (["use", "train"] as const).map((to) => {
      const graph = new Graph();
      const norm = tensor("norm", [2], "f32", "input");
      const inputs = { norm, scalars, maxNorm: 0, limits: used };
      for (const group of groups) group.optimizer.exchange?.(graph, inputs, group, to);
      return plan(to, graph, used);
    });
    const [update, toUse, toTrain] = await memory.compile([
      plan("update", graph, used),
      ...exchanges,
    ]);
    [...trained.values()].forEach((tensor, i) => {
      memory.write(tensor, hashed(count([...tensor.shape]), 1 + i));
    });
    for (const { optimizer } of groups) {
      for (const { tensor, values } of optimizer.tables ?? []) memory.write(tensor, values);
    }
    memory.write(state.step, packStep({ lossScale: 1, slot: 0, microStep: 0, seed: 0 }));
    const updates = new UpdateScalars(groups);
    const found = new Map<string, Float32Array>();
    for (let step = 0; step < steps; step++) {
      [...trained.values()].forEach((tensor, i) => {
        memory.write(tensor.gradient!, gradient(i, count([...tensor.shape]), step));
      });
      memory.write(scalars, updates.next(manifest.rates[step]));
      update.run();
      if (!manifest.kept.includes(step + 1)) continue;
      toUse.run();
      const read = await memory.read([...trained.values()].map((tensor) => ({ tensor })));
      toTrain.run();
      [...trained.keys()].forEach((member, i) => {
        found.set(`${member}.${step + 1}`, new Float32Array(read[i]));
      });
    }
    const gradients = await memory.read(groups.map(({ gradient }) => ({ tensor: gradient })));
    for (const bytes of gradients) assert.ok(new Float32Array(bytes).every((value) => value === 0));
    return found;
  } finally {
    memory.destroy();
  }
}

Deno.test("the codes of 8-bit moments", () => {
  for (const signed of [true, false]) {
    const codes = dynamicCodes(signed);
    assert.equal(codes.length, 256);
    assert.deepEqual(codes, manifest.codes[signed ? "signed" : "unsigned"]);
  }
});

for (const name of Object.keys(manifest.cases)) {
  Deno.test(`optimizer ${name}`, { sanitizeOps: false, sanitizeResources: false }, async () => {
    const found = await run(name);
    const wanted = await openSafetensors(denoHost(), `${folder}/${name}.safetensors`);
    let worst = 0;
    let where = "";
    for (const [key, values] of found) {
      const entry = wanted.tensors.get(key)!;
      bytesToF32(await entry.read(), entry.dtype).forEach((value, i) => {
        const error = Math.abs(values[i] - value) / Math.max(1, Math.abs(value));
        if (error > worst || Number.isNaN(error)) [worst, where] = [error, `${key}[${i}]`];
      });
    }
    wanted.close();
    console.log(`${name}: at most ${worst.toExponential(1)} at ${where}`);
    assert.ok(worst < 1e-5, `${worst} at ${where}`);
  });
}

const open = { sanitizeOps: false, sanitizeResources: false };

Deno.test("the same bits again", open, async () => {
  for (const name of Object.keys(manifest.cases)) {
    const [first, again] = [await run(name, { steps: 3 }), await run(name, { steps: 3 })];
    assert.deepEqual([...first], [...again], name);
  }
});

Deno.test("a tensor in several bindings", open, async () => {
  const shapes = { large: [512, 64] };
  for (const name of Object.keys(manifest.cases)) {
    if (name === "muon") continue; // its matrix products need a matrix in one piece
    const whole = await run(name, { steps: 3, shapes });
    const pieces = await run(name, { steps: 3, shapes, limits: { maxBinding: 32768 } });
    whole.get("large.3")!.forEach((value, i) => {
      const error = Math.abs(value - pieces.get("large.3")![i]);
      assert.ok(error < 1e-6, `${name}: ${error} at ${i}`);
    });
  }
});
