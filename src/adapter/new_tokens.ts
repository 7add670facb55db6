// Rows for tokens that the model has never seen: how many, what may train them, what they start as.

import type { Config } from "../config/config.ts";
import type { AddedToken } from "../data/added_tokens.ts";
import { EftError } from "../errors.ts";
import { bytesToF32, f32ToBytes } from "../files/dtype.ts";
import type { SafetensorsSet, TensorEntry } from "../files/safetensors.ts";
import type { Memory } from "../gpu/program.ts";
import { bytesPerElement, type Tensor } from "../graph/graph.ts";
import type { Model } from "../model/model.ts";
import { RandomStream } from "../random.ts";
import { loraSettings } from "./settings.ts";

const streamsOfRows = 0x1_8000;

/** Rows that the embedding must have for a tokenizer with `tokens` tokens. */
export function embeddingRows(
  config: Pick<Config, "resize_token_embeddings_to_32x">,
  tokens: number,
): number {
  return config.resize_token_embeddings_to_32x ? Math.ceil(tokens / 32) * 32 : tokens;
}

/**
 * With an adapter, new tokens mean nothing unless their rows are trained. Throws when neither
 * lora_modules_to_save nor peft_trainable_token_indices sees to that; padding is never predicted.
 */
export function checkNewTokens(config: Config, added: readonly AddedToken[]): void {
  if (config.adapter === undefined || config.lora_model_dir !== undefined) return;
  const untrained = added.filter(({ role }) => role !== "pad_token");
  const saved = config.lora_modules_to_save ?? [];
  const whole = ["embed_tokens", "lm_head"].every((name) => saved.includes(name));
  const rows = loraSettings(config).trainableTokens?.embedding ?? [];
  if (whole || untrained.every(({ id }) => rows.includes(id))) return;
  const list = untrained.map(({ content }) => content).join(", ");
  throw new EftError(
    "config",
    `The vocabulary has no ${list}. New tokens need trained embeddings: add ` +
      "`lora_modules_to_save: [embed_tokens, lm_head]`, or train their rows alone with " +
      `\`peft_trainable_token_indices: [${untrained.map(({ id }) => id).join(", ")}]\`.`,
  );
}

/** A tensor of the model that has more rows than its file. */
export function isGrown(tensor: Tensor, entry: TensorEntry): boolean {
  return /(^|\.)(embed_tokens|lm_head)\.weight$/.test(tensor.name) &&
    entry.shape[1] === tensor.shape[1] && entry.shape[0] < tensor.shape[0];
}

/**
 * Gives new rows their start: the mean of the others, or normal numbers of the model's initializer
 * range, as transformers does.
 */
export async function fillNewRows(
  memory: Memory,
  model: Model,
  files: SafetensorsSet,
  find: (files: SafetensorsSet, tensor: Tensor) => TensorEntry,
  { mean, seed }: { mean: boolean; seed: number },
): Promise<void> {
  let stream = streamsOfRows;
  for (const tensor of model.tensors.values()) {
    if (tensor.quantized) continue;
    const entry = find(files, tensor);
    if (!isGrown(tensor, entry)) continue;
    const [rows, C] = entry.shape;
    const random = new RandomStream(seed, stream++);
    const average = mean ? await meanRow(entry) : undefined;
    const values = new Float32Array((tensor.shape[0] - rows) * C);
    for (let i = 0; i < values.length; i++) {
      values[i] = average ? average[i % C] : random.normal() * model.shape.initializerRange;
    }
    const dtype = ({ f32: "F32", f16: "F16", bf16: "BF16" } as const)[tensor.dtype as "f32"];
    memory.write(tensor, f32ToBytes(values, dtype), rows * C * bytesPerElement(tensor.dtype));
  }
}

async function meanRow(entry: TensorEntry): Promise<Float64Array> {
  const [rows, C] = entry.shape;
  const sums = new Float64Array(C);
  const rowBytes = entry.bytes / rows;
  const atOnce = Math.max(1, Math.floor(2 ** 23 / rowBytes));
  for (let first = 0; first < rows; first += atOnce) {
    const count = Math.min(atOnce, rows - first);
    const values = bytesToF32(await entry.read(first * rowBytes, count * rowBytes), entry.dtype);
    for (let i = 0; i < values.length; i++) sums[i % C] += values[i];
  }
  return sums.map((sum) => sum / rows);
}
