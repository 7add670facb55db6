// What trains and at which rate: LoRA+, groups of rates, unfrozen parameters, LISA, NEFTune,
// schedule-free weights; and what stops a run: the watchdog, and values that are not finite.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { EftError } from "../../src/errors.ts";
import { activeBlocks, blockOf } from "../../src/train/lisa.ts";
import type { Trainer } from "../../src/train/trainer.ts";
import { Unfrozen } from "../../src/train/unfrozen.ts";
import { LossWatchdog } from "../../src/train/watchdog.ts";
import { windows } from "../../src/data/batches.ts";
import {
  lora,
  only,
  readTensors,
  sanitize,
  tensorValues,
  tinyFolder,
  train,
  withTrainer,
} from "./tiny.ts";

type Keys = Record<string, unknown>;
const sgd = { optimizer: "sgd", max_grad_norm: 0, float32: true };
const model = (folder: string) => readTensors(`${folder}/out/model.safetensors`);
const base = (folder: string) => readTensors(`${folder}/model/model.safetensors`);

/** How far each trained tensor goes in one step. */
async function steps(folder: string, keys: Keys): Promise<Map<string, Float32Array>> {
  return await withTrainer(folder, { ...sgd, ...keys }, async (trainer) => {
    const before = await tensorValues(trainer);
    const [window] = windows(trainer.session.trainBatches.epoch(0), 1);
    await trainer.step(window, trainer.session.config.learning_rate);
    const after = await tensorValues(trainer);
    return new Map([...after].map(([name, data]) => [
      name,
      data.map((value, i) => value - before.get(name)![i]),
    ]));
  });
}

/** The ratio of two steps, which is a factor for all of a tensor's elements. */
function ratio(a: Float32Array, b: Float32Array): number {
  const most = b.reduce((at, value, i) => (Math.abs(value) > Math.abs(b[at]) ? i : at), 0);
  return a[most] / b[most];
}

function near(found: number, wanted: number, label: string): void {
  assert.ok(Math.abs(found / wanted - 1) < 1e-3, `${label}: ${found}, expected ${wanted}`);
}

