// A run that is cut short anywhere and gone on with ends in the bytes of one that was left alone.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { spawn } from "../cli/eft.ts";
import { f32ToBytes } from "../../src/files/dtype.ts";
import { writeSafetensors } from "../../src/files/safetensors.ts";
import { RandomStream } from "../../src/random.ts";
import type { EndEvent } from "../../src/train/events.ts";
import type { Trainer } from "../../src/train/trainer.ts";
import { json, result, seed } from "./result.ts";
import { configText, host, lora, only, readTensors, sanitize, tinyFolder, train } from "./tiny.ts";

type Keys = Record<string, unknown>;

/** Stops a run after step `last`, as Ctrl-C does. */
async function trainUpTo(
  folder: string,
  keys: Keys,
  last: number,
  start?: Start,
): Promise<EndEvent> {
  const stop = new AbortController();
  let end: EndEvent | undefined;
  await train(folder, keys, {
    signal: stop.signal,
    async before(trainer) {
      await start?.(trainer);
      const step = trainer.step.bind(trainer);
      trainer.step = async (...args) => {
        await step(...args);
        if (trainer.position.steps === last) stop.abort();
      };
    },
    onEvent(event) {
      if (event.event === "end") end = event;
    },
  });
  return end!;
}

/** Done to the trainer before the first step of a run, but not when it is gone on with. */
type Start = (trainer: Trainer) => Promise<void>;

const full = { learning_rate: 1e-3 };
const variants: { name: string; keys: Keys; stops: number[]; start?: Start }[] = [
  {
    name: "LoRA with dropout, accumulation, evaluation and samples",
    keys: {
      ...lora,
      lora_dropout: 0.2,
      micro_batch_size: 1,
      gradient_accumulation_steps: 3, // 4 rows: the second step of an epoch has one micro batch
      max_steps: 8,
      val_set_size: 2,
      eval_steps: 3,
      logging_steps: 4,
      lr_scheduler: "cosine",
      save_strategy: "no",
      generate_samples: true,
      generation_max_new_tokens: 4,
      num_generation_samples: 2,
    },
    stops: [1, 4, 5],
  },
  {
    name: "full fine-tuning with packing over epochs",
    keys: {
      ...full,
      sample_packing: true,
      sequence_len: 40,
      micro_batch_size: 1,
      max_steps: undefined,
      num_epochs: 3,
      logging_steps: 2,
      weight_decay: 0.1,
      saves_per_epoch: 1,
      load_best_model_at_end: true,
      val_set_size: 2,
      evals_per_epoch: 2,
    },
    stops: [2, 3],
  },
];

/** Methods whose state is more than the trained values. */
const others: typeof variants = [
  {
    name: "ReLoRA with the best model",
    keys: {
      ...lora,
      relora: true,
      jagged_restart_steps: 2,
      relora_prune_method: "random",
      max_steps: 7,
      val_set_size: 2,
      eval_steps: 2,
      save_steps: 3,
      load_best_model_at_end: true,
    },
    stops: [1, 4, 5],
  },
  {
    name: "ReLoRA that counts its steps anew",
    keys: { ...lora, relora_steps: 3, max_steps: 7, save_strategy: "no" },
    stops: [3, 5],
  },
  {
    name: "fp16, whose first steps overflow",
    keys: { ...lora, fp16: true, max_steps: 9, logging_steps: 4, save_strategy: "no" },
    stops: [1, 2, 7],
    start({ memory, session }) {
      // Where the device has no f16 this is a run like any other.
      if (session.state.scaler) memory.write(session.state.scaler, Float32Array.of(2 ** 26, 0));
      return Promise.resolve();
    },
  },
  {
    name: "schedule-free AdamW, which evaluates and keeps other weights than it trains at",
    keys: {
      ...full,
      optimizer: "schedule_free_adamw",
      max_steps: 5,
      val_set_size: 2,
      eval_steps: 2,
      generate_samples: true,
      generation_max_new_tokens: 4,
      save_strategy: "no",
    },
    stops: [1, 3],
  },
  {
    name: "PiSSA",
    keys: { ...lora, peft_init_lora_weights: "pissa", max_steps: 5, save_strategy: "no" },
    stops: [2],
  },
];

