// ReLoRA over bases in 4 and 8 bits: what restarts keep, whole runs against a PyTorch loop with
// bitsandbytes' quantizing, and a run that goes on from a checkpoint.

import assert from "node:assert/strict";
import { readWeight } from "../../src/adapter/base_weight.ts";
import { MergedBase, mergingScratch } from "../../src/adapter/merged_base.ts";
import { Relora, reloraPlan } from "../../src/adapter/relora.ts";
import { bytesToF32, f32ToBytes } from "../../src/files/dtype.ts";
import { openSafetensors } from "../../src/files/safetensors.ts";
import { Memory } from "../../src/gpu/program.ts";
import { tensor } from "../../src/graph/graph.ts";
import { roundTrip } from "../../src/quant/dense.ts";
import { formatName, type QuantFormat } from "../../src/quant/format.ts";
import { quantizedTensor } from "../../src/quant/tensor.ts";
import { RandomStream } from "../../src/random.ts";
import { testDevice } from "../device.ts";
import { host } from "../model/logits.ts";
import { farness, golden, json } from "../golden_run.ts";
import { adapterRun, type Expected, loadTensors } from "../adapter/golden_run.ts";
import { only, readTensors, sanitize, tinyFolder, train } from "../train/tiny.ts";

// The first has two pieces, the others end within a word, a block, and a block of blocks.
const cases: [QuantFormat, "F32" | "BF16", [number, number]][] = [
  [{ kind: "nf4", block: 64, nested: true }, "BF16", [2050, 1024]],
  [{ kind: "nf4", block: 64, nested: false }, "F32", [37, 35]],
  [{ kind: "fp4", block: 64, nested: true }, "F32", [300, 70]],
  [{ kind: "int8" }, "BF16", [2051, 1030]],
  [{ kind: "int8" }, "F32", [9, 35]],
];

for (const [format, dtype, shape] of cases) {
  const name = `restarts over ${formatName(format)} [${shape}] keep what was trained`;
  Deno.test(name, sanitize, async () => {
    const [N, K] = shape;
    const [R, scale] = [2, 0.5];
    const random = new RandomStream(3, 4);
    const normal = (size: number, width: number) =>
      Float32Array.from({ length: size }, () => Math.fround(width * random.normal()));
    const weight = quantizedTensor("weight", shape, format);
    const down = tensor("down", [R, K], "f32", "trained");
    const up = tensor("up", [N, R], "f32", "trained");
    const memory = new Memory(await testDevice());
    const bytes = f32ToBytes(normal(N * K, 0.1), dtype);
    const read = (offset = 0, length = bytes.length - offset) =>
      Promise.resolve(bytes.subarray(offset, offset + length));
    const entry = { name: "weight", dtype, shape, bytes: bytes.length, read };
    const files = { tensors: new Map([["weight", entry]]), metadata: {}, files: [], close() {} };
    const lowRank = { down, up, scale, dropout: 0, index: 0 };
    const module = { path: "x", kind: "linear" as const, weight, rank: R, lowRank };
    const base = new MergedBase(memory, [module], files, mergingScratch([module]));
    // Each of these updates is below most steps between 4-bit codes.
    const before = bytesToF32(bytes, dtype);
    const learned = new Float64Array(N * K);
    for (let restart = 0; restart < 3; restart++) {
      const [a, b] = [normal(R * K, 0.1), normal(N * R, 0.1)];
      memory.write(down, a);
      memory.write(up, b);
      learned.forEach((_, i) => {
        const [n, k] = [Math.floor(i / K), i % K];
        for (let r = 0; r < R; r++) learned[i] += scale * b[n * R + r] * a[r * K + k];
      });
      await base.merge();
    }
    memory.write(up, new Float32Array(N * R));
    const held = await readWeight(memory, weight);
    const found: number[] = [];
    for await (const piece of base.values(weight)) for (const value of piece) found.push(value);
    memory.destroy();
    // What the files will hold is right to rounding in f32, and the forward pass sees it quantized.
    const kept = farness(found.map((value, i) => value - before[i]), learned);
    const codes = roundTrip(Float32Array.from(found), N, format);
    const others = codes.filter((value, i) => Math.abs(value - held[i]) > 1e-5).length;
    console.log(
      `learned is off by ${kept.toExponential(1)}, ${others} of ${
        N * K
      } codes differ; quantizing ` +
        `takes ${farness(held, found).toExponential(1)}, before it all ` +
        farness(roundTrip(before, N, format), before).toExponential(1),
    );
    assert.equal(others, 0);
    assert.ok(farness(held, codes) < 1e-6);
    assert.ok(kept < 1e-5, `what was learned is off by ${kept}`);
    assert.ok(farness(found, before) > 1e-2);
  });
}

const adapters = {
  "relora-nf4": "adapter: qlora",
  "relora-int8": "load_in_8bit: true\nadapter: lora",
};

