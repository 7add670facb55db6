// Keeping a run as a person does it: Ctrl-C and the command it prints, evaluating, asking with and
// without the adapter, the model card.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type Arguments, parseArguments } from "../../src/cli/arguments.ts";
import { resumeCommand } from "../../src/cli/train.ts";
import { configText, lora, sanitize, tinyFolder } from "../train/tiny.ts";
import { eft, eftProcess, events, spawn } from "./eft.ts";

Deno.test("Ctrl-C saves, and the command it prints goes on to the same end", sanitize, async () => {
  if (Deno.build.os === "windows") return; // no signals to send there
  const folder = tinyFolder();
  const file = `${folder}/my run.yml`;
  Deno.writeTextFileSync(file, configText(folder, { ...lora, lora_dropout: 0.1 }));
  const settings = ["--max-steps", "25", "--seed=3", "--save-strategy", "no", "--json"];
  const child = spawn(["train", file, ...settings]);
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
  const end = events({ code, out, err }).at(-1);
  assert.equal(end.ended_by, "interrupt");
  assert.ok(end.steps < 25);
  assert.equal(end.checkpoint, `${folder}/out/checkpoint-${end.steps}`);
  const [, command] = /To go on from there:\n {2}(.*)\n/.exec(err)!;
  assert.match(command, /^npx deno run -P train\.ts '.*my run\.yml' .*--resume-from-checkpoint/);
  const [, , , , program, ...words] = command.match(/'[^']*'|\S+/g)!;
  const args = words.map((word) => word.replaceAll("'", ""));
  const resumed = await eftProcess(args, { program });
  assert.equal(resumed.code, 0, resumed.err);
  assert.equal(events(resumed)[0].event, "note");
  assert.equal(events(resumed).at(-1).steps, 25);

  const alone = await eft("train", file, ...settings, "--output-dir", `${folder}/alone`);
  assert.equal(alone.code, 0, alone.err);
  assert.deepEqual(
    readFileSync(`${folder}/out/adapter_model.safetensors`),
    readFileSync(`${folder}/alone/adapter_model.safetensors`),
  );
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("the command to go on is the one given, with its checkpoint", () => {
  const command = (...args: string[]) =>
    resumeCommand(parseArguments(["train", ...args]) as Arguments, "out/checkpoint-7");
  assert.equal(
    command("run.yml", "--engine", "wgpu", "--learning-rate", "1e-4", "--no-sample-packing"),
    "npx deno run -P train.ts run.yml --engine wgpu --learning-rate=1e-4 --sample-packing=false " +
      "--resume-from-checkpoint out/checkpoint-7",
  );
  assert.equal(
    command("it's.yml", "--resume-from-checkpoint", "old", "--auto-resume-from-checkpoints"),
    "npx deno run -P train.ts 'it'\\''s.yml' --resume-from-checkpoint out/checkpoint-7",
  );
});

Deno.test("evaluate, inference with and without the adapter, the card", sanitize, async () => {
  const folder = tinyFolder();
  const file = `${folder}/run.yml`;
  const half = Deno.readTextFileSync(`${folder}/texts.jsonl`).split("\n").slice(0, 3).join("\n");
  Deno.writeTextFileSync(`${folder}/half.jsonl`, half);
  const keys = {
    ...lora,
    max_steps: 6,
    lora_dropout: 0.2,
    test_datasets: [{ path: `${folder}/half.jsonl`, type: "completion" }],
    eval_steps: 3,
    generate_samples: true,
    generation_max_new_tokens: 3,
  };
  Deno.writeTextFileSync(file, `# trains\n${configText(folder, keys)}`);
  const trained = await eft("train", file, "--json");
  assert.equal(trained.code, 0, trained.err);
  const seen = events(trained);
  const last = seen.filter(({ event }) => event === "eval").at(-1);
  const samples = seen.filter(({ event }) => event === "sample");
  assert.deepEqual(samples.map(({ step }) => step), [0, 0, 0, 3, 3, 3, 6, 6, 6]);
  assert.equal(samples[0].prompt + samples[0].expected, "Say a: aaa");
  const written = Deno.readTextFileSync(`${folder}/out/samples.jsonl`).trim().split("\n");
  assert.deepEqual(JSON.parse(written[8]), {
    step: 6,
    prompt: samples[8].prompt,
    generated: samples[8].generated,
    expected: samples[8].expected,
  });

  const evaluated = await eft("evaluate", file, "--json");
  assert.equal(evaluated.code, 0, evaluated.err);
  const parts = events(evaluated).filter(({ event }) => event === "evaluation");
  assert.deepEqual(parts.map(({ name }) => name), [
    "training",
    "validation",
    `${folder}/texts.jsonl`,
    `${folder}/half.jsonl`,
  ]);
  assert.equal(parts[1].loss, last.eval_loss);
  assert.equal(parts[1].perplexity, last.eval_ppl);
  assert.equal(parts[3].loss, parts[1].loss);
  const csv = Deno.readTextFileSync(`${folder}/out/eval_summary.csv`).trim().split("\n");
  assert.equal(csv[0], "metric,training,validation");
  assert.equal(csv[1], `loss,${parts[0].loss},${parts[1].loss}`);
  assert.equal(csv[2], `perplexity,${parts[0].perplexity},${parts[1].perplexity}`);
  assert.equal(csv.at(-2), `loss ${folder}/half.jsonl,,${parts[3].loss}`);
  // The adapter of a checkpoint, and a model without one.
  const early = await eft(
    "evaluate",
    file,
    "--json",
    "--lora-model-dir",
    `${folder}/out/checkpoint-3`,
  );
  const first = seen.filter(({ event, step }) => event === "eval" && step === 3)[0];
  assert.equal(events(early).find(({ name }) => name === "validation").loss, first.eval_loss);

  const ask = async (...more: string[]) => {
    const asked = await eft(
      "inference",
      file,
      "--prompt",
      "Say a",
      "--max-new-tokens",
      "6",
      "--json",
      ...more,
    );
    assert.equal(asked.code, 0, asked.err);
    return events(asked).filter(({ event }) => event === "answer");
  };
  const [base, adapted] = await ask("--compare");
  assert.deepEqual([base.adapter, adapted.adapter], [false, true]);
  assert.notEqual(base.text, adapted.text);
  assert.equal((await ask())[0].text, adapted.text);
  const [alpaca] = await ask("--prompter", "AlpacaPrompter", "--sequence-len", "256");
  assert.ok(alpaca.prompt_tokens > adapted.prompt_tokens);
  assert.equal((await ask("--prompter", "None"))[0].text, adapted.text);
  const wrong = await eft("inference", file, "--prompt", "Say a", "--prompter", "Nobody");
  assert.match(wrong.err, /--prompter Nobody: choose one of AlpacaPrompter, None, alpaca/);

  const talk = await eftProcess(["inference", file, "--max-new-tokens", "6", "--json"], {
    stdin: "Say a\n/base\nSay a\n/base\nSay a\n\n",
  });
  assert.equal(talk.code, 0, talk.err);
  assert.deepEqual(
    events(talk).filter(({ event }) => event === "answer").map(({ text }) => text),
    [adapted.text, base.text, adapted.text],
  );
  assert.match(talk.err, /The adapter is off\.[^]*The adapter is on\./);

  const card = Deno.readTextFileSync(`${folder}/out/README.md`);
  assert.match(card, /^---\nlibrary_name: "peft"\nbase_model: ".*model"\ntags:\n- "eft"\n/);
  assert.match(card, /<details><summary>Configuration<\/summary>\n\n```yaml\n# trains\n/);
  assert.match(card, /- learning_rate: 0.01\n/);
  assert.ok(card.includes(`| 3.0000 | 9 |`) || card.includes(`| 2.0000 | 6 |`), card);
  assert.ok(card.includes(last.eval_loss.toFixed(4)), card);
  Deno.removeSync(folder, { recursive: true });
});
