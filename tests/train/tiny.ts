// What tests of whole runs share: a model folder with a tokenizer of single bytes, a small data set,
// a configuration, and a run through the ordinary path.

import { type Override, parseConfig } from "../../src/config/config.ts";
import { bytesToF32 } from "../../src/files/dtype.ts";
import { openSafetensors } from "../../src/files/safetensors.ts";
import { sizeOf } from "../../src/graph/graph.ts";
import { denoHost } from "../../src/host/deno.ts";
import type { RunEvent } from "../../src/train/events.ts";
import { type RunOptions, runTraining } from "../../src/train/run.ts";
import { prepareSession } from "../../src/train/session.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { tinyFiles } from "../data/tiny_tokenizer.ts";
import { testDevice } from "../device.ts";

export const host = denoHost();
export const sanitize = { sanitizeOps: false, sanitizeResources: false, sanitizeExit: false };

/** Rows whose answers follow from the questions, of several lengths. */
export const rows = [
  { instruction: "Say a", output: "aaa" },
  { instruction: "Say b twice", output: "bb" },
  { instruction: "Say c", input: "now", output: "c c c c" },
  { instruction: "Count", output: "one two three four five" },
  { instruction: "Name a color", output: "red" },
  { instruction: "Name two", output: "red, blue" },
];

/** The same as short plain texts (a token is a byte). */
export const texts = rows.map(({ instruction, output }) => ({ text: `${instruction}: ${output}` }));

type Base = "base-llama" | "base-qwen2" | "quant/base-gptq" | "quant/base-awq";

/** A folder with `model` (golden base model and tokenizer), `data.jsonl` and `texts.jsonl`. */
export function tinyFolder(base: Base = "base-llama"): string {
  const folder = Deno.makeTempDirSync({ prefix: "eft-test-" });
  Deno.mkdirSync(`${folder}/model`);
  for (const { name } of Deno.readDirSync(`tests/golden/${base}`)) {
    Deno.copyFileSync(`tests/golden/${base}/${name}`, `${folder}/model/${name}`);
  }
  for (const [path, text] of Object.entries(tokenizerFiles())) {
    Deno.writeTextFileSync(`${folder}/${path}`, text);
  }
  const lines = (values: unknown[]) => values.map((value) => JSON.stringify(value)).join("\n");
  Deno.writeTextFileSync(`${folder}/data.jsonl`, lines(rows));
  Deno.writeTextFileSync(`${folder}/texts.jsonl`, lines(texts));
  return folder;
}

/** The tokenizer of tests/data with ids below 260, all that base-llama has. */
export function tokenizerFiles(): Record<string, string> {
  const files = tinyFiles();
  const tokenizer = JSON.parse(files["model/tokenizer.json"]);
  tokenizer.added_tokens = tokenizer.added_tokens.slice(0, 3);
  tokenizer.model.merges = [];
  const vocab = Object.entries(tokenizer.model.vocab as Record<string, number>)
    .filter(([token, id]) => id < 266 && !token.startsWith("<|im"))
    .map(([token, id]) => [token, id >= 10 ? id - 7 : id]);
  tokenizer.model.vocab = Object.fromEntries(vocab);
  return { ...files, "model/tokenizer.json": JSON.stringify(tokenizer) };
}

type Keys = Record<string, unknown>;

export const lora: Keys = {
  adapter: "lora",
  lora_r: 4,
  lora_alpha: 8,
  lora_target_linear: true,
};

/** A configuration as YAML (JSON is YAML); keys that are undefined are left out. */
export function configText(folder: string, keys: Keys = {}): string {
  return JSON.stringify(
    {
      base_model: `${folder}/model`,
      datasets: [{ path: `${folder}/texts.jsonl`, type: "completion" }],
      sequence_len: 64,
      micro_batch_size: 2,
      max_steps: 4,
      learning_rate: 1e-2,
      warmup_steps: 0,
      lr_scheduler: "constant",
      logging_steps: 1,
      output_dir: `${folder}/out`,
      ...keys,
    },
    null,
    1,
  );
}

/** Trains; returns all events. */
export async function train(
  folder: string,
  keys: Keys = {},
  options: Partial<RunOptions> & { overrides?: Override[] } = {},
): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  await runTraining(host, {
    configText: configText(folder, keys),
    configFile: "test.yml",
    onEvent: (event) => events.push(event),
    ...options,
  });
  return events;
}

/** The events of one kind. */
export function only<Kind extends RunEvent["event"]>(
  events: readonly RunEvent[],
  kind: Kind,
): Extract<RunEvent, { event: Kind }>[] {
  return events.filter((event) => event.event === kind) as never;
}

/** A trainer on the test device, released after `body`. */
export async function withTrainer<T>(
  folder: string,
  keys: Keys,
  body: (trainer: Trainer) => Promise<T>,
): Promise<T> {
  const device = await testDevice();
  const { config } = parseConfig(configText(folder, keys), "test.yml");
  const trainer = await Trainer.create(await prepareSession(host, config, device.limits), device);
  try {
    return await body(trainer);
  } finally {
    trainer.destroy();
  }
}

/** The trained tensors as they are now. */
export async function tensorValues(trainer: Trainer): Promise<Map<string, Float32Array>> {
  const { trained } = trainer.session;
  const read = await trainer.memory.read([...trained.values()].map((tensor) => ({ tensor })));
  return new Map([...trained].map(([name, tensor], i) => [
    name,
    new Float32Array(read[i], 0, sizeOf(tensor)),
  ]));
}

/** Every tensor of a safetensors file or folder as f32. */
export async function readTensors(
  path: string,
): Promise<Map<string, { dtype: string; shape: number[]; values: Float32Array }>> {
  const files = await openSafetensors(host, path);
  const found = new Map();
  for (const [name, entry] of files.tensors) {
    const values = bytesToF32(await entry.read(), entry.dtype);
    found.set(name, { dtype: entry.dtype, shape: entry.shape, values });
  }
  files.close();
  return found;
}
