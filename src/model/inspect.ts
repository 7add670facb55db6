// Looks at a model folder without loading it: what it holds, and everything that keeps Eft from
// training it, so that a person hears all of it at once and before anything is copied.

import { loadTokenizer } from "../data/tokenizer.ts";
import { EftError } from "../errors.ts";
import { openSafetensors, type SafetensorsSet } from "../files/safetensors.ts";
import { sizeOf } from "../graph/graph.ts";
import type { Host } from "../host/host.ts";
import { readSettings } from "../quant/checkpoint.ts";
import { type ModelShape, readModelShape } from "./architecture.ts";
import { declareModel } from "./model.ts";
import { findTensor } from "./weights.ts";

export interface ModelFacts {
  /** "LlamaForCausalLM" */
  architecture: string;
  /** Of the whole model, also where it is stored in fewer bits. */
  parameters: number;
  layers: number;
  width: number;
  heads: number;
  keyHeads: number;
  feedForward: number;
  vocabulary: number;
  /** Positions that the model was trained for. */
  positions: number;
  /** The dtype that most bytes are stored in: "BF16". */
  dtype: string;
  quantization?: { method: string; bits: number };
  /** Of all weights, as stored. */
  bytes: number;
}

/** Facts are there when config.json and the weights could be read. */
export interface Inspection {
  facts?: ModelFacts;
  problems: string[];
}

/** What other programs call a model, and what to do about it. */
const foreign: [ending: RegExp, kind: string][] = [
  [/\.(bin|pt|pth|ckpt)$/, "weights in PyTorch's pickle format"],
  [/\.gguf$/, "a GGUF file, as llama.cpp reads it"],
  [/\.onnx(_data)?$/, "an ONNX graph"],
  [/\.(h5|msgpack|tflite)$/, "weights of another framework"],
  [/\.(zip|tar|gz|tgz|7z)$/, "an archive: unpack it first"],
];

export async function inspectModel(host: Host, folder: string): Promise<Inspection> {
  const problems: string[] = [];
  const attempt = async <T>(step: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await step();
    } catch (error) {
      const text = error instanceof EftError ? error.text : (error as Error).message;
      problems.push(text.replaceAll(`${folder}/`, "").replace(`${folder}: `, ""));
    }
  };
  const names = await host.list(folder);
  if (names.includes("adapter_config.json") && !names.includes("config.json")) {
    return { problems: ["This is a LoRA adapter, not a model; take the model it was made for."] };
  }
  let shape: ModelShape | undefined;
  if (names.includes("config.json")) {
    const file = `${folder}/config.json`;
    shape = await attempt(async () => readModelShape(await host.readText(file), file));
  } else {
    problems.push("config.json is missing; it says how the model is built.");
  }
  const files = names.some((name) => /\.safetensors(\.index\.json)?$/.test(name))
    ? await attempt(() => openSafetensors(host, folder))
    : void problems.push(noWeights(names));
  if (names.includes("tokenizer.json")) await attempt(() => loadTokenizer(host, folder));
  else problems.push("tokenizer.json is missing; it turns text into tokens.");
  const facts = shape && files && await attempt(() => describe(host, folder, shape, files));
  files?.close();
  return { ...(facts && { facts }), problems };
}

function noWeights(names: string[]): string {
  for (const [ending, kind] of foreign) {
    const name = names.find((each) => ending.test(each));
    if (!name) continue;
    return `${name} is ${kind}. Eft reads weights in safetensors only; convert it with ` +
      "transformers (save_pretrained), or take a copy of the model that has them.";
  }
  return "There are no weights: Eft needs model.safetensors, or its shards with their index.";
}

async function describe(
  host: Host,
  folder: string,
  shape: ModelShape,
  files: SafetensorsSet,
): Promise<ModelFacts> {
  const { settings } = await readSettings(host, folder);
  const model = declareModel(shape, 1, () => ({ dtype: "f32", trained: false }));
  const stored = new Map<string, number>();
  for (const { dtype, bytes } of files.tensors.values()) {
    stored.set(dtype, (stored.get(dtype) ?? 0) + bytes);
  }
  // The parts of a quantized weight have other names; they are checked when they are loaded.
  if (!settings) { for (const [name, { shape }] of model.tensors) findTensor(files, name, shape); }
  const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);
  const [dtype] = [...stored].reduce((a, b) => b[1] > a[1] ? b : a, ["none", 0]);
  return {
    architecture: shape.architecture,
    parameters: sum([...model.tensors.values()].map(sizeOf)),
    layers: shape.layers,
    width: shape.width,
    heads: shape.heads,
    keyHeads: shape.keyHeads,
    feedForward: shape.feedForward,
    vocabulary: shape.vocabulary,
    positions: shape.positions,
    dtype,
    ...(settings && { quantization: quantizationOf(settings) }),
    bytes: sum(stored.values()),
  };
}

function quantizationOf(settings: Record<string, unknown>): ModelFacts["quantization"] {
  const bits = settings.load_in_8bit ? 8 : settings.load_in_4bit ? 4 : settings.bits ?? 4;
  return { method: String(settings.quant_method ?? "gptq"), bits: Number(bits) };
}
