// What an adapter is, apart from its values: from the configuration, and from and to PEFT's
// adapter_config.json.

import type { Config } from "../config/config.ts";
import { EftError } from "../errors.ts";
import { type TargetRules, wholePattern } from "./targets.ts";

/** How A and B start. The first three leave the base as it is; see `changesBase`. */
export type Initialization =
  | { kind: "default" | "random" | "gaussian" | "pissa" | "olora" }
  | { kind: "pissa_niter"; iterations: number }
  | { kind: "loftq"; bits: 4 | 8; iterations: number };

export interface LoraSettings {
  rank: number;
  alpha: number;
  dropout: number;
  /** Names as PEFT takes them: the end of a module's path, or one regular expression. */
  targets: string[] | RegExp;
  /** Every linear layer of the blocks, beside the targets. */
  allLinear?: boolean;
  exclude?: string[] | RegExp;
  layers?: number[];
  layersPattern?: string[];
  rankPattern?: Record<string, number>;
  alphaPattern?: Record<string, number>;
  /** Scale alpha / √rank instead of alpha / rank (Kalajdzievski 2023, arXiv:2312.03732). */
  rankStabilized?: boolean;
  dora?: boolean;
  initialization?: Initialization;
  /** Modules that are trained whole, as copies. */
  modulesToSave?: string[];
  /** Tokens whose rows alone are trained, of the embedding and of the head. */
  trainableTokens?: { embedding: number[]; head: number[] };
}

export function loraSettings(config: Config): LoraSettings {
  const modules = config.lora_target_modules;
  const every = typeof modules === "string" && modules.toLowerCase() === "all-linear";
  const exclude = config.lora_exclude_modules;
  return {
    rank: config.lora_r!,
    alpha: config.lora_alpha!,
    dropout: config.lora_dropout,
    targets: every ? [] : patternOrNames(modules) ?? [],
    allLinear: config.lora_target_linear || every,
    exclude: patternOrNames(exclude),
    layers: listOf(config.peft_layers_to_transform),
    layersPattern: listOf(config.peft_layers_pattern),
    rankPattern: config.lora_rank_pattern,
    alphaPattern: config.lora_alpha_pattern,
    rankStabilized: config.peft_use_rslora,
    dora: config.peft_use_dora,
    initialization: parseInitialization(
      config.peft_init_lora_weights ?? (config.peft?.loftq_config && "loftq"),
      config.peft?.loftq_config,
    ),
    modulesToSave: config.lora_modules_to_save,
    trainableTokens: tokensOf(config.peft_trainable_token_indices),
  };
}

/** The rules that choose the modules. */
export function targetRules(settings: LoraSettings): TargetRules {
  const { targets, allLinear, exclude, layers, layersPattern } = settings;
  return { names: targets, allLinear, exclude, layers, layersPattern };
}

export function scaleOf(settings: LoraSettings, rank: number, alpha: number): number {
  return alpha / (settings.rankStabilized ? Math.sqrt(rank) : rank);
}

const initializations = ["gaussian", "pissa", "pissa_niter_N", "olora", "loftq"];

/** As PEFT and Axolotl write it. */
interface LoftqConfig {
  loftq_bits?: number;
  loftq_iter?: number;
}

/** Reads init_lora_weights; undefined means PEFT's default. Throws for those that Eft lacks. */
export function parseInitialization(value: unknown, loftq: LoftqConfig = {}): Initialization {
  if (value === undefined || value === null || value === true) return { kind: "default" };
  if (value === false) return { kind: "random" };
  const word = String(value).toLowerCase();
  const iterations = /^pissa_niter_(\d+)$/.exec(word)?.[1];
  if (iterations) return { kind: "pissa_niter", iterations: Number(iterations) };
  if (word === "gaussian" || word === "pissa" || word === "olora") return { kind: word };
  if (word === "loftq") {
    const { loftq_bits: bits = 4, loftq_iter: iterations = 1 } = loftq;
    if (bits === 4 || bits === 8) return { kind: "loftq", bits, iterations };
    throw new EftError("config", `loftq_bits: ${bits} is not supported; 4 and 8 are.`);
  }
  throw new EftError(
    "config",
    `peft_init_lora_weights: ${value} is not supported; supported are ` +
      `${initializations.join(", ")}, true and false.`,
  );
}

/** Whether the initialization changes the base's weights: takes its part out, or rounds them. */
export function changesBase({ initialization }: LoraSettings): boolean {
  return /^(pissa|olora|loftq)/.test(initialization?.kind ?? "");
}

type Json = Record<string, unknown>;

/** Settings of adapter_config.json that change what the adapter computes and that Eft lacks. */
const unsupported: Record<string, (value: unknown) => boolean> = {
  fan_in_fan_out: (value) => value === true,
  bias: (value) => value !== "none" && value !== undefined,
  lora_bias: (value) => value === true,
  layer_replication: (value) => value !== null && value !== undefined,
  target_parameters: (value) => Array.isArray(value) && value.length > 0,
  use_qalora: (value) => value === true,
  alora_invocation_tokens: (value) => value !== null && value !== undefined,
};

