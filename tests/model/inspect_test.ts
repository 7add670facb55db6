// A model folder is described without a device, and all that is wrong with it is said at once.

import { deepEqual, equal, match } from "node:assert/strict";
import { denoHost } from "../../src/host/deno.ts";
import { inspectModel } from "../../src/model/inspect.ts";

const tiny = "public/models/eft-tiny";

/** Inspects a copy of the embedded model after a change to it. */
async function changed(change: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    for (const { name } of Deno.readDirSync(tiny)) {
      await Deno.copyFile(`${tiny}/${name}`, `${folder}/${name}`);
    }
    await change(folder);
    return await inspectModel(denoHost(), folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("the embedded model is what its files say", async () => {
  const { facts, problems } = await inspectModel(denoHost(), tiny);
  deepEqual(problems, []);
  const file = (await Deno.stat(`${tiny}/model.safetensors`)).size;
  deepEqual({ ...facts, bytes: 0 }, {
    architecture: "LlamaForCausalLM",
    parameters: 512 * 128 + 4 * (4 * 128 * 128 + 3 * 128 * 344 + 2 * 128) + 128,
    layers: 4,
    width: 128,
    heads: 4,
    keyHeads: 4,
    feedForward: 344,
    vocabulary: 512,
    positions: 256,
    dtype: "BF16",
    bytes: 0,
  });
  equal(facts!.bytes, 2 * facts!.parameters);
  equal(facts!.bytes < file && file < facts!.bytes + 10_000, true);
});

Deno.test("a quantized model counts its parameters unquantized", async () => {
  const { facts, problems } = await inspectModel(denoHost(), "tests/golden/quant/base-gptq");
  deepEqual(problems.filter((each) => !each.startsWith("tokenizer.json")), []);
  deepEqual(facts?.quantization, { method: "gptq", bits: 4 });
  const unquantized = facts!.parameters * 2;
  equal(facts!.bytes < unquantized, true);
});

Deno.test("everything that is wrong is said, without the folder's path", async () => {
  const { problems, facts } = await changed(async (folder) => {
    await Deno.writeTextFile(`${folder}/config.json`, '{"architectures":["Mamba2ForCausalLM"]}');
    await Deno.truncate(`${folder}/model.safetensors`, 5000);
    await Deno.writeTextFile(`${folder}/tokenizer.json`, "{");
  });
  equal(facts, undefined);
  equal(problems.length, 3);
  match(problems[0], /^config\.json: The architecture Mamba2ForCausalLM is not supported/);
  match(problems[1], /^model\.safetensors: the file is cut off/);
  match(problems[2], /^tokenizer\.json: /);
});

Deno.test("missing files are named, weights of other programs recognised", async () => {
  for (const name of ["pytorch_model.bin", "model.gguf", "model.onnx", "model.zip"]) {
    const { problems } = await changed(async (folder) => {
      await Deno.remove(`${folder}/config.json`);
      await Deno.remove(`${folder}/tokenizer.json`);
      await Deno.rename(`${folder}/model.safetensors`, `${folder}/${name}`);
    });
    equal(problems.length, 3, name);
    match(problems[0], /^config\.json is missing/);
    match(problems[1], new RegExp(`^${name} is .*safetensors only`));
    match(problems[2], /^tokenizer\.json is missing/);
  }
  const { problems } = await changed((folder) =>
    Deno.rename(`${folder}/config.json`, `${folder}/adapter_config.json`)
  );
  match(problems.join(), /^This is a LoRA adapter/);
});

Deno.test("a tensor that config.json asks for and the file lacks is named", async () => {
  const { problems } = await changed(async (folder) => {
    const config = JSON.parse(await Deno.readTextFile(`${folder}/config.json`));
    config.num_hidden_layers = 5;
    await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify(config));
  });
  match(problems.join(), /model\.layers\.4\.\S+ is missing/);
});
