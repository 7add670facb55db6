// A model, its adapter and its tokenizer on a device, ready to answer.

import { adapterRows, openAdapter } from "../adapter/load.ts";
import { reloraSettings } from "../adapter/relora.ts";
import type { Config } from "../config/config.ts";
import type { Message } from "../data/chat.ts";
import { formatContext, formatOf } from "../data/dataset.ts";
import { formatNames } from "../data/formats/index.ts";
import type { HubOptions } from "../data/hub/settings.ts";
import { configuredTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import { EftError } from "../errors.ts";
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
  /** Whether it holds a result, an adapter or a trained model; otherwise it is the base alone. */
  tuned: boolean;
  tokenizer: Tokenizer;
  /** Tokens that end an answer. */
  stopTokens: Set<number>;
  generation: GenerationConfig;
  /** Where the weights came from, for a person. */
  source: string;
}

export interface InferenceOptions {
  /** Where the adapter lies, when it is not in output_dir. */
  adapterFolder?: string | undefined;
  /** `base_model` was named for this, so it is not looked for in output_dir. */
  onlyBase?: boolean;
  onProgress?: HubOptions["onProgress"];
  /** Hears of bytes of the weights that are on the device, and of all of them. */
  onWeights?: (done: number, total: number) => void;
}

/**
 * Loads what the configuration trained: base model and adapter, or the fully trained model. Without
 * a result yet, a full fine-tuning config gives the base model.
 */
export async function openInference(
  host: Host,
  config: Config,
  device: Device,
  { adapterFolder, onlyBase, onProgress, onWeights }: InferenceOptions = {},
): Promise<InferenceSession> {
  const wantsAdapter = adapterFolder !== undefined ||
    (config.adapter !== undefined && !reloraSettings(config));
  const trainedModel = !wantsAdapter && !onlyBase &&
    await host.kind(`${config.output_dir}/model.safetensors`) === "file";
  const folder = trainedModel ? config.output_dir : config.base_model;
  const settings = { ...config, base_model: folder, adapter: undefined, reinit_weights: false };
  const loaded = await loadModel(
    host,
    settings,
    device.limits,
    config.sequence_len,
    "infer",
    {
      onProgress,
      rows: () => wantsAdapter ? adapterRows(host, adapterFolder ?? config.output_dir) : zero,
    },
  );
  const memory = new Memory(device);
  const adapter = wantsAdapter
    ? await openAdapter(host, adapterFolder ?? config.output_dir, loaded.model, loaded.files)
    : undefined;
  await loadWeights(memory, loaded.model, loaded.files!, onWeights);
  await adapter?.load(memory);
  loaded.files!.close();
  loaded.lora = adapter?.lora;
  const tokenizer = await configuredTokenizer(host, config, onProgress);
  const generation = await readGenerationConfig(host, loaded.folder);
  const stopTokens = stopTokensOf(loaded.model, tokenizer);
  for (const token of generation.endTokens) stopTokens.add(token);
  return {
    memory,
    model: loaded.model,
    loaded,
    tuned: wantsAdapter || trainedModel,
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

export interface Prompts {
  /** The tokens that ask the last message, the others before it where the format has them. */
  ask(messages: readonly Message[]): number[];
  /** Whether earlier messages count. */
  conversational: boolean;
}

/**
 * How questions are put: by the format of the first data set, the same that wrote the prompts of
 * training, or by the one that `type` names; without one, as they are.
 */
export async function openPrompts(
  host: Host,
  config: Config,
  tokenizer: Tokenizer,
  type?: string,
): Promise<Prompts> {
  const [first] = config.datasets;
  const dataset = type === undefined ? first : { ...first, type };
  const reader = dataset?.type === undefined
    ? undefined
    : formatOf(dataset).open(await formatContext(host, config, tokenizer, dataset));
  return {
    conversational: reader?.conversational === true,
    ask: (messages) =>
      reader?.prompt
        ? reader.prompt(messages)
        : tokenizer.encode(messages.at(-1)?.content ?? "", { bos: true }),
  };
}

/** The formats that can put a question to this model. */
export async function askableFormats(
  host: Host,
  config: Config,
  tokenizer: Tokenizer,
): Promise<string[]> {
  const names: string[] = [];
  for (const type of formatNames) {
    const dataset = { ...config.datasets[0], type };
    try {
      const context = await formatContext(host, config, tokenizer, dataset);
      if (formatOf(dataset).open(context).prompt) names.push(type);
    } catch (error) {
      // A format that needs what this tokenizer or configuration lacks is not offered.
      if (!(error instanceof EftError)) throw error;
    }
  }
  return names;
}