for (const [name, keys] of Object.entries(adapters)) {
  Deno.test(`a PyTorch loop and Eft agree on ${name}`, sanitize, async () => {
    const folder = `${golden}/quant/adapters/${name}`;
    const expected = json<Expected & { restart: number }>(`${folder}/losses.json`);
    const run = await adapterRun(folder, keys);
    const files = await openSafetensors(host, `${golden}/base-${expected.base}`);
    await loadTensors(run, `${folder}/initial/adapter_model.safetensors`);
    const relora = await Relora.create(
      run.memory,
      run.lora,
      run.groups,
      { every: expected.restart, pruning: { method: "zero" } },
      { seed: 1, plan: reloraPlan(run.lora, (await testDevice()).limits), files },
    );
    const worst = { bases: 0, final: 0 };
    await run.train(async (step) => {
      if (!relora.isDue(step)) return;
      await relora.restart();
      const path = `${folder}/restart-${relora.restarts}.safetensors`;
      await loadTensors(run, path);
      for (const [key, { values }] of await readTensors(path)) {
        const weight = run.model.tensors.get(key);
        if (weight) {
          worst.bases = Math.max(
            worst.bases,
            farness(await readWeight(run.memory, weight), values),
          );
        }
      }
      return 0;
    });
    relora.finish();
    const { losses } = await run.compare(expected);
    const final = await readTensors(`${folder}/final.safetensors`);
    for (const { weight } of run.lora.modules) {
      const found: number[] = [];
      for await (const piece of relora.quantized.values(weight)) found.push(...piece);
      worst.final = Math.max(worst.final, farness(found, final.get(weight.name)!.values));
    }
    files.close();
    run.memory.destroy();
    const worstLoss = losses;
    console.log(
      `${name}: losses ${worstLoss.toExponential(1)}, bases ${worst.bases.toExponential(1)}, ` +
        `final weights ${worst.final.toExponential(1)}`,
    );
    assert.equal(relora.restarts, 2);
    assert.ok(worstLoss < 1e-3 && worst.bases < 1e-3 && worst.final < 1e-3);
  });
}

/** Of the weights in a folder; a list of differing bytes would fill memory. */
async function digest(folder: string): Promise<string> {
  const bytes = Deno.readFileSync(`${folder}/model.safetensors`);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).join();
}

const lora = {
  adapter: "lora",
  lora_r: 4,
  lora_alpha: 8,
  lora_target_modules: ["q_proj", "embed_tokens"],
  relora: true,
  jagged_restart_steps: 2,
  jagged_restart_warmup_steps: 1,
};
const projection = "model.layers.0.self_attn.q_proj.weight";

// A base that Eft quantizes, and one that bitsandbytes has saved.
const bases: [string, string, Record<string, unknown>][] = [
  ["4", "base-llama", { adapter: "qlora" }],
  ["8", "quant/base-bnb-int8", { load_in_8bit: true }],
];
for (const [bits, base, held] of bases) {
  Deno.test(`ReLoRA over ${bits} bits goes on from a checkpoint`, sanitize, async () => {
    const folder = tinyFolder();
    for (const name of ["config.json", "model.safetensors"]) {
      Deno.copyFileSync(`${golden}/${base}/${name}`, `${folder}/model/${name}`);
    }
    const keys = { ...lora, max_steps: 5, save_steps: 3, ...held };
    const events = await train(folder, { ...keys, output_dir: `${folder}/whole` });
    assert.deepEqual(only(events, "step").map((event) => event.num_lora_restarts), [0, 0, 1, 1, 2]);
    const [{ planned_gpu_bytes: planned, peak_gpu_bytes: peak }] = only(events, "end");
    console.log(`${bits} bits: planned ${planned} bytes, at most ${peak}`);
    assert.ok(Math.abs(planned / peak - 1) < 0.001, `planned ${planned}, allocated ${peak}`);
    await train(folder, {
      ...keys,
      output_dir: `${folder}/on`,
      resume_from_checkpoint: `${folder}/whole/checkpoint-3`,
    });
    assert.equal(await digest(`${folder}/on`), await digest(`${folder}/whole`));
    // The result is a model of floats that differs from the base where it was adapted.
    const result = await readTensors(`${folder}/whole`);
    const before = await readTensors(`${golden}/base-llama`);
    assert.deepEqual([...result.keys()].sort(), [...before.keys()].sort());
    const far = farness(result.get(projection)!.values, before.get(projection)!.values);
    assert.ok(far > 1e-2, `${far}`);
    const rest = "model.layers.0.mlp.up_proj.weight"; // of 8 bits, only what the codes stand for is there
    const same = farness(result.get(rest)!.values, before.get(rest)!.values);
    assert.ok(bits === "4" ? same === 0 : same < 1e-2, `${same}`);
    const config = JSON.parse(Deno.readTextFileSync(`${folder}/whole/config.json`));
    assert.equal(config.quantization_config, undefined);
    Deno.removeSync(folder, { recursive: true });
  });
}

Deno.test("the best model of ReLoRA over 4 bits comes back, codes and all", sanitize, async () => {
  const folder = tinyFolder();
  let after = 0;
  const events = await train(folder, {
    ...lora,
    adapter: "qlora",
    learning_rate: 0.5, // the third step, which begins with a restart, makes it worse
    max_steps: 3,
    val_set_size: 2,
    eval_steps: 1,
    save_steps: 1,
    load_best_model_at_end: true,
  }, { after: async (trainer) => void (after = await trainer.evaluate()) });
  const losses = only(events, "eval").map(({ eval_loss }) => eval_loss);
  assert.ok(losses[2] < Math.min(losses[1], losses[3]), String(losses)); // losses[0] is of the start
  const result = await digest(`${folder}/out`);
  assert.equal(result, await digest(`${folder}/out/checkpoint-2`));
  assert.notEqual(result, await digest(`${folder}/out/checkpoint-3`));
  assert.ok(Math.abs(after - losses[2]) < 1e-5, `${after} and ${losses[2]}`);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test(
  "ReLoRA does not go on from an adapter that has changed the codes",
  sanitize,
  async () => {
    const folder = tinyFolder();
    const keys = {
      adapter: "qlora",
      bnb_config_kwargs: { bnb_4bit_use_double_quant: false },
      relora_steps: 2,
      max_steps: 3,
      lora_model_dir: `${golden}/quant/adapters/olora-nf4/final`,
    };
    await assert.rejects(train(folder, keys), /^EftError: lora_model_dir: .* taken its start out/);
    Deno.removeSync(folder, { recursive: true });
  },
);
