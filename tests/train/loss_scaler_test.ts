// Loss scaling: the same scales and weights as torch.amp.GradScaler's; what is skipped, what halts a
// run; and runs with `fp16` beside runs in f32.

import assert from "node:assert/strict";
import { type Config, parseConfig } from "../../src/config/config.ts";
import { EftError } from "../../src/errors.ts";
import { Memory } from "../../src/gpu/program.ts";
import { Graph, sizeOf, type Tensor, tensor } from "../../src/graph/graph.ts";
import { leastLimits } from "../../src/graph/limits.ts";
import { firstScaler, scalerTensor } from "../../src/graph/loss_scaler.ts";
import { elementwiseUpdate } from "../../src/graph/operations/elementwise_update.ts";
import { gradientNorm } from "../../src/graph/operations/gradient_norm.ts";
import { unscale } from "../../src/graph/operations/unscale.ts";
import { plan } from "../../src/graph/plan.ts";
import { packStep, statisticsTensor, stepTensor } from "../../src/graph/step_scalars.ts";
import { windows } from "../../src/data/batches.ts";
import { prepareSession } from "../../src/train/session.ts";
import type { Trainer } from "../../src/train/trainer.ts";
import { testDevice } from "../device.ts";
import { configText, host, lora, only, sanitize, tinyFolder, train, withTrainer } from "./tiny.ts";

type Keys = Record<string, unknown>;

/** One weight of three elements, a step of SGD at rate 1, and a scaler that grows after `interval`. */
async function scaledUpdate(interval: number) {
  const device = await testDevice();
  const memory = new Memory(device);
  const value = tensor("value", [3], "f32", "trained");
  const gradient = tensor("gradient", [3], "f32", "gradient");
  const [scaler, step, statistics] = [scalerTensor(), stepTensor(), statisticsTensor()];
  const scalars = tensor("scalars", [8], "f32", "input");
  const graph = new Graph();
  const norm = graph.call(gradientNorm, [step, gradient], {
    statistics,
    pieces: 1,
    scaling: { scaler, interval },
  });
  graph.add(unscale, [norm], { into: gradient });
  const constants = { MOMENTUM: false, WEIGHT_DECAY: 0 };
  const sgd = { rule: "sgd" as const, row: 0, maxNorm: 0, states: [], constants };
  graph.add(elementwiseUpdate, [norm, scalars], { ...sgd, value, gradient });
  const [program] = await memory.compile([plan("update", graph, device.limits)]);
  for (const each of [value, gradient, statistics]) memory.clear(each);
  memory.write(scaler, firstScaler);
  memory.write(scalars, Float32Array.of(1, 1, 0, 0, 0, 0, 0, 0));
  memory.write(step, packStep({ lossScale: 1, slot: 0, microStep: 0, seed: 0 }));
  return {
    memory,
    scaler,
    statistics,
    /** Runs on scaled gradients; returns the tensors afterwards. */
    async run(gradients: number[], loss = 1) {
      memory.write(statistics, Float32Array.of(loss, 0, 0, 0));
      memory.write(gradient, Float32Array.from(gradients));
      program.run();
      const read = (tensor: Tensor) => ({ tensor });
      const bytes = await memory.read([value, gradient, scaler, statistics].map(read));
      const [values, left, scale, rows] = bytes.map((piece) => [...new Float32Array(piece)]);
      return { values, left, scale, row: rows.slice(0, 4), halted: rows.at(-4) !== 0 };
    },
  };
}

Deno.test("scales and weights are those of GradScaler", sanitize, async () => {
  const { interval, overflows, scales, weights } = JSON.parse(
    Deno.readTextFileSync("tests/golden/half/grad_scaler.json"),
  );
  const { memory, run } = await scaledUpdate(interval);
  for (let step = 0; step < scales.length; step++) {
    const overflow = overflows.includes(step);
    const gradients = [0.25, -0.5, overflow ? Infinity : 1];
    const found = await run(gradients.map((g) => g * scales[step]));
    assert.deepEqual(found.values, weights[step], `weights after step ${step}`);
    assert.equal(found.scale[0], scales[step + 1] ?? found.scale[0], `scale after step ${step}`);
    assert.deepEqual(found.left, [0, 0, 0], "gradients are cleared");
    const norm = overflow ? 0 : Math.fround(Math.hypot(0.25, 0.5, 1));
    assert.deepEqual(found.row, [1, norm, scales[step], overflow ? 1 : 0]);
    assert.equal(found.halted, false);
  }
  memory.destroy();
});

