// Whole runs through the ordinary path on a tiny model: what they report, what they leave, and that
// the same run leaves the same bytes.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { windows } from "../../src/data/batches.ts";
import { testDevice } from "../device.ts";
import { Memory } from "../../src/gpu/program.ts";
import { openInference } from "../../src/infer/session.ts";
import { parseConfig } from "../../src/config/config.ts";
import type { Trainer } from "../../src/train/trainer.ts";
import {
  host,
  lora,
  only,
  readTensors,
  rows,
  sanitize,
  tinyFolder,
  train,
  withTrainer,
} from "./tiny.ts";
import { configText } from "./tiny.ts";

function json(path: string) {
  return JSON.parse(Deno.readTextFileSync(path));
}

Deno.test("two runs do not write to one folder at once", sanitize, async () => {
  const folder = tinyFolder();
  const keys = { ...lora, save_steps: 1 };
  const refused = (output_dir: string) =>
    assert.rejects(
      train(folder, { ...keys, output_dir }),
      /output_dir: another run is writing to .*\/(out|alias)\. Wait until it ends, or choose/,
    );
  await train(folder, keys, {
    before: async () => {
      await refused(`${folder}/out`);
      await train(folder, { ...keys, output_dir: `${folder}/other` });
    },
    after: async () => {
      if (Deno.build.os !== "windows") Deno.symlinkSync(`${folder}/out`, `${folder}/alias`);
      await refused(`${folder}/${Deno.build.os === "windows" ? "out" : "alias"}/`);
    },
  });
  const weights = ["out", "other"].map((name) =>
    Deno.readFileSync(`${folder}/${name}/adapter_model.safetensors`)
  );
  assert.deepEqual(weights[0], weights[1]);
  // A run that fails lets the folder go, whatever it fails at.
  const missing = { ...keys, resume_from_checkpoint: `${folder}/none` };
  await assert.rejects(train(folder, missing), /there is no such folder/);
  await train(folder, keys);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("two runs leave the same bytes; dropout acts in training only", sanitize, async () => {
  const folder = tinyFolder();
  const keys = { ...lora, lora_dropout: 0.3, val_set_size: 2, eval_steps: 2, max_steps: 6 };
  const [first, second] = [
    await train(folder, keys),
    await train(folder, { ...keys, output_dir: `${folder}/again` }),
  ];
  const losses = (events: typeof first) => only(events, "step").map(({ loss }) => loss);
  assert.deepEqual(losses(first), losses(second));
  const evals = (events: typeof first) => only(events, "eval").map((e) => e.eval_loss);
  assert.deepEqual(evals(first), evals(second));
  for (const name of ["adapter_model.safetensors", "adapter_config.json"]) {
    assert.deepEqual(
      readFileSync(`${folder}/out/${name}`),
      readFileSync(`${folder}/again/${name}`),
    );
  }

  // Without dropout: the same at first (B is zero, so the adapter adds nothing), other losses later.
  const dry = await train(folder, { ...keys, lora_dropout: 0 });
  assert.equal(losses(dry)[0], losses(first)[0]);
  assert.notDeepEqual(losses(dry), losses(first));
  assert.equal(evals(dry)[0], evals(first)[0]);
  assert.notDeepEqual(
    readFileSync(`${folder}/out/adapter_model.safetensors`),
    readFileSync(`${folder}/again/adapter_model.safetensors`),
  );
  // Kernels that were measured change the speed, not the bytes; another seed changes the bytes.
  await train(folder, keys, { tune: true });
  assert.deepEqual(
    readFileSync(`${folder}/out/adapter_model.safetensors`),
    readFileSync(`${folder}/again/adapter_model.safetensors`),
  );
  await train(folder, { ...keys, seed: 43 });
  assert.notDeepEqual(
    readFileSync(`${folder}/out/adapter_model.safetensors`),
    readFileSync(`${folder}/again/adapter_model.safetensors`),
  );
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("evaluation has no dropout and changes nothing", sanitize, async () => {
  const folder = tinyFolder();
  const evaluations = async (dropout: number) => {
    const keys = { ...lora, lora_dropout: dropout, val_set_size: 2 };
    return await withTrainer(folder, keys, async (trainer) => {
      // B away from zero, so that dropout would show.
      for (const [name, tensor] of trainer.session.trained) {
        const size = tensor.shape[0] * tensor.shape[1];
        if (!name.includes("lora_B")) continue;
        trainer.memory.write(
          tensor,
          Float32Array.from({ length: size }, (_, i) => Math.sin(i) / 9),
        );
      }
      const found = [await trainer.evaluate(), await trainer.evaluate()];
      const [window] = windows(trainer.session.trainBatches.epoch(0), 1);
      await trainer.step(window, 0); // a learning rate of 0 leaves the weights
      const [{ loss }] = await trainer.results();
      return { found: [...found, await trainer.evaluate()], loss };
    });
  };
  const dry = await evaluations(0);
  const wet = await evaluations(0.5);
  assert.equal(new Set([...dry.found, ...wet.found]).size, 1, `${dry.found} ${wet.found}`);
  assert.ok(Math.abs(dry.loss - wet.loss) > 1e-3, `${dry.loss} ${wet.loss}`);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("events and trainer_state.json", sanitize, async () => {
  const folder = tinyFolder();
  const events = await train(folder, {
    ...lora,
    micro_batch_size: 1,
    max_steps: 5,
    val_set_size: 2,
    eval_steps: 2,
    logging_steps: 2,
    lr_scheduler: "constant_with_warmup",
    warmup_steps: 2,
  });
  const [start] = only(events, "start");
  assert.deepEqual(
    { ...start, adapter: "", planned_gpu_bytes: 0, engine: "", software: true },
    {
      event: "start",
      adapter: "",
      engine: "",
      software: true,
      parameters: 132416,
      trained_parameters: 9760,
      planned_gpu_bytes: 0,
      steps: 5,
      rows: rows.length,
      dropped: 0,
    },
  );
  const steps = only(events, "step");
  assert.deepEqual(steps.map(({ step }) => step), [2, 4, 5]);
  for (const step of steps) {
    assert.deepEqual(Object.keys(step).sort(), [
      "epoch",
      "event",
      "grad_norm",
      "learning_rate",
      "loss",
      "seconds_left",
      "step",
      "step_ms",
      "tokens_per_second",
    ]);
    for (const [key, value] of Object.entries(step)) {
      if (key !== "event") assert.ok(Number.isFinite(value), `${key} is ${value}`);
    }
    assert.ok(step.loss > 0 && step.grad_norm > 0 && step.step_ms > 0);
  }
  assert.deepEqual(steps.map((s) => s.learning_rate), [0.005, 0.01, 0.01]);
  assert.deepEqual(steps.map((s) => s.epoch), [0.5, 1, 1.25]); // 4 rows to train on
  assert.equal(steps.at(-1)!.seconds_left, 0);
  const evals = only(events, "eval");
  assert.deepEqual(evals.map(({ step }) => step), [0, 2, 4, 5]);
  assert.ok(evals.every(({ eval_loss }) => Number.isFinite(eval_loss)));
  assert.ok(evals.at(-1)!.eval_loss !== evals[0].eval_loss);

  const [end] = only(events, "end");
  assert.equal(events.at(-1), end);
  assert.deepEqual(Object.keys(end).sort(), [
    "adapter",
    "engine",
    "event",
    "output_dir",
    "peak_gpu_bytes",
    "planned_gpu_bytes",
    "steps",
    "tokens_per_second",
    "train_loss",
    "trained_tokens",
    "wall_seconds",
  ]);
  assert.equal(end.steps, 5);
  // A reported loss is the mean since the last report.
  const mean = (2 * steps[0].loss + 2 * steps[1].loss + steps[2].loss) / 5;
  assert.ok(Math.abs(end.train_loss - mean) < 1e-6);

  const text = Deno.readTextFileSync(`${folder}/out/trainer_state.json`);
  const state = JSON.parse(text);
  assert.deepEqual(Object.keys(state), Object.keys(state).sort(), "keys are sorted");
  assert.ok(text.endsWith("}\n") && text.includes('\n  "epoch": 1.25,'));
  assert.equal(state.global_step, 5);
  assert.equal(state.max_steps, 5);
  const log = state.log_history as Record<string, number>[];
  assert.equal(log.length, steps.length + evals.length + 1);
  for (const entry of log) assert.deepEqual(Object.keys(entry), Object.keys(entry).sort());
  assert.deepEqual(
    log.filter((entry) => "loss" in entry).map(({ loss }) => loss),
    steps.map((s) => s.loss),
  );
  assert.deepEqual(
    log.filter((e) => "eval_loss" in e).map((e) => e.eval_loss),
    evals.map((e) => e.eval_loss),
  );
  assert.equal(log.at(-1)!.train_loss, end.train_loss);
  assert.ok(log.at(-1)!.num_input_tokens_seen > end.trained_tokens);

  // The configuration, as it was, and the tokenizer lie beside the adapter.
  assert.deepEqual([...Deno.readDirSync(`${folder}/out`)].map(({ name }) => name).sort(), [
    "README.md",
    "adapter_config.json",
    "adapter_model.safetensors",
    "checkpoint-4", // the end of the first epoch, and of the run
    "checkpoint-5",
    "eft_config.yml",
    "kernels.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "trainer_state.json",
  ]);
  assert.equal(json(`${folder}/out/eft_config.yml`).max_steps, 5);
  assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [
    "data.jsonl",
    "model",
    "out",
    "texts.jsonl",
  ]);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("max_steps, num_epochs and fractions of an epoch", sanitize, async () => {
  const folder = tinyFolder();
  const count = (keys: Record<string, unknown>) =>
    withTrainer(folder, { ...lora, ...keys }, ({ session }) => Promise.resolve(session.totalSteps));
  assert.equal(await count({ max_steps: 7 }), 7); // more than the data has: it goes round
  assert.equal(await count({ max_steps: undefined, num_epochs: 1 }), 3); // 6 rows, 2 at a time
  assert.equal(await count({ max_steps: undefined, num_epochs: 2.5 }), 8);
  assert.equal(
    await count({ max_steps: undefined, num_epochs: 2, gradient_accumulation_steps: 2 }),
    4, // 2 steps of an epoch, the second with one micro batch
  );
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("accumulated micro batches equal one larger batch", sanitize, async () => {
  const folder = tinyFolder();
  const keys = { ...lora, pad_to_sequence_len: true, max_steps: 6, weight_decay: 0.1 };
  const losses = async (micro: number, accumulation: number) =>
    only(
      await train(folder, {
        ...keys,
        micro_batch_size: micro,
        gradient_accumulation_steps: accumulation,
      }),
      "step",
    ).map(({ loss, grad_norm }) => [loss, grad_norm]);
  const [large, small] = [await losses(4, 1), await losses(1, 4)];
  const worst = Math.max(
    ...large.flatMap((pair, i) => pair.map((v, j) => Math.abs(v - small[i][j]))),
  );
  console.log(`accumulated and at once differ by at most ${worst.toExponential(2)}`);
  assert.ok(worst < 1e-5);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("a run that is stopped keeps what it learned", sanitize, async () => {
  const folder = tinyFolder();
  const stop = new AbortController();
  const seen: number[] = [];
  const events = await train(folder, { ...lora, max_steps: 50 }, {
    signal: stop.signal,
    onEvent(event) {
      if (event.event === "step") seen.push(event.step);
      if (event.event === "step" && event.step === 3) stop.abort();
    },
  });
  assert.equal(events.length, 0);
  assert.deepEqual(seen, [1, 2, 3]);
  assert.equal(json(`${folder}/out/trainer_state.json`).global_step, 3);
  const tensors = await readTensors(`${folder}/out/adapter_model.safetensors`);
  const b = [...tensors].find(([name]) => name.includes("lora_B"))!;
  assert.ok(b[1].values.some((value) => value !== 0));
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("a failing run leaves the earlier result alone", sanitize, async () => {
  const folder = tinyFolder();
  await train(folder, lora);
  const before = readFileSync(`${folder}/out/adapter_model.safetensors`);
  await assert.rejects(
    train(folder, lora, {
      after: () => Promise.reject(new Error("as if the disk were full")),
    }),
    /disk/,
  );
  assert.deepEqual(readFileSync(`${folder}/out/adapter_model.safetensors`), before);
  await assert.rejects(
    train(folder, { ...lora, learning_rate: 1e30, max_grad_norm: 0, max_steps: 6 }),
    /is not a number any more/,
  );
  assert.deepEqual(readFileSync(`${folder}/out/adapter_model.safetensors`), before);
  assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [
    "data.jsonl",
    "model",
    "out",
    "out.old-checkpoints",
    "texts.jsonl",
  ]);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test(
  "a run that fails before it begins spares another run's unfinished folder",
  sanitize,
  async () => {
    const folder = tinyFolder();
    Deno.mkdirSync(`${folder}/out.partial`);
    Deno.writeTextFileSync(
      `${folder}/out.partial/eft_config.yml`,
      "of a run that goes on elsewhere",
    );
    await assert.rejects(
      train(folder, { ...lora, sequence_len: 4, min_sample_len: 4, datasets: [] }),
    );
    await assert.rejects(
      train(folder, { ...lora, base_model: `${folder}/nowhere` }),
      /there is no model/,
    );
    assert.ok(Deno.statSync(`${folder}/out.partial/eft_config.yml`).isFile);
    Deno.removeSync(folder, { recursive: true });
  },
);

Deno.test("full fine-tuning leaves a model folder that loads again", sanitize, async () => {
  const folder = tinyFolder("base-qwen2");
  const tied = await readTensors(`${folder}/model`);
  const events = await train(folder, {
    max_steps: 8,
    val_set_size: 2,
    eval_steps: 8,
    learning_rate: 1e-3,
  });
  const last = only(events, "eval").at(-1)!.eval_loss;
  const found = await readTensors(`${folder}/out`);
  assert.deepEqual([...found.keys()].sort(), [...tied.keys()].sort());
  for (const [name, { dtype, shape, values }] of found) {
    assert.deepEqual([dtype, shape], [tied.get(name)!.dtype, tied.get(name)!.shape]);
    assert.notDeepEqual(values, tied.get(name)!.values, `${name} was not trained`);
  }
  assert.deepEqual(json(`${folder}/out/config.json`), json(`${folder}/model/config.json`));

  // Trained on with a learning rate of 0: the evaluation is where the first run ended.
  const again = await train(folder, {
    base_model: `${folder}/out`,
    output_dir: `${folder}/again`,
    learning_rate: 0,
    max_steps: 1,
    val_set_size: 2,
    eval_steps: 1,
  });
  assert.equal(only(again, "eval")[0].eval_loss, last);
  assert.equal(only(again, "eval")[1].eval_loss, last);
  assert.deepEqual(
    readFileSync(`${folder}/again/model.safetensors`),
    readFileSync(`${folder}/out/model.safetensors`),
  );

  // And `eft inference` takes it.
  const device = await testDevice();
  const { config } = parseConfig(configText(folder), "test.yml");
  const session = await openInference(host, config, device);
  assert.equal(session.source, `${folder}/out`);
  session.memory.destroy();
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("weight decay spares biases and norms", sanitize, async () => {
  const folder = tinyFolder("base-qwen2");
  await withTrainer(folder, { weight_decay: 0.5 }, async (trainer: Trainer) => {
    const { groups, trained } = trainer.session;
    assert.deepEqual(groups.map(({ weightDecay }) => weightDecay), [0.5, 0]);
    for (const [name, tensor] of trained) {
      const spared = tensor.shape.length === 1;
      assert.equal(tensor.view!.of, groups[spared ? 1 : 0].value, name);
    }
    await Promise.resolve();
  });
  // With every gradient clipped to nothing, decay alone shrinks matrices by 1 − rate · decay.
  const keys = { weight_decay: 0.5, learning_rate: 0.1, max_steps: 1, adam_epsilon: 1e30 };
  await train(folder, keys);
  const [before, after] = [
    await readTensors(`${folder}/model`),
    await readTensors(`${folder}/out`),
  ];
  for (const [name, { values, shape }] of before) {
    const factor = shape.length === 1 ? 1 : 0.95;
    const found = after.get(name)!.values;
    values.forEach((value, i) => {
      assert.ok(Math.abs(found[i] - factor * value) <= 1e-6 * Math.abs(value), name);
    });
  }
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("reinit_weights needs no weights and draws the same ones again", sanitize, async () => {
  const folder = tinyFolder();
  Deno.removeSync(`${folder}/model/model.safetensors`);
  const keys = { reinit_weights: true, max_steps: 2 };
  await train(folder, keys);
  await train(folder, { ...keys, output_dir: `${folder}/again` });
  const [a, b] = ["out", "again"].map((name) =>
    readFileSync(`${folder}/${name}/model.safetensors`)
  );
  assert.deepEqual(a, b);
  const tensors = await readTensors(`${folder}/out`);
  const spread = (values: Float32Array) => Math.hypot(...values) / Math.sqrt(values.length);
  const found = spread(tensors.get("model.layers.0.mlp.up_proj.weight")!.values);
  assert.ok(Math.abs(found - 0.08) < 0.005, `initializer_range is 0.08, found ${found}`);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("memory is given back when a run ends", sanitize, async () => {
  const device = await testDevice();
  const folder = tinyFolder();
  const before = device.allocatedBytes;
  await withTrainer(folder, lora, () => Promise.resolve());
  assert.equal(device.allocatedBytes, before);
  assert.ok(new Memory(device));
  Deno.removeSync(folder, { recursive: true });
});