for (const { name, keys, stops, start } of [...variants, ...others]) {
  Deno.test(`gone on after Ctrl-C: ${name}`, sanitize, async () => {
    const folder = tinyFolder();
    const whole = { ...keys, output_dir: `${folder}/alone` };
    const alone = only(await train(folder, whole, { before: start }), "end")[0];
    const again = { ...keys, auto_resume_from_checkpoints: true };
    for (const [i, stop] of stops.entries()) {
      const end = await trainUpTo(folder, again, stop, i === 0 ? start : undefined);
      assert.equal(end.steps, stop);
      assert.equal(end.ended_by, "interrupt");
      assert.equal(end.checkpoint, `${folder}/out/checkpoint-${stop}`);
    }
    const events = await train(folder, again);
    assert.equal(only(events, "start")[0].resumed_from_step, stops.at(-1));
    const end = only(events, "end")[0];
    assert.equal(end.train_loss, alone.train_loss);
    assert.equal(end.trained_tokens, alone.trained_tokens);
    assert.deepEqual(result(`${folder}/out`), result(`${folder}/alone`));
    // Nothing is set aside: every result so far was this run's own.
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [
      "alone",
      "data.jsonl",
      "model",
      "out",
      "texts.jsonl",
    ]);
    Deno.removeSync(folder, { recursive: true });
  });
}

Deno.test("full fine-tuning of 16-bit weights goes on from 32 bits", sanitize, async () => {
  const folder = tinyFolder();
  const tensors = await readTensors(`${folder}/model`);
  await writeSafetensors(
    host,
    `${folder}/model/model.safetensors`,
    [...tensors].map(([name, { shape, values }]) => ({
      name,
      shape,
      dtype: "BF16",
      data: () => f32ToBytes(values, "BF16"),
    })),
  );
  const keys = { ...full, max_steps: 3, save_strategy: "no" };
  await train(folder, { ...keys, output_dir: `${folder}/alone` });
  await trainUpTo(folder, keys, 2);
  await train(folder, { ...keys, resume_from_checkpoint: true });
  assert.deepEqual(result(`${folder}/out`).weights, result(`${folder}/alone`).weights);
  Deno.removeSync(folder, { recursive: true });
});

const killed = {
  LoRA: { ...lora, lora_dropout: 0.1 },
  full,
  "schedule-free LISA": {
    ...full,
    optimizer: "schedule_free_adamw",
    lisa_n_layers: 1,
    lisa_step_interval: 3,
  },
};

for (const [i, [name, method]] of Object.entries(killed).entries()) {
  Deno.test(`killed again and again: ${name}`, sanitize, async () => {
    if (Deno.build.os === "windows") return; // no SIGKILL there
    const folder = tinyFolder();
    const keys = { ...method, max_steps: 12, val_set_size: 2, eval_steps: 5, logging_steps: 2 };
    await train(folder, { ...keys, output_dir: `${folder}/alone` });
    const file = `${folder}/run.yml`;
    const often = { ...keys, save_steps: 1, auto_resume_from_checkpoints: true };
    Deno.writeTextFileSync(file, configText(folder, often));
    const random = new RandomStream(seed, i);
    const seen: string[] = [`EFT_SEED=${seed}`];
    for (let kill = 0; kill < 3; kill++) {
      const child = spawn(["train", file, "--json"]);
      // Killed at a random time after a random checkpoint of its own, also while it writes the next.
      let wait = 1 + Math.floor(random.uniform() * 3);
      let out = "";
      for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
        out += text;
        if (text.includes('"event":"checkpoint"') && wait-- === 0) {
          await new Promise((done) => setTimeout(done, random.uniform() * 40));
          child.kill("SIGKILL");
        }
      }
      const { signal } = await child.status;
      await child.stderr.cancel();
      const steps = out.match(/"event":"checkpoint","step":\d+/g) ?? [];
      seen.push(`${steps.length} steps, ${signal ?? "ended"}`);
      assert.ok(steps.length > 0 || signal === null, out);
      // The lock of a killed run stays on disk, and keeps nobody out.
      if (signal) assert.ok(Deno.statSync(`${folder}/out.lock`).isFile);
    }
    console.log(`killed: ${seen.join("; ")}`);
    assert.ok(seen.some((each) => each.includes("SIGKILL")));
    await train(folder, often);
    const [found, expected] = [result(`${folder}/out`), result(`${folder}/alone`)];
    assert.deepEqual(found.weights, expected.weights);
    assert.deepEqual(found.log, expected.log);
    Deno.removeSync(folder, { recursive: true });
  });
}

