// What a person can get wrong: one clear message with its place, an exit code, and nothing left
// behind.

import assert from "node:assert/strict";
import { openSafetensors, writeSafetensors } from "../../src/files/safetensors.ts";
import { configText, host, lora, sanitize, tinyFolder } from "../train/tiny.ts";
import { eft, eftProcess, events, type Outcome } from "./eft.ts";

interface Case {
  name: string;
  /** Keys of the configuration beside the usual ones. */
  keys?: Record<string, unknown>;
  /** The whole text of the configuration, or null for none. */
  config?: string | null;
  /** Spoils the folder. */
  spoil?: (folder: string) => void | Promise<void>;
  args?: (folder: string) => string[];
  code: string;
  message: RegExp;
  /** `file` ends with this; line and column are those given. */
  place?: { file?: string; line?: number; column?: number };
  exit?: number;
}

const truncate = (path: string, bytes: number) => {
  Deno.truncateSync(path, Deno.statSync(path).size - bytes);
};

const cases: Case[] = [
  {
    name: "missing configuration",
    config: null,
    code: "config",
    message: /There is no such configuration file/,
  },
  {
    name: "broken YAML",
    config: "base_model: x\ndatasets: [{path: a\nlearning_rate: 1\n",
    code: "config",
    message: /\S/,
    place: { file: "run.yml", line: 3 },
  },
  {
    name: "unknown key",
    config:
      "base_model: x\ndatasets:\n  - {path: a, type: alpaca}\nlearning_rat: 1e-4\nlearning_rate: 1\n",
    code: "config",
    message: /unknown key `learning_rat`; did you mean `learning_rate`\?/,
    place: { file: "run.yml", line: 4, column: 1 },
  },
  {
    name: "a value of the wrong kind on the command line",
    args: (folder) => ["train", `${folder}/run.yml`, "--lora-r", "many", "--adapter", "lora"],
    code: "config",
    message: /on the command line: `lora_r` is "many", expected a whole number/,
  },
  {
    name: "missing model folder",
    keys: { base_model: "no/such/model" },
    code: "model",
    message: /there is no model at no\/such\/model/,
  },
  {
    name: "an architecture that is not supported",
    spoil: (folder) => {
      const path = `${folder}/model/config.json`;
      const text = Deno.readTextFileSync(path);
      Deno.writeTextFileSync(path, text.replace("LlamaForCausalLM", "MambaForCausalLM"));
    },
    code: "model",
    message: /MambaForCausalLM is not supported. Supported: LlamaForCausalLM, /,
    place: { file: "model/config.json" },
  },
  {
    name: "truncated safetensors",
    spoil: (folder) => truncate(`${folder}/model/model.safetensors`, 1000),
    code: "model",
    message: /cut off: expected 531808 bytes, found 530808/,
    place: { file: "model/model.safetensors" },
  },
  {
    name: "safetensors cut within the header",
    spoil: (folder) => truncate(`${folder}/model/model.safetensors`, 531708),
    code: "model",
    message: /cut off: the header alone needs/,
    place: { file: "model/model.safetensors" },
  },
  {
    name: "a tensor of the wrong shape",
    spoil: (folder) => respell(folder, "model.norm.weight", (name) => name, [32]),
    code: "model",
    message: /model\.norm\.weight has shape \[32\], but config\.json asks for \[64\]/,
    place: { file: "model/model.safetensors" },
  },
  {
    name: "a tensor that is missing",
    spoil: (folder) => respell(folder, "model.norm.weight", () => "model.other.weight"),
    code: "model",
    message: /The tensor model\.norm\.weight is missing/,
    place: { file: "model/model.safetensors" },
  },
  {
    name: "no tokenizer",
    spoil: (folder) => Deno.removeSync(`${folder}/model/tokenizer.json`),
    code: "model",
    message: /the file is missing\. A model folder needs tokenizer\.json/,
    place: { file: "model/tokenizer.json" },
  },
  {
    name: "missing data set",
    keys: { datasets: [{ path: "no/such.jsonl", type: "alpaca" }] },
    code: "data",
    message: /there is no data set at no\/such\.jsonl/,
  },
  {
    name: "an empty data set",
    spoil: (folder) => Deno.writeTextFileSync(`${folder}/texts.jsonl`, ""),
    code: "data",
    message: /the file is empty/,
    place: { file: "texts.jsonl" },
  },
  {
    name: "a data set of which nothing is left",
    spoil: (folder) => {
      const keys = {
        sequence_len: 4,
        datasets: [{ path: `${folder}/data.jsonl`, type: "alpaca" }],
      };
      Deno.writeTextFileSync(`${folder}/run.yml`, configText(folder, keys));
    },
    code: "data",
    message: /of 6 rows, 6 samples are longer than sequence_len \(4\)/,
  },
  {
    name: "malformed JSONL, line 17",
    spoil(folder) {
      const lines = Array.from({ length: 30 }, (_, i) => JSON.stringify({ text: `text ${i}` }));
      lines[16] = '{"text": "text 16';
      Deno.writeTextFileSync(`${folder}/texts.jsonl`, lines.join("\n"));
    },
    code: "data",
    message: /\S/,
    place: { file: "texts.jsonl", line: 17 },
  },
  {
    name: "a row without its field, line 3",
    spoil(folder) {
      const lines = [{ text: "a b" }, { text: "c d" }, { txt: "e f" }];
      Deno.writeTextFileSync(
        `${folder}/texts.jsonl`,
        lines.map((l) => JSON.stringify(l)).join("\n"),
      );
    },
    code: "data",
    message: /`?text`?/,
    place: { file: "texts.jsonl", line: 3 },
  },
  {
    name: "output_dir that is not ours",
    spoil(folder) {
      Deno.mkdirSync(`${folder}/out`);
      Deno.writeTextFileSync(`${folder}/out/thesis.txt`, "three years of work");
    },
    code: "output",
    message: /out exists and was not made by Eft/,
  },
  {
    name: "output_dir that is a file",
    spoil: (folder) => Deno.writeTextFileSync(`${folder}/out`, "x"),
    code: "output",
    message: /out is a file/,
  },
  {
    name: "LoRA on a layer that the model lacks",
    keys: { ...lora, lora_target_linear: false, lora_target_modules: ["q_proj", "c_attn"] },
    code: "config",
    message: /c_attn names no linear layer of this model\. Its layers are q_proj, k_proj/,
  },
  {
    name: "buffers larger than the device allows",
    keys: { micro_batch_size: 16384, sequence_len: 2048, sample_packing: true },
    code: "device",
    message: /MiB.*Lower micro_batch_size or sequence_len/,
  },
  {
    name: "an unknown command",
    args: (folder) => ["trian", `${folder}/run.yml`],
    code: "command",
    message: /There is no command trian/,
    exit: 2,
  },
  {
    name: "an unknown option",
    args: (folder) => ["train", `${folder}/run.yml`, "--lora-rank", "4"],
    code: "command",
    message: /--lora-rank is neither an option nor a configuration key/,
    exit: 2,
  },
  {
    name: "an option without its value",
    args: (folder) => ["train", `${folder}/run.yml`, "--engine"],
    code: "command",
    message: /--engine needs a value/,
    exit: 2,
  },
  {
    name: "an engine that does not exist",
    args: (folder) => ["train", `${folder}/run.yml`, "--engine", "cuda"],
    code: "command",
    message: /--engine cuda: choose wgpu or dawn/,
    exit: 2,
  },
  {
    name: "kernels that are not of a run",
    args: (folder) => ["train", `${folder}/run.yml`, "--kernels", `${folder}/run.yml`],
    code: "command",
    message: /--kernels .*run\.yml/,
    exit: 2,
  },
  {
    name: "no configuration named",
    args: () => ["train"],
    code: "command",
    message: /train needs a configuration/,
    exit: 2,
  },
  {
    name: "inference before training",
    keys: lora,
    args: (folder) => ["inference", `${folder}/run.yml`, "--prompt", "Say a"],
    code: "model",
    message: /There is no adapter at .*out/,
  },
  {
    name: "merging before training",
    keys: lora,
    args: (folder) => ["merge-lora", `${folder}/run.yml`],
    code: "model",
    message: /There is no adapter at .*out/,
  },
];

