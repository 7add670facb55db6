// The commands as a person or a program uses them, on a tiny model: train, inference, merge-lora,
// plan, doctor, and Ctrl-C.

import assert from "node:assert/strict";
import { distance, logitsOf, openModel } from "../model/logits.ts";
import { configText, lora, readTensors, sanitize, tinyFolder } from "../train/tiny.ts";
import { eft, eftProcess, events, spawn } from "./eft.ts";

const keys = { ...lora, max_steps: 3, val_set_size: 2, eval_steps: 2 };

Deno.test("train, ask, merge, ask the merged model", sanitize, async () => {
  const folder = tinyFolder();
  const file = `${folder}/run.yml`;
  Deno.writeTextFileSync(file, `# my run\n${configText(folder, keys)}`);

  // train.ts, as the README has it, with settings on the command line.
  const trained = await eftProcess([file, "--json", "--learning-rate", "2e-2", "--seed=3"], {
    program: "train.ts",
  });
  assert.equal(trained.code, 0, trained.err);
  const seen = events(trained);
  const order = seen.map(({ event, step }) => step === undefined ? event : `${event} ${step}`);
  assert.deepEqual(order.filter((name) => name !== "note"), [
    "start",
    "eval 0",
    "step 1",
    "step 2",
    "eval 2",
    "checkpoint 2", // the end of the first epoch
    "step 3",
    "eval 3",
    "checkpoint 3",
    "end",
  ]);
  assert.ok(seen.filter(({ event }) => event === "step").every((e) => e.learning_rate === 0.02));
  const end = seen.at(-1);
  for (
    const [key, kind] of Object.entries({
      steps: "number",
      train_loss: "number",
      tokens_per_second: "number",
      trained_tokens: "number",
      peak_gpu_bytes: "number",
      planned_gpu_bytes: "number",
      adapter: "string",
      engine: "string",
      output_dir: "string",
      wall_seconds: "number",
    })
  ) assert.equal(typeof end[key], kind, key);
  assert.match(trained.err, /step 3\/3 {2}loss \d+\.\d{4}/);
  assert.match(trained.err, /step 2: eval_loss \d/);
  assert.match(trained.err, /done: 3 steps in .* written to /);
  if (seen.find(({ event }) => event === "start").software) {
    assert.match(trained.err, /SOFTWARE ADAPTER/);
  }
  const kept = Deno.readTextFileSync(`${folder}/out/eft_config.yml`);
  assert.match(kept, /^# my run\n[^]*"learning_rate": 0.02[^]*seed"?: 3/);

  // An answer, its event, and the same answer again.
  const ask = (...more: string[]) =>
    eft("inference", file, "--prompt", "Say a", "--max-new-tokens", "8", "--json", ...more);
  const asked = await ask();
  assert.equal(asked.code, 0, asked.err);
  const [answer] = events(asked).filter(({ event }) => event === "answer");
  assert.ok(answer.tokens <= 8 && answer.prompt_tokens > 0 && answer.seconds > 0);
  assert.equal(events(await ask()).at(-1).text, answer.text);
  const drawn = await ask("--temperature", "5", "--top-k", "0", "--top-p", "1");
  assert.equal(drawn.code, 0);
  assert.notEqual(events(drawn).at(-1).text, answer.text);

  // A conversation through a pipe: two questions, then an empty line.
  const talk = await eftProcess(["inference", file, "--max-new-tokens", "4", "--json"], {
    stdin: "Say a\nCount\n\n",
  });
  assert.equal(talk.code, 0, talk.err);
  assert.equal(events(talk).filter(({ event }) => event === "answer").length, 2);

  // Merged: the same logits without an adapter.
  const merged = await eft("merge-lora", file, "--json");
  assert.equal(merged.code, 0, merged.err);
  assert.equal(events(merged).at(-1).output_dir, `${folder}/out/merged`);
  const rows = [[5, 80, 100, 3, 250, 7, 9, 11]];
  const together = await openModel(`${folder}/model`, { adapter: `${folder}/out` });
  const alone = await openModel(`${folder}/out/merged`);
  const worst = distance(await logitsOf(together, rows), await logitsOf(alone, rows));
  together.memory.destroy();
  alone.memory.destroy();
  assert.ok(worst < 1e-4, `logits differ by ${worst}`);
  const again = await eft("merge-lora", file);
  assert.equal(again.code, 1);
  assert.match(again.err, /merged exists/);

  // Trained again: the old result is kept beside the new one.
  const over = await eft("train", file, "--max-steps", "1");
  assert.equal(over.code, 0, over.err);
  assert.equal(
    JSON.parse(Deno.readTextFileSync(`${folder}/out/trainer_state.json`)).global_step,
    1,
  );
  assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [
    "data.jsonl",
    "model",
    "out",
    "out.previous",
    "run.yml",
    "texts.jsonl",
  ]);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("Ctrl-C ends after the step and keeps the result", sanitize, async () => {
  if (Deno.build.os === "windows") return; // no signals to send there
  const folder = tinyFolder();
  Deno.writeTextFileSync(`${folder}/run.yml`, configText(folder, { ...lora, max_steps: 100000 }));
  const child = spawn(["train", `${folder}/run.yml`, "--json"]);
  let out = "";
  let asked = false;
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    out += text;
    if (!asked && out.includes('"event":"step","step":2,')) {
      child.kill("SIGINT");
      asked = true;
    }
  }
  const err = await new Response(child.stderr).text();
  const { code } = await child.status;
  assert.equal(code, 0, err);
  assert.match(err, /Stopping after this step; the result so far is kept/);
  const seen = events({ code, out, err });
  const end = seen.at(-1);
  assert.equal(end.event, "end");
  assert.ok(end.steps >= 2 && end.steps < 100000);
  assert.equal(seen.filter(({ event }) => event === "step").at(-1).step, end.steps);
  const state = JSON.parse(Deno.readTextFileSync(`${folder}/out/trainer_state.json`));
  assert.equal(state.global_step, end.steps);
  const tensors = await readTensors(`${folder}/out/adapter_model.safetensors`);
  assert.equal(tensors.size, 28);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("plan and doctor", sanitize, async () => {
  const folder = tinyFolder();
  const file = `${folder}/run.yml`;
  Deno.writeTextFileSync(file, configText(folder, keys));
  const planned = await eft("plan", file, "--json");
  assert.equal(planned.code, 0, planned.err);
  const { bytes, steps } = events(planned).at(-1);
  assert.equal(steps, 3);
  const { total, ...lines } = bytes as Record<string, number>;
  for (const line of ["weights", "trained", "gradients", "optimizer", "activations"]) {
    assert.ok(lines[line] > 0, line);
  }
  assert.equal(total, Object.values(lines).reduce((sum, value) => sum + value, 0));
  const read = await eft("plan", file);
  assert.match(
    read.out,
    /total +\d+\.\d MiB\nWhat would take less:\n +\d+\.\d MiB less with micro_batch_size: 1/,
  );
  assert.equal(read.err, "");

  const doctor = await eft("doctor", "--json");
  assert.equal(doctor.code, 0, doctor.err);
  const found = events(doctor).at(-1);
  assert.ok(found.matmul_flops_per_second > 1e6 && found.copy_bytes_per_second > 1e6);
  assert.ok(found.adapter && found.engine && Array.isArray(found.features));
  assert.ok(found.limits.maxBinding >= 2 ** 27);
  assert.match(doctor.err, /adapter .*\nengine {4}/);
  Deno.removeSync(folder, { recursive: true });
});