Deno.test("what a checkpoint holds, and how many are kept", sanitize, async () => {
  const folder = tinyFolder();
  await train(folder, { ...lora, max_steps: 5, save_steps: 1, save_total_limit: 2 });
  const list = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();
  assert.deepEqual(
    list(`${folder}/out`).filter((name) => name.startsWith("checkpoint")),
    ["checkpoint-4", "checkpoint-5"],
  );
  assert.deepEqual(list(`${folder}/out/checkpoint-5`), [
    "adapter_config.json",
    "adapter_model.safetensors",
    "eft_config.yml",
    "eft_state.json",
    "kernels.json",
    "optimizer.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "trainer_state.json",
  ]);
  assert.deepEqual(
    readFileSync(`${folder}/out/checkpoint-5/adapter_model.safetensors`),
    readFileSync(`${folder}/out/adapter_model.safetensors`),
  );
  const moments = await readTensors(`${folder}/out/checkpoint-5/optimizer.safetensors`);
  const adapter = await readTensors(`${folder}/out/adapter_model.safetensors`);
  for (const [name, { shape, values }] of adapter) {
    assert.deepEqual(moments.get(`value.${name}`)!.values, values);
    assert.deepEqual(moments.get(`exp_avg.${name}`)!.shape, shape);
    assert.ok(moments.get(`exp_avg_sq.${name}`)!.values.every((value) => value >= 0));
  }
  assert.equal(moments.size, 3 * adapter.size);
  const state = json(`${folder}/out/checkpoint-4/trainer_state.json`);
  assert.equal(state.global_step, 4);
  assert.equal(state.save_steps, 1);
  assert.equal(state.log_history.length, 4);
  assert.equal(state.stateful_callbacks.TrainerControl.args.should_training_stop, false);

  // Back to step 4, and other settings: what matters is refused, what may change is noted.
  const resume = { ...lora, max_steps: 5, resume_from_checkpoint: `${folder}/out/checkpoint-4` };
  await assert.rejects(train(folder, { ...resume, seed: 1 }), /seed was 42 and is 1/);
  await assert.rejects(train(folder, { ...resume, lora_r: 2 }), /lora_r was 4 and is 2/);
  const rows = Deno.readTextFileSync(`${folder}/texts.jsonl`);
  Deno.writeTextFileSync(`${folder}/texts.jsonl`, rows.replace("aaa", "aba"));
  await assert.rejects(train(folder, resume), /the training data is not what it was/);
  Deno.writeTextFileSync(`${folder}/texts.jsonl`, rows);
  await assert.rejects(
    train(folder, { ...resume, resume_from_checkpoint: `${folder}/out` }),
    /is not a checkpoint of Eft|it has no eft_state.json/,
  );
  const noted = only(await train(folder, { ...resume, learning_rate: 0.02 }), "note");
  assert.ok(noted.some(({ text }) => /learning_rate was 0.01 and is 0.02/.test(text)));
  assert.ok(noted.some(({ text }) => /were moved to .*old-checkpoints/.test(text)));

  // A folder that was cut off is passed over, and said to be.
  Deno.truncateSync(`${folder}/out/checkpoint-5/optimizer.safetensors`, 1000);
  const passed = await train(folder, {
    ...lora,
    max_steps: 5,
    learning_rate: 0.02,
    auto_resume_from_checkpoints: true,
  });
  assert.equal(only(passed, "start")[0].resumed_from_step, 4);
  assert.ok(only(passed, "note").some(({ text }) => /has 1000 bytes, not/.test(text)));
  Deno.removeSync(folder, { recursive: true });
});