/** Renames a tensor of the model, or cuts it to another shape. */
async function respell(
  folder: string,
  name: string,
  rename: (name: string) => string,
  cut?: number[],
) {
  const path = `${folder}/model/model.safetensors`;
  const files = await openSafetensors(host, path);
  const tensors = await Promise.all([...files.tensors.values()].map(async (entry) => {
    const changed = entry.name === name;
    const shape = changed && cut ? cut : entry.shape;
    const bytes = await entry.read(0, 4 * shape.reduce((a, b) => a * b, 1));
    return {
      name: changed ? rename(name) : entry.name,
      dtype: entry.dtype,
      shape,
      data: () => bytes,
    };
  }));
  files.close();
  await writeSafetensors(host, path, tensors);
}

/** Every file below a folder with its size. */
function listing(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    return isDirectory ? listing(path) : [`${path} ${Deno.statSync(path).size}`];
  }).sort();
}

function check(outcome: Outcome, json: boolean, { code, message, place, exit = 1 }: Case) {
  assert.equal(outcome.code, exit, outcome.err);
  const errors = outcome.err.split("\n").filter((line) => line.startsWith("error: "));
  assert.equal(errors.length, 1, outcome.err);
  assert.match(outcome.err, message);
  assert.ok(!/\bat .*\.ts:\d/.test(outcome.err), "no stack for a person's mistake");
  if (!json) return assert.ok(!outcome.out.includes("error"), outcome.out);
  const last = events(outcome).at(-1);
  assert.equal(last.event, "error");
  assert.equal(last.code, code, last.message);
  assert.match(last.message, message);
  if (place?.file !== undefined) {
    assert.ok(last.file?.endsWith(place.file), `file is ${last.file}: ${last.message}`);
  }
  if (place?.line !== undefined) assert.equal(last.line, place.line, last.message);
  if (place?.column !== undefined) assert.equal(last.column, place.column, last.message);
  const at = [last.file, last.line, last.column].filter((part) => part !== undefined).join(":");
  if (at !== "") assert.ok(errors[0].startsWith(`error: ${at}`), errors[0]);
}

