// The tiny examples over quantized bases, as a person runs them: train, ask the held-out questions,
// merge where that is possible, ask again. Minutes, so not among the ordinary tests:
//
//   deno run -A --no-check tests/large/examples.ts [qlora] [lora-8bit] [gptq]

import assert from "node:assert/strict";
import { main } from "../../src/cli/main.ts";
import { parseConfig } from "../../src/config/config.ts";
import { openDevice } from "../../src/gpu/device.ts";
import { denoHost } from "../../src/host/deno.ts";
import { readQuestions, score, type Scored } from "../../src/infer/heldout.ts";
import { openInference } from "../../src/infer/session.ts";
import { runTraining } from "../../src/train/run.ts";

const host = denoHost();
const questions = await readQuestions(host, "public/data/town-heldout.jsonl");
const names = Deno.args.length > 0 ? Deno.args : ["qlora", "lora-8bit", "gptq"];
const percent = (fraction: number) => `${(100 * fraction).toFixed(1)} %`;

for (const name of names) {
  const file = `examples/tiny/${name}.yml`;
  const text = await host.readText(file);
  const { config } = parseConfig(text, file);
  await host.remove(config.output_dir);
  const start = performance.now();
  if (name === "gptq") {
    await host.remove(config.base_model);
    const args = ["quantize", "examples/tiny/lora.yml", "--bits", "4", "--group-size", "64"];
    assert.equal(await main([...args, "--output-dir", config.base_model]), 0);
  }
  let trained: Scored | undefined;
  await runTraining(host, {
    configText: text,
    configFile: file,
    async after({ session, memory }) {
      const { config, loaded, tokenizer } = session;
      trained = await score(host, questions, config, loaded.model, memory, tokenizer);
    },
  });
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  console.log(`${name}: ${percent(trained!.accuracy)} held-out, ${seconds} s`);
  assert.ok(trained!.accuracy >= 0.85);
  if (name === "gptq") {
    assert.notEqual(await main(["merge-lora", file]), 0);
    continue;
  }
  assert.equal(await main(["merge-lora", file]), 0);
  const device = await openDevice(host);
  const merged = { base_model: `${config.output_dir}/merged`, adapter: undefined };
  const plain = { load_in_4bit: undefined, load_in_8bit: undefined };
  const session = await openInference(host, { ...config, ...plain, ...merged }, device);
  const after = await score(
    host,
    questions,
    { ...config, ...merged },
    session.model,
    session.memory,
    session.tokenizer,
  );
  const same = after.answers.filter((answer, i) => answer === trained!.answers[i]).length;
  console.log(
    `${name}: merged ${percent(after.accuracy)}, ${same} of ${questions.length} answers the same`,
  );
  session.memory.destroy();
  device.destroy();
}
Deno.exit(0);