for (
  const [name, keys] of Object.entries<Keys>({
    ReLoRA: { relora: true, jagged_restart_steps: 3, jagged_restart_warmup_steps: 1 },
    PiSSA: { peft_init_lora_weights: "pissa" },
    "LoRA of the embedding": { lora_target_modules: ["embed_tokens", "q_proj"] },
    "schedule-free AdamW": { optimizer: "schedule_free_adamw" },
  })
) {
  Deno.test(`the best model of ${name} comes back from its files alone`, sanitize, async () => {
    const folder = tinyFolder();
    const best = {
      ...lora,
      ...keys,
      learning_rate: 0.3,
      max_steps: 8,
      val_set_size: 2,
      eval_steps: 1,
      save_strategy: "best",
      metric_for_best_model: "eval_loss",
      load_best_model_at_end: true,
    };
    for (const [i, save_only_model] of [true, false].entries()) {
      const output_dir = `${folder}/${i}`;
      const [end] = only(await train(folder, { ...best, save_only_model, output_dir }), "end");
      assert.notEqual(end.best_step, undefined);
      if (name === "schedule-free AdamW" || !save_only_model) {
        const best = result(`${output_dir}/checkpoint-${end.best_step}`);
        assert.deepEqual(result(output_dir).weights, best.weights);
      }
    }
    const [bare, whole] = await Promise.all(
      [0, 1].map((i) =>
        readTensors(
          `${folder}/${i}/${name === "ReLoRA" ? "model" : "adapter_model"}.safetensors`,
        )
      ),
    );
    for (const [tensor, { values }] of whole) {
      const found = bare.get(tensor)!.values;
      const worst = values.reduce((max, value, i) => Math.max(max, Math.abs(value - found[i])), 0);
      assert.ok(worst < 1e-6, `${tensor} differs by ${worst}`);
    }
    Deno.removeSync(folder, { recursive: true });
  });
}

Deno.test("the best model is kept and loaded; patience ends a run", sanitize, async () => {
  const folder = tinyFolder();
  // A learning rate at which the model gets better for a few steps and then far worse.
  const keys = {
    ...full,
    learning_rate: 0.02,
    max_steps: 40,
    val_set_size: 2,
    eval_steps: 1,
    save_steps: 50,
    save_total_limit: 1,
    save_only_model: true,
    early_stopping_patience: 3,
  };
  const events = await train(folder, keys);
  const end = only(events, "end")[0];
  const evals = only(events, "eval").filter(({ step }) => step > 0);
  const best = evals.reduce((a, b) => b.eval_loss < a.eval_loss ? b : a);
  assert.equal(end.ended_by, "early stopping");
  assert.equal(end.steps, best.step + 3);
  assert.equal(end.best_step, best.step);
  for (const { eval_loss, eval_ppl } of evals) assert.equal(eval_ppl, Math.exp(eval_loss));
  const state = json(`${folder}/out/trainer_state.json`);
  assert.equal(state.best_global_step, best.step);
  assert.equal(state.best_metric, best.eval_loss);
  assert.equal(state.best_model_checkpoint, `${folder}/out/checkpoint-${best.step}`);
  assert.equal(
    state.stateful_callbacks.EarlyStoppingCallback.attributes.early_stopping_patience_counter,
    3,
  );
  assert.deepEqual(
    readFileSync(`${folder}/out/model.safetensors`),
    readFileSync(`${state.best_model_checkpoint}/model.safetensors`),
  );
  const kept = [...Deno.readDirSync(`${folder}/out`)].map(({ name }) => name);
  assert.deepEqual(
    kept.filter((name) => name.startsWith("checkpoint-")).sort(),
    [`checkpoint-${best.step}`, `checkpoint-${end.steps}`].sort(),
  );
  // Such a checkpoint has no optimizer to go on with.
  await assert.rejects(
    train(folder, { ...keys, resume_from_checkpoint: state.best_model_checkpoint }),
    /it was saved with save_only_model/,
  );
  Deno.removeSync(folder, { recursive: true });
});
