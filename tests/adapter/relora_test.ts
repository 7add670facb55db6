// ReLoRA against a plain PyTorch loop (tests/golden/adapters/relora*): losses across two restarts, the
// merged weights; and the pruning of moments.

import assert from "node:assert/strict";
import {
  pruneRandomly,
  pruneSmallest,
  Relora,
  reloraPlan,
  restartFactor,
} from "../../src/adapter/relora.ts";
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "../../src/files/dtype.ts";
import { Memory } from "../../src/gpu/program.ts";
import { tensor } from "../../src/graph/graph.ts";
import { mergePlan } from "../../src/adapter/merge_kernel.ts";
import { readWeight, writeWeight } from "../../src/adapter/base_weight.ts";
import { RandomStream } from "../../src/random.ts";
import { testDevice } from "../device.ts";
import { readTensors, sanitize } from "../train/tiny.ts";
import { farness, golden, json } from "../golden_run.ts";
import { adapterRun, type Expected, loadTensors } from "./golden_run.ts";

for (const name of ["relora", "relora-zero"]) {
  Deno.test(`a PyTorch loop and Eft agree on ${name}`, sanitize, async () => {
    const folder = `${golden}/adapters/${name}`;
    const expected = json<Expected & { restart: number; warmup: number }>(
      `${folder}/losses.json`,
    );
    const run = await adapterRun(folder);
    await loadTensors(run, `${folder}/initial/adapter_model.safetensors`);
    const zero = name === "relora-zero";
    const relora = await Relora.create(
      run.memory,
      run.lora,
      run.groups,
      {
        every: expected.restart,
        pruning: zero ? { method: "zero" } : { method: "magnitude", ratio: 0.9 },
      },
      { seed: 1, plan: reloraPlan(run.lora, (await testDevice()).limits), files: undefined },
    );
    await run.train(async (step) => {
      if (!relora.isDue(step)) return;
      await relora.restart();
      await loadTensors(run, `${folder}/restart-${relora.restarts}.safetensors`);
      return zero ? 0 : undefined;
    });
    relora.finish();
    assert.equal(relora.restarts, 2);
    const { losses, norms } = await run.compare(expected);
    const wanted = await readTensors(`${folder}/final.safetensors`);
    let worstTensor = 0;
    for (const [key, { values }] of wanted) {
      const found = await readWeight(run.memory, run.model.tensors.get(key)!);
      worstTensor = Math.max(worstTensor, farness(found, values));
    }
    run.memory.destroy();
    const worstLoss = losses;
    console.log(
      `${name}: losses ${worstLoss.toExponential(1)}, norms ` +
        `${norms.toExponential(1)}, ` +
        `weights ${worstTensor.toExponential(1)}`,
    );
    assert.ok(worstLoss < 1e-4 && worstTensor < 1e-3);
    const keys = zero
      ? { relora_steps: expected.restart, relora_warmup_steps: expected.warmup }
      : { jagged_restart_steps: expected.restart, jagged_restart_warmup_steps: expected.warmup };
    const factor = restartFactor(keys as never);
    const rates = expected.learning_rates;
    const cosine = (step: number) =>
      step < 5 ? step / 5 : 0.5 * (1 + Math.cos(Math.PI * (step - 5) / 25));
    rates.forEach((rate, step) => {
      assert.ok(Math.abs(rate - 5e-3 * cosine(step) * factor(step)) < 1e-9, `rate of ${step}`);
    });
  });
}

for (const dtype of ["f32", "bf16", "f16"] as const) {
  for (const embedding of [false, true]) {
    const name = `a product is merged into ${dtype}${embedding ? " embeddings" : ""}`;
    Deno.test(name, sanitize, async () => {
      const [N, K, R] = [7, 6, 3];
      const random = new RandomStream(3, 4);
      const normal = (size: number) => Float32Array.from({ length: size }, () => random.normal());
      const weight = tensor("weight", embedding ? [K, N] : [N, K], dtype, "weight");
      const down = tensor("down", embedding ? [K, R] : [R, K], "f32", "trained");
      const up = tensor("up", [N, R], "f32", "trained");
      const memory = new Memory(await testDevice());
      const [w, a, b] = [normal(N * K), normal(K * R), normal(N * R)];
      await writeWeight(memory, weight, w);
      memory.write(down, a);
      memory.write(up, b);
      const module = {
        path: "x",
        kind: embedding ? "embedding" as const : "linear" as const,
        weight,
        rank: R,
        lowRank: { down, up, scale: 0.5, dropout: 0, index: 0 },
      };
      const [program] = await memory.compile([mergePlan([module], memory.device.limits)]);
      program.run();
      const found = await readWeight(memory, weight);
      memory.destroy();
      const round = (values: Float32Array) =>
        dtype === "f32"
          ? values
          : dtype === "bf16"
          ? bf16ToF32(f32ToBf16(values))
          : f16ToF32(f32ToF16(values));
      const before = round(w);
      const wanted = Float32Array.from(before, (value, i) => {
        const [row, column] = [Math.floor(i / weight.shape[1]), i % weight.shape[1]];
        let sum = 0;
        for (let r = 0; r < R; r++) {
          sum += embedding
            ? b[column * R + r] * a[row * R + r]
            : b[row * R + r] * a[r * K + column];
        }
        return value + 0.5 * sum;
      });
      const after = round(wanted);
      const step = { f32: 1e-6, bf16: 2 ** -7, f16: 2 ** -10 }[dtype];
      let same = 0;
      after.forEach((value, i) => {
        if (found[i] === value) same++;
        assert.ok(Math.abs(found[i] - value) <= step * Math.abs(value) + 1e-6);
      });
      assert.ok(dtype === "f32" || same >= after.length - 1, "rounded to nearest");
    });
  }
}

Deno.test("pruning keeps the largest tenth, or a random one", () => {
  const values = Float32Array.from({ length: 100 }, (_, i) => (i % 2 ? -1 : 1) * (i + 1));
  const pruned = values.slice();
  pruneSmallest(pruned, 0.9);
  assert.deepEqual([...pruned].filter(Boolean), [...values].slice(90));
  const random = Float32Array.from({ length: 20000 }, () => 1);
  pruneRandomly(random, 0.9, new RandomStream(1, 2));
  const kept = random.reduce((sum, value) => sum + value, 0);
  assert.ok(Math.abs(kept - 2000) < 200, `${kept} kept`);
});
