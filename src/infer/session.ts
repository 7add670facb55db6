// A model, its adapter and its tokenizer on a device, ready to answer.

import { adapterRows, openAdapter } from "../adapter/load.ts";
import { reloraSettings } from "../adapter/relora.ts";
import type { Config } from "../config/config.ts";
import { findFormat } from "../data/formats/index.ts";
import { configuredTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import type { Device } from "../gpu/device.ts";
import { Memory } from "../gpu/program.ts";
import type { Host } from "../host/host.ts";
import type { Model } from "../model/model.ts";
import { loadWeights } from "../model/weights.ts";
import { type LoadedModel, loadModel } from "../train/session.ts";
import { type GenerationConfig, readGenerationConfig } from "./generation_config.ts";

export interface InferenceSession {
  memory: Memory;
  model: Model;
  loaded: LoadedModel;
  tokenizer: Tokenizer;
  /** Tokens that end an answer. */
  stopTokens: Set<number>;
  generation: GenerationConfig;
  /** Where the weights came from, for a person. */
  source: string;
}

/**
 * Loads what the configuration trained: base model and adapter, or the fully trained model. Without
 * a result yet, a full fine-tuning config gives the base model.
 */
export async function openInference(
  host: Host,
  config: Config,
  device: Device,
  adapterFolder?: string,
): Promise<InferenceSession> {
  const wantsAdapter = adapterFolder !== undefined ||
    (config.adapter === "lora" && !reloraSettings(config));
  const trainedModel = !wantsAdapter &&
    await host.kind(`${config.output_dir}/model.safetensors`) === "file";
  const folder = trainedModel ? config.output_dir : config.base_model;
  const settings = { ...config, base_model: folder, adapter: undefined, reinit_weights: false };
  const rows = () => wantsAdapter ? adapterRows(host, adapterFolder ?? config.output_dir) : zero;
  const loaded = await loadModel(
    host,
    settings,
    device.limits,
    config.sequence_len,
    "infer",
    rows,
  );
  const memory = new Memory(device);
  const adapter = wantsAdapter
    ? await openAdapter(host, adapterFolder ?? config.output_dir, loaded.model, loaded.files)
    : undefined;
  await loadWeights(memory, loaded.model, loaded.files!);
  await adapter?.load(memory);
  loaded.files!.close();
  loaded.lora = adapter?.lora;
  const tokenizer = await configuredTokenizer(host, config);
  const generation = await readGenerationConfig(host, folder);
  const stopTokens = stopTokensOf(loaded.model, tokenizer);
  for (const token of generation.endTokens) stopTokens.add(token);
  return {
    memory,
    model: loaded.model,
    loaded,
    tokenizer,
    stopTokens,
    generation,
    source: adapter ? `${folder} + ${adapterFolder ?? config.output_dir}` : folder,
  };
}

export function stopTokensOf(model: Model, tokenizer: Tokenizer): Set<number> {
  const stops = new Set(model.shape.endTokens);
  if (tokenizer.eosId !== undefined) stops.add(tokenizer.eosId);
  return stops;
}

const zero = Promise.resolve(0);

/** The tokens of a question, put as the training data puts it. */
export function promptTokens(config: Config, tokenizer: Tokenizer, question: string): number[] {
  const format = findFormat(config.datasets[0].type)!;
  const text = format.prompt ? format.prompt(question) : question;
  return tokenizer.encode(text, { bos: true });
}