Deno.test("each group of tensors has its own rate", sanitize, async () => {
  const folder = tinyFolder();
  const plain = await steps(folder, lora);
  const plus = await steps(folder, { ...lora, loraplus_lr_ratio: 16 });
  for (const [name, step] of plus) {
    if (name.includes("lora_B")) near(ratio(step, plain.get(name)!), 16, name);
    else assert.deepEqual(step, plain.get(name)); // A stands still as long as B is zero
  }
  const full = await steps(folder, {});
  const grouped = await steps(folder, {
    embedding_lr: 1e-3,
    lr_groups: [{ name: "attention", modules: ["q_proj", "k_proj"], lr: 5e-2 }],
  });
  for (const [name, step] of grouped) {
    const wanted = /embed_tokens|lm_head/.test(name) ? 0.1 : /[qk]_proj/.test(name) ? 5 : 1;
    near(ratio(step, full.get(name)!), wanted, name);
  }
  const scaled = await steps(folder, { embedding_lr_scale: 0.5 });
  near(ratio(scaled.get("lm_head.weight")!, full.get("lm_head.weight")!), 0.5, "scaled head");
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("embeddings do not decay once they have a rate of their own", sanitize, async () => {
  const folder = tinyFolder();
  const decays = (keys: Keys) =>
    withTrainer(folder, { weight_decay: 0.1, ...keys }, ({ session: { groups } }) => {
      const find = (part: string) =>
        groups.find(({ members }) => members.some(({ name }) => name.includes(part)))!.weightDecay;
      return Promise.resolve(["embed_tokens", "q_proj", "layernorm"].map(find));
    });
  assert.deepEqual(await decays({}), [0.1, 0.1, 0]);
  assert.deepEqual(await decays({ embedding_lr: 1e-4 }), [0, 0.1, 0]);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("patterns of unfrozen parameters", () => {
  const some = new Unfrozen([
    "^model.embed_tokens.weight$[:5]",
    "model.layers.1[0-9]*.mlp",
    "x[3]",
  ]);
  assert.ok(some.trains("model.embed_tokens.weight") && some.trains("model.layers.12.mlp.up"));
  assert.ok(!some.trains("model.layers.2.mlp.up") && !some.trains("a.model.embed_tokens.weight"));
  assert.ok(!some.trains("modelXembed_tokens.weight"), "a period is a period");
  assert.deepEqual(some.frozenRows("model.embed_tokens.weight", 9), [[5, 9]]);
  assert.deepEqual(some.frozenRows("x", 9), [[0, 3], [4, 9]]);
  const merged = new Unfrozen(["w[2:4]", "w[3:6]", "w[8:]"]);
  assert.deepEqual(merged.frozenRows("w", 10), [[0, 2], [6, 8]]);
  assert.deepEqual(new Unfrozen(["w"]).frozenRows("w", 10), []);
  assert.throws(() => merged.frozenRows("w", 5), /rows \[3:6\] are not in w, which has 5/);
});

Deno.test("only unfrozen tensors and rows train", sanitize, async () => {
  const folder = tinyFolder();
  const patterns = ["^model.embed_tokens.weight$[100:120]", "model.layers.1.mlp.up_proj"];
  await train(folder, { unfrozen_parameters: patterns });
  const [before, after] = [await base(folder), await model(folder)];
  for (const [name, { values, shape }] of after) {
    const old = before.get(name)!.values;
    if (name === "model.embed_tokens.weight") {
      const width = shape[1];
      const changed = new Set<number>();
      values.forEach((value, i) => value !== old[i] && changed.add(Math.floor(i / width)));
      assert.ok(changed.size > 3 && [...changed].every((row) => row >= 100 && row < 120), name);
    } else if (name.includes("layers.1.mlp.up_proj")) assert.notDeepEqual(values, old, name);
    else assert.deepEqual(values, old, name);
  }
  // Nothing is computed for what is frozen.
  const gradients = (keys: Keys) =>
    withTrainer(folder, keys, ({ session }) => {
      const [{ plan }] = session.microSteps.values();
      return Promise.resolve(
        plan.dispatches.filter(({ label }) => label.startsWith("weightGradient")).length,
      );
    });
  assert.equal(await gradients({ unfrozen_parameters: patterns }), 1);
  assert.ok(await gradients({}) > 10);
  await assert.rejects(train(folder, { unfrozen_parameters: ["nothing"] }), /no pattern matches/);
  // Everything unfrozen is full fine-tuning, to the bit.
  await train(folder, { unfrozen_parameters: [".+"], output_dir: `${folder}/all` });
  await train(folder, {});
  const bytes = (path: string) => readFileSync(`${folder}/${path}/model.safetensors`);
  assert.deepEqual(bytes("all"), bytes("out"));
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("LISA draws blocks by the step", () => {
  const settings = { layers: 2, interval: 5, seed: 42 };
  const drawn = Array.from({ length: 500 }, (_, step) => activeBlocks(step, 8, settings));
  const counts = new Array(8).fill(0);
  drawn.forEach((blocks, step) => {
    assert.deepEqual(blocks, drawn[step - step % 5]);
    assert.equal(new Set(blocks).size, 2);
    for (const block of blocks) counts[block]++;
  });
  assert.ok(counts.every((count) => count > 60 && count < 200), `${counts}`);
  assert.deepEqual(["model.layers.12.x", "model.norm.weight"].map(blockOf), [12, undefined]);
});

Deno.test("LISA trains the blocks of the moment", sanitize, async () => {
  const folder = tinyFolder();
  const settings = { layers: 1, interval: 2, seed: 42 };
  await withTrainer(folder, { lisa_n_layers: 1, lisa_step_interval: 2 }, async (trainer) => {
    let before = await tensorValues(trainer);
    const seen = new Set<number>();
    for (let step = 0; step < 8; step++) {
      const [window] = windows(trainer.session.trainBatches.epoch(step), 1);
      await trainer.step(window, 1e-2);
      const after = await tensorValues(trainer);
      const [active] = activeBlocks(step, 2, settings);
      seen.add(active);
      for (const [name, data] of after) {
        const block = blockOf(name);
        const moved = data.some((value, i) => value !== before.get(name)![i]);
        assert.equal(moved, block === undefined || block === active, `${name} in step ${step}`);
      }
      before = after;
    }
    assert.equal(seen.size, 2, "both blocks had their turn");
    const counts = Object.values(trainer.scalars.save()).map(({ steps }) => steps);
    assert.equal(Math.max(...counts), 8);
    assert.ok(Math.min(...counts) < 8, "a resting block counts no steps");
  });
  // A block that has had no step yet stays as it was, also where the weights to use are others.
  const free = { optimizer: "schedule_free_adamw", lisa_n_layers: 1, lisa_step_interval: 9 };
  await train(folder, free);
  const [start, end] = [await base(folder), await model(folder)];
  const [active] = activeBlocks(0, 2, { ...settings, interval: 9 });
  for (const [name, { values }] of end) {
    const moved = values.some((value, i) => value !== start.get(name)!.values[i]);
    assert.equal(moved, blockOf(name) === undefined || blockOf(name) === active, name);
  }
  // All blocks at once are full fine-tuning.
  const bytes = (path: string) => readFileSync(`${folder}/${path}/model.safetensors`);
  const all = { lisa_n_layers: 2, lisa_step_interval: 2, max_grad_norm: 0 };
  await train(folder, { ...all, output_dir: `${folder}/all` });
  await train(folder, { max_grad_norm: 0 });
  assert.deepEqual(bytes("all"), bytes("out"));
  await assert.rejects(train(folder, { ...all, lisa_n_layers: 3 }), /this model has 2 blocks/);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("NEFTune acts in training only and repeats itself", sanitize, async () => {
  const folder = tinyFolder();
  const keys = { ...lora, val_set_size: 2, eval_steps: 2 };
  const dry = await train(folder, keys);
  const noisy = { ...keys, neftune_noise_alpha: 5 };
  const [first, again] = [await train(folder, noisy), await train(folder, noisy)];
  const losses = (events: typeof dry) => only(events, "step").map(({ loss }) => loss);
  assert.deepEqual(losses(first), losses(again));
  assert.notEqual(losses(first)[0], losses(dry)[0]);
  assert.equal(only(first, "eval")[0].eval_loss, only(dry, "eval")[0].eval_loss);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test(
  "optimizers of several kinds train; a schedule-free run keeps the average",
  sanitize,
  async () => {
    const folder = tinyFolder();
    for (const optimizer of ["adamw_bnb_8bit", "adafactor", "muon"]) {
      const rank = optimizer.endsWith("8bit") ? 64 : 4; // 4096 elements and more
      const keys = { ...lora, lora_r: rank, optimizer, learning_rate: 3e-3 };
      const found = only(await train(folder, keys), "step").map(({ loss }) => loss);
      assert.ok(found.at(-1)! < found[0], `${optimizer}: ${found}`);
    }
    const keys = { ...lora, optimizer: "schedule_free_adamw", max_steps: 6 };
    const events = await train(folder, { ...keys, val_set_size: 2, eval_steps: 3 });
    const saved = await readTensors(`${folder}/out/adapter_model.safetensors`);
    await withTrainer(folder, keys, async (trainer) => {
      const epoch = windows(trainer.session.trainBatches.epoch(0), 1);
      for (const window of epoch) await trainer.step(window, 1e-2);
      const at = await tensorValues(trainer);
      trainer.hold("use");
      const used = await tensorValues(trainer);
      trainer.hold("train");
      const back = await tensorValues(trainer);
      for (const [name, data] of at) {
        assert.ok(data.every((value, i) => Math.abs(value - back.get(name)![i]) < 1e-6));
      }
      assert.ok([...at].some(([name, data]) => data.some((v, i) => v !== used.get(name)![i])));
    });
    assert.equal(only(events, "eval").length, 3);
    assert.ok(saved.size > 0);
    Deno.removeSync(folder, { recursive: true });
  },
);

Deno.test("the watchdog stops a run whose loss stays high", sanitize, async () => {
  const dog = new LossWatchdog(2, 2);
  assert.deepEqual([3, 1, 3, 3, 3].map((loss) => dog.observe(loss)), [
    false,
    false,
    false,
    true,
    true,
  ]);
  const folder = tinyFolder();
  const keys = { ...lora, max_steps: 50, loss_watchdog_threshold: 0.01, loss_watchdog_patience: 2 };
  const events = await train(folder, keys);
  assert.equal(only(events, "end")[0].steps, 2);
  assert.match(
    only(events, "note").at(-1)!.text,
    /^Stopped after step 2: .* loss_watchdog_threshold \(0\.01\) in 2 reports/,
  );
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("what is not finite is named, and the weights stay as they were", sanitize, async () => {
  const folder = tinyFolder();
  const keys = { ...lora, micro_batch_size: 1, gradient_accumulation_steps: 3, logging_steps: 4 };
  const poison = (target: string) => (trainer: Trainer) => {
    const { memory, session: { loaded: { model } } } = trainer;
    memory.write(model.tensors.get(target)!, Float32Array.of(NaN), 0);
    return Promise.resolve();
  };
  const fails = async (before: (trainer: Trainer) => Promise<void>, more: Keys, text: RegExp) => {
    await assert.rejects(
      train(folder, { ...keys, ...more }, { before }),
      (error) => error instanceof EftError && text.test(error.message),
    );
  };
  await fails(
    poison("model.layers.1.mlp.up_proj.weight"),
    {},
    /^Step 1: the loss is not a number any more; micro batch 1 of 3: model\.layers\.1\.mlp\.up_proj\.weight holds what is not a finite number, before linear/,
  );
  await fails(
    () => Promise.resolve(),
    { learning_rate: 1e30, max_grad_norm: 0 },
    /^Step 2: the loss is not a number any more; micro batch 1 of 3: .* is the first that is not finite \(kernel .*\)\. Lower learning_rate/,
  );
  await withTrainer(folder, keys, async (trainer) => {
    const [window] = windows(trainer.session.trainBatches.epoch(0), 3);
    await trainer.step(window, 1e-2);
    const kept = await tensorValues(trainer);
    const scale = trainer.session.loaded.model.norm;
    trainer.memory.write(scale, Float32Array.of(Infinity));
    await trainer.step(window, 1e-2);
    trainer.memory.write(scale, Float32Array.of(1));
    await trainer.step(window, 1e-2); // halted for good
    assert.deepEqual(await tensorValues(trainer), kept);
  });
  Deno.removeSync(folder, { recursive: true });
});