/** Reads adapter_config.json. Throws an EftError("model") for what Eft cannot compute. */
export function readAdapterConfig(text: string, file: string): LoraSettings {
  let config: Json;
  try {
    config = JSON.parse(text);
  } catch (cause) {
    throw new EftError("model", `This is not JSON: ${(cause as Error).message}`, { file });
  }
  const refuse = (message: string) => new EftError("model", message, { file });
  if ((config.peft_type ?? "LORA") !== "LORA") {
    throw refuse(`peft_type ${JSON.stringify(config.peft_type)} is not supported, only "LORA".`);
  }
  for (const [key, refused] of Object.entries(unsupported)) {
    if (refused(config[key])) {
      throw refuse(`${key}: ${JSON.stringify(config[key])} is not supported yet.`);
    }
  }
  return {
    rank: Number(config.r ?? 8),
    alpha: Number(config.lora_alpha ?? 8),
    dropout: Number(config.lora_dropout ?? 0),
    targets: patternOrNames(config.target_modules) ?? [],
    exclude: patternOrNames(config.exclude_modules),
    layers: listOf(config.layers_to_transform as number[] | undefined),
    layersPattern: listOf(config.layers_pattern as string[] | undefined),
    rankPattern: config.rank_pattern as Record<string, number> | undefined,
    alphaPattern: config.alpha_pattern as Record<string, number> | undefined,
    rankStabilized: config.use_rslora === true,
    dora: config.use_dora === true,
    initialization: /^(pissa|olora|loftq|gaussian)/.test(String(config.init_lora_weights))
      ? parseInitialization(config.init_lora_weights, config.loftq_config as LoftqConfig)
      : undefined,
    modulesToSave: (config.modules_to_save as string[] | null | undefined) ?? undefined,
    trainableTokens: tokensOf(
      config.trainable_token_indices as number[] | Record<string, number[]> | undefined,
    ),
  };
}

/**
 * The content of adapter_config.json, keys as PEFT writes them; those that only newer releases know
 * are written where they are used. `doubled`: the file holds the start values too; `again`: who reads it
 * starts from the base again (see export/peft.ts).
 */
export function adapterConfig(
  settings: LoraSettings,
  targetModules: string[] | string,
  base: string,
  { doubled, again }: { doubled: boolean; again: boolean },
): string {
  const { exclude, rankStabilized = false, trainableTokens } = settings;
  const more = doubled ? 2 : 1;
  const moreAlpha = rankStabilized ? Math.sqrt(more) : more;
  const times = (patterns: Record<string, number> | undefined, factor: number) =>
    Object.fromEntries(Object.entries(patterns ?? {}).map(([key, n]) => [key, n * factor]));
  const initialization = settings.initialization ?? { kind: "default" };
  const { kind } = initialization;
  const content = {
    alpha_pattern: times(settings.alphaPattern, moreAlpha),
    auto_mapping: null,
    base_model_name_or_path: base,
    bias: "none",
    ...(exclude ? { exclude_modules: namesOrPattern(exclude) } : {}),
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: kind === "gaussian" || again ? kind : kind !== "random",
    layer_replication: null,
    layers_pattern: settings.layersPattern ?? null,
    layers_to_transform: settings.layers ?? null,
    loftq_config: initialization.kind === "loftq"
      ? { loftq_bits: initialization.bits, loftq_iter: initialization.iterations }
      : {},
    lora_alpha: settings.alpha * moreAlpha,
    lora_dropout: settings.dropout,
    megatron_config: null,
    megatron_core: "megatron.core",
    modules_to_save: settings.modulesToSave ?? null,
    peft_type: "LORA",
    r: settings.rank * more,
    rank_pattern: times(settings.rankPattern, more),
    revision: null,
    target_modules: targetModules,
    task_type: "CAUSAL_LM",
    ...(trainableTokens ? { trainable_token_indices: namesOfTokens(trainableTokens) } : {}),
    use_dora: settings.dora ?? false,
    use_rslora: rankStabilized,
  };
  return JSON.stringify(content, null, 2) + "\n";
}

function patternOrNames(value: unknown): string[] | RegExp | undefined {
  if (typeof value === "string") return wholePattern(value);
  return Array.isArray(value) ? [...value] : undefined;
}

/** What `patternOrNames` was given. */
export function namesOrPattern(value: string[] | RegExp): string[] | string {
  return value instanceof RegExp ? value.source.slice("^(?:".length, -")$".length) : value;
}

function listOf<T>(value: T | readonly T[] | null | undefined): T[] | undefined {
  if (value === null || value === undefined) return undefined;
  const list = Array.isArray(value) ? [...value] : [value as T];
  return list.length > 0 ? list : undefined;
}

function tokensOf(
  value: number[] | Record<string, number[]> | null | undefined,
): LoraSettings["trainableTokens"] {
  if (!value) return undefined;
  if (Array.isArray(value)) return { embedding: value, head: [] };
  const found = { embedding: [] as number[], head: [] as number[] };
  for (const [name, tokens] of Object.entries(value)) {
    if (/(^|\.)embed_tokens$/.test(name)) found.embedding = tokens;
    else if (name === "lm_head") found.head = tokens;
    else {
      throw new EftError(
        "config",
        `peft_trainable_token_indices: ${name} has no rows of tokens; use embed_tokens or lm_head.`,
      );
    }
  }
  return found;
}

function namesOfTokens({ embedding, head }: NonNullable<LoraSettings["trainableTokens"]>) {
  return head.length === 0 ? embedding : { embed_tokens: embedding, lm_head: head };
}