Deno.test("an overflow without a scale, or a broken loss, halts", sanitize, async () => {
  const overflow = [1, Infinity, 1];
  const least = await scaledUpdate(5);
  least.memory.write(least.scaler, Float32Array.of(2, 0));
  assert.equal((await least.run(overflow)).halted, false);
  const floor = await least.run(overflow);
  assert.deepEqual([floor.halted, floor.row[3], floor.scale], [true, 0, [1, 0]]);
  assert.deepEqual(floor.left, overflow, "gradients are left to find the cause");
  const after = await least.run([1, 1, 1]);
  assert.deepEqual([after.values, after.scale], [[0, 0, 0], [1, 0]], "a halted run stays so");
  least.memory.destroy();

  const broken = await scaledUpdate(5);
  const found = await broken.run(overflow, NaN);
  assert.deepEqual([found.halted, found.row[3], found.scale], [true, 0, [...firstScaler]]);
  broken.memory.destroy();
});

/** A run of which the first steps overflow: it starts at a scale far too large. */
function tooLarge(exponent: number) {
  return (trainer: Trainer) => {
    trainer.memory.write(trainer.session.state.scaler!, Float32Array.of(2 ** exponent, 0));
    return Promise.resolve();
  };
}

Deno.test("steps that overflow change nothing and are said", sanitize, async () => {
  if (!(await testDevice()).limits.f16) return;
  const folder = tinyFolder();
  const keys = { ...lora, fp16: true, optimizer: "schedule_free_adamw", max_steps: 12 };
  const events = await train(folder, keys, { before: tooLarge(26) });
  const steps = only(events, "step");
  const skipped = steps.filter((step) => step.skipped_steps === 1);
  assert.ok(skipped.length >= 2 && skipped.length <= 8, `${skipped.length} steps skipped`);
  skipped.forEach((step, i) => assert.equal(step.loss_scale, 2 ** (26 - i)));
  assert.ok(steps.every(({ loss, grad_norm }) => Number.isFinite(loss) && grad_norm < 100));
  const log = JSON.parse(Deno.readTextFileSync(`${folder}/out/trainer_state.json`)).log_history;
  assert.equal(log[0].skipped_steps, 1);

  await withTrainer(folder, keys, async (trainer) => {
    await tooLarge(26)(trainer);
    let applied = 0;
    for (const window of windows(trainer.session.trainBatches.epoch(0), 1)) {
      await trainer.step(window, 1e-3);
      const [{ skipped }] = await trainer.results();
      if (!skipped) applied++;
      const counts = Object.values(trainer.scalars.save()).map(({ steps }) => steps);
      assert.ok(counts.every((count) => count === applied), "the optimizer counts what it did");
    }
  });
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("a run beyond f16 ends, and says where", sanitize, async () => {
  if (!(await testDevice()).limits.f16) return;
  const folder = tinyFolder();
  const keys = { ...lora, fp16: true, max_steps: 30 };
  /** Trains with other values in the adapter's part of a layer. */
  const message = async (down: number, up: number) => {
    const before = ({ memory, session: { loaded } }: Trainer) => {
      const { lowRank } = loaded.model.blocks[0].down;
      memory.write(lowRank!.down, new Float32Array(sizeOf(lowRank!.down)).fill(down));
      memory.write(lowRank!.up, new Float32Array(sizeOf(lowRank!.up)).fill(up));
      return Promise.resolve();
    };
    const error = await train(folder, keys, { before }).catch((error) => error);
    assert.ok(error instanceof EftError, String(error));
    return error.message;
  };
  assert.match(
    await message(1, 1e9),
    /^Step 1: the loss is not .*down_proj.* is the first that is not finite .*leave out fp16\.$/,
  );
  // The output is untouched, as the other matrix is 0, but the gradient between the two is not. It
  // stays so when the scale has been halved 16 times.
  assert.match(
    await message(0, 1e9),
    /^Step 17: the gradient is beyond 16-bit floats.*dx is the first .*leave out fp16\.$/,
  );
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("without shader-f16 a run stays in f32 and says so", sanitize, async () => {
  const folder = tinyFolder();
  const { config } = parseConfig(configText(folder, { ...lora, fp16: true }), "test.yml");
  const plain = parseConfig(configText(folder, lora), "test.yml").config;
  const session = (of: Config, f16: boolean) => prepareSession(host, of, { ...leastLimits, f16 });
  const [without, full, half] = await Promise.all([
    session(config, false),
    session(plain, true),
    session(config, true),
  ]);
  assert.match(
    without.notes.join("\n"),
    /^fp16: this device has no shader-f16, so activations stay/,
  );
  assert.deepEqual(without.memory, (await session(plain, false)).memory);
  assert.match(half.notes.join("\n"), /^fp16: activations inside the blocks are 16-bit floats/);
  // The scaler is two numbers; the gradients' norm has one more, which is an activation.
  assert.equal(half.memory.state, full.memory.state + 8);
  assert.ok(half.memory.activations < 0.75 * full.memory.activations);
  for (const { loaded } of [without, full, half]) loaded.files?.close();
  Deno.removeSync(folder, { recursive: true });
});

/** Runs in f16 beside the same in f32: the largest relative difference of a loss (docs/LOG.md). */
const beside: Record<string, { keys: Keys; band: number }> = {
  LoRA: { keys: { ...lora, learning_rate: 3e-3 }, band: 2e-3 },
  "full fine-tuning": { keys: { learning_rate: 1e-3 }, band: 2e-3 },
  QLoRA: {
    keys: { ...lora, adapter: "qlora", load_in_4bit: true, learning_rate: 3e-3 },
    band: 2e-3,
  },
};

for (const [name, { keys, band }] of Object.entries(beside)) {
  Deno.test(`${name} in f16 stays beside f32`, sanitize, async () => {
    if (!(await testDevice()).limits.f16) return;
    const folder = tinyFolder();
    const run = async (more: Keys) => {
      const events = await train(folder, { ...keys, max_steps: 40, ...more });
      return { steps: only(events, "step"), end: only(events, "end")[0] };
    };
    const full = await run({});
    const half = await run({ fp16: true, output_dir: `${folder}/half` });
    const apart = full.steps.map(({ loss }, i) => Math.abs(half.steps[i].loss / loss - 1));
    const worst = Math.max(...apart);
    console.log(`${name}: losses differ by ${worst.toExponential(1)}`);
    assert.ok(worst < band, `losses differ by ${worst}`);
    assert.ok(worst > 1e-6, "nothing was in f16");
    assert.ok(half.steps.every((step) => step.loss_scale === 2 ** 16 && !step.skipped_steps));
    assert.ok(full.steps.at(-1)!.loss < 0.8 * full.steps[0].loss, "it learns");
    assert.ok(half.end.peak_gpu_bytes < full.end.peak_gpu_bytes);
    assert.equal(
      half.end.planned_gpu_bytes - half.end.peak_gpu_bytes,
      full.end.planned_gpu_bytes - full.end.peak_gpu_bytes,
      "what is planned is what is taken, as in f32",
    );
    Deno.removeSync(folder, { recursive: true });
  });
}

Deno.test("every method runs in f16", sanitize, async () => {
  if (!(await testDevice()).limits.f16) return;
  const folder = tinyFolder();
  const few = { ...lora, lora_target_linear: undefined, lora_target_modules: ["q_proj"] };
  const methods: Record<string, Keys> = {
    "DoRA, dropout, packing, checkpointing, noise, evaluation, samples": {
      ...lora,
      peft_use_dora: true,
      lora_dropout: 0.1,
      sample_packing: true,
      gradient_checkpointing: true,
      neftune_noise_alpha: 5,
      val_set_size: 2,
      eval_steps: 3,
      generate_samples: true,
      generation_max_new_tokens: 2,
      num_generation_samples: 1,
    },
    "embeddings and head": { ...few, lora_target_modules: ["embed_tokens", "lm_head"] },
    "copies, PiSSA, 8-bit AdamW": {
      ...few,
      lora_modules_to_save: ["embed_tokens", "lm_head"],
      peft_init_lora_weights: "pissa",
      optimizer: "adamw_bnb_8bit",
    },
    "ReLoRA": { ...few, relora: true, jagged_restart_steps: 2 },
    "8 bits": { ...few, load_in_8bit: true },
    "LISA with Muon": {
      lisa_n_layers: 1,
      lisa_step_interval: 2,
      optimizer: "muon",
      learning_rate: 1e-3,
    },
  };
  for (const [name, keys] of Object.entries(methods)) {
    const run = async (more: Keys) => {
      const events = await train(folder, { ...keys, max_steps: 3, ...more });
      return { losses: only(events, "step"), evaluation: only(events, "eval")[0] };
    };
    const full = await run({ output_dir: `${folder}/full ${name}` });
    const half = await run({ output_dir: `${folder}/half ${name}`, fp16: true });
    for (const [i, { loss }] of full.losses.entries()) {
      const apart = Math.abs(half.losses[i].loss / loss - 1);
      assert.ok(apart > 0 && apart < 2e-3, `${name}: losses of step ${i + 1} differ by ${apart}`);
    }
    if (!full.evaluation) continue;
    const last = half.evaluation.eval_loss / full.evaluation.eval_loss - 1;
    assert.ok(last !== 0 && Math.abs(last) < 2e-3, `${name}: evaluations differ by ${last}`);
  }
  Deno.removeSync(folder, { recursive: true });
});