for (const each of cases) {
  Deno.test(`bad input: ${each.name}`, sanitize, async () => {
    const folder = tinyFolder();
    const file = `${folder}/run.yml`;
    const text = each.config === undefined ? configText(folder, each.keys) : each.config;
    if (text !== null) Deno.writeTextFileSync(file, text);
    await each.spoil?.(folder);
    const before = listing(folder);
    const args = each.args?.(folder) ?? ["train", file];
    for (const json of [false, true]) {
      check(await eft(...args, ...(json ? ["--json"] : [])), json, each);
      assert.deepEqual(listing(folder), before, "files were left behind or changed");
    }
    Deno.removeSync(folder, { recursive: true });
  });
}

Deno.test("bad input: no adapter", sanitize, async () => {
  const folder = tinyFolder();
  Deno.writeTextFileSync(`${folder}/run.yml`, configText(folder));
  const before = listing(folder);
  // Backends of other systems: DirectX has no adapter outside Windows, OpenGL none on a Mac.
  const env = { DENO_WEBGPU_BACKEND: Deno.build.os === "windows" ? "metal" : "dx12" };
  for (const engine of [[], ["--engine", "wgpu"]]) {
    const outcome = await eftProcess(["train", `${folder}/run.yml`, "--json", ...engine], { env });
    check(outcome, true, {
      name: "no adapter",
      code: "device",
      message: engine.length > 0 ? /wgpu finds no GPU adapter/ : /No WebGPU adapter was found/,
    });
  }
  assert.deepEqual(listing(folder), before);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("help, and a bare call", sanitize, async () => {
  const help = await eft("--help");
  assert.equal(help.code, 0);
  for (const word of ["train", "inference", "plan", "doctor", "merge-lora", "--engine", "--json"]) {
    assert.ok(help.out.includes(word), word);
  }
  assert.equal((await eft()).code, 2);
});

Deno.test("--debug shows the stack", sanitize, async () => {
  const { err } = await eft("train", "nowhere.yml", "--debug");
  assert.match(err, /^error: .*nowhere\.yml[^]*\bat .*config_file\.ts:\d/);
});
