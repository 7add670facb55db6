// LoRA: a low-rank addition to frozen linear layers (Hu et al. 2021, arXiv:2106.09685) and what goes
// with it, with the names and the scale that PEFT uses. `initialize.ts` gives the values.

import { EftError } from "../errors.ts";
import { type Tensor, tensor } from "../graph/graph.ts";
import { linearLayers, type LowRank, type Model, type TokenRows } from "../model/model.ts";
import { checkQuantizedCopy, checkQuantizedWeights } from "./quantized.ts";
import {
  changesBase,
  type LoraSettings,
  namesOrPattern,
  scaleOf,
  targetRules,
} from "./settings.ts";
import {
  adaptableModules,
  endsWithName,
  isTarget,
  lastName,
  type Module,
  patternValue,
} from "./targets.ts";

export { type LoraSettings, loraSettings } from "./settings.ts";

/** A module with a low-rank addition. */
export interface AdaptedModule extends Module {
  lowRank: LowRank;
  rank: number;
}

/** A trained copy of a tensor of the base. */
export interface Copy {
  base: Tensor;
  copy: Tensor;
}

export interface Lora {
  settings: LoraSettings;
  /** What `target_modules` says in a file: names without the path, or the regular expression. */
  targetModules: string[] | string;
  /** Trained tensors by the names that PEFT gives them in a file. */
  tensors: Map<string, Tensor>;
  /** Names of tensors that a file holds transposed. */
  transposed: Set<string>;
  modules: AdaptedModule[];
  copies: Copy[];
  /** Trained rows, and the tensor they are rows of. */
  rows: (TokenRows & { base: Tensor })[];
  /** Start values of A and B that files are converted with, by name; `initializeAdapter` sets it. */
  startValues: Map<string, Float32Array>;
  /** Tables of the base that have rows for new tokens, by the names they get in the file. */
  grownTables: Map<string, Tensor>;
}

/**
 * Whether who reads the adapter's file starts from the base again, as PEFT does, and changes it in the
 * same way: what is left of the base is rounded, so no adapter for the whole base stands for it.
 */
export function startsAgain(
  { settings, modules }: { settings: LoraSettings; modules: readonly Module[] },
): boolean {
  const kind = settings.initialization?.kind;
  return kind === "loftq" || (kind === "olora" && modules.some(({ weight }) => weight.quantized));
}

/** Adds what the settings ask for to the model. Throws when a name fits nothing. */
export function attachLora(model: Model, settings: LoraSettings): Lora {
  const lora: Lora = {
    settings,
    targetModules: [],
    tensors: new Map(),
    transposed: new Set(),
    modules: [],
    copies: [],
    rows: [],
    startValues: new Map(),
    grownTables: new Map(),
  };
  const chosen = chooseModules(model, settings);
  checkQuantizedWeights(settings, chosen.map(({ weight }) => weight));
  lora.targetModules = targetNames(model, settings, chosen);
  const layers = new Map(linearLayers(model).map((layer) => [layer.path, layer]));
  for (const [index, module] of chosen.entries()) {
    const lowRank = declareLowRank(lora, module, index);
    if (module.kind === "embedding") model.adaptation.embedding = lowRank;
    else if (module.kind === "head") model.adaptation.head = lowRank;
    else layers.get(module.path)!.lowRank = lowRank;
  }
  if (settings.modulesToSave) copyModules(model, lora, settings.modulesToSave);
  if (settings.trainableTokens) declareRows(model, lora, settings.trainableTokens);
  return lora;
}

function chooseModules(model: Model, settings: LoraSettings): Module[] {
  const { targets, modulesToSave = [] } = settings;
  const modules = adaptableModules(model);
  const unused = targets instanceof RegExp
    ? []
    : targets.filter((name) => !modules.some(({ path }) => endsWithName(path, name)));
  const rules = targetRules(settings);
  // What is trained whole gets no addition.
  const saved = (path: string) =>
    modulesToSave.some((name) => new RegExp(`^(?:.*\\.)?${name}(?:\\..*)?$`).test(path));
  const chosen = modules.filter((module) => isTarget(module, rules) && !saved(module.path));
  if (unused.length > 0 || chosen.length === 0) {
    const rank = ({ kind }: Module) => (kind === "linear" ? 0 : 1);
    const usable = modules.filter(({ kind }) => kind !== "head" || !model.shape.tied)
      .sort((a, b) => rank(a) - rank(b));
    const known = [...new Set(usable.map(({ path }) => lastName(path)))];
    const what = unused.length > 0 ? unused.join(", ") : String(namesOrPattern(targets));
    throw new EftError(
      "config",
      `lora_target_modules: ${what} names no linear layer of this model. ` +
        `Its layers are ${known.join(", ")}.`,
    );
  }
  if (model.shape.tied && chosen.some(({ kind }) => kind === "head")) {
    throw new EftError(
      "config",
      "lora_target_modules: this model's lm_head is its embedding (tie_word_embeddings), so it " +
        "cannot get a LoRA of its own. Leave lm_head out, or list it in lora_modules_to_save.",
    );
  }
  const whole = chosen.find(({ kind }) => kind !== "linear");
  if (settings.dora && whole) {
    throw new EftError(
      "config",
      `peft_use_dora: DoRA on ${whole.path} is not supported; leave ${lastName(whole.path)} out ` +
        "of lora_target_modules.",
    );
  }
  if (
    settings.initialization?.kind === "loftq" && chosen.some(({ kind }) => kind === "embedding")
  ) {
    throw new EftError(
      "config",
      "lora_target_modules: LoftQ is for linear layers; leave embed_tokens out.",
    );
  }
  return chosen;
}

function targetNames(
  model: Model,
  { targets, allLinear }: LoraSettings,
  chosen: readonly Module[],
): string[] | string {
  if (targets instanceof RegExp) {
    return allLinear ? chosen.map(({ path }) => path) : namesOrPattern(targets);
  }
  const linear = allLinear ? linearLayers(model).map(({ path }) => lastName(path)) : [];
  return [...new Set([...targets, ...linear])].sort();
}

function declareLowRank(lora: Lora, module: Module, index: number): LowRank {
  const { settings } = lora;
  const rank = patternValue(settings.rankPattern, module.path, settings.rank);
  const alpha = patternValue(settings.alphaPattern, module.path, settings.alpha);
  const [outputs, inputs] = module.kind === "embedding"
    ? [...module.weight.shape].reverse()
    : module.weight.shape;
  if (changesBase(settings) && rank > Math.min(outputs, inputs)) {
    throw new EftError(
      "config",
      `peft_init_lora_weights: ${module.path} is ${outputs} x ${inputs} and has no ${rank} ` +
        "directions to start from; lower lora_r.",
    );
  }
  const name = `base_model.model.${module.path}`;
  const declare = (part: string, shape: number[]): Tensor => {
    const made = tensor(`${name}.${part}`, shape, "f32", "trained");
    lora.tensors.set(made.name, made);
    return made;
  };
  const embedding = module.kind === "embedding";
  const down = embedding
    ? declare("lora_embedding_A", [inputs, rank])
    : declare("lora_A.weight", [rank, inputs]);
  if (embedding) lora.transposed.add(down.name);
  const up = declare(embedding ? "lora_embedding_B" : "lora_B.weight", [outputs, rank]);
  const lowRank: LowRank = {
    down,
    up,
    scale: scaleOf(settings, rank, alpha),
    dropout: settings.dropout,
    index,
  };
  if (settings.dora) {
    lowRank.magnitude = {
      vector: declare("lora_magnitude_vector", [outputs]),
      squares: tensor(`${module.path} row lengths`, [outputs], "f32", "weight"),
    };
  }
  lora.modules.push({ ...module, lowRank, rank });
  return lowRank;
}

function copyModules(model: Model, lora: Lora, names: readonly string[]): void {
  const tensors = new Map(model.tensors);
  if (model.shape.tied) tensors.set("lm_head.weight", model.head);
  for (const name of names) {
    const found = [...tensors].filter(([full]) =>
      endsWithName(full.slice(0, full.lastIndexOf(".")), name)
    );
    if (found.length === 0) {
      throw new EftError(
        "config",
        `lora_modules_to_save: ${name} names no module of this model. Examples are embed_tokens, ` +
          "lm_head, norm, input_layernorm.",
      );
    }
    for (const [full, base] of found) {
      if (model.adaptation.copies.has(full)) continue;
      checkQuantizedCopy(base, name);
      const copy = tensor(`base_model.model.${full}`, base.shape, "f32", "trained");
      model.adaptation.copies.set(full, copy);
      lora.tensors.set(copy.name, copy);
      lora.copies.push({ base, copy });
    }
  }
}

function declareRows(
  model: Model,
  lora: Lora,
  { embedding, head }: NonNullable<LoraSettings["trainableTokens"]>,
): void {
  const [V, C] = model.embedding.shape;
  const declare = (module: string, base: Tensor, tokens: readonly number[]): TokenRows => {
    const wrong = tokens.find((token) => !(token >= 0 && token < V));
    if (wrong !== undefined || new Set(tokens).size < tokens.length) {
      throw new EftError(
        "config",
        "peft_trainable_token_indices: " +
          (wrong !== undefined
            ? `${wrong} is not a token; the model embeds 0 to ${V - 1}.`
            : "a token is listed twice."),
      );
    }
    if (model.adaptation.copies.has(`${module}.weight`)) {
      throw new EftError(
        "config",
        `peft_trainable_token_indices: ${module} is trained whole by lora_modules_to_save already.`,
      );
    }
    const name = `base_model.model.${module}.token_adapter.trainable_tokens_delta`;
    const rows: TokenRows = {
      tokens,
      rows: tensor(name, [tokens.length, C], "f32", "trained"),
      slots: tensor(`${module} slots`, [V], "u32", "weight"),
      index: tensor(`${module} trained tokens`, [tokens.length], "u32", "weight"),
    };
    lora.tensors.set(name, rows.rows);
    lora.rows.push({ ...rows, base });
    return rows;
  };
  const { adaptation, shape } = model;
  if (shape.tied && head.length > 0 && head.join() !== embedding.join()) {
    throw new EftError(
      "config",
      "peft_trainable_token_indices: this model's lm_head is its embedding; list the same tokens " +
        "for both, or for embed_tokens alone.",
    );
  }
  if (adaptation.head && (head.length > 0 || shape.tied)) {
    throw new EftError(
      "config",
      "peft_trainable_token_indices: lm_head has a LoRA already; leave one of them out.",
    );
  }
  if (embedding.length > 0) {
    adaptation.embeddingRows = declare("model.embed_tokens", model.embedding, embedding);
  }
  if (shape.tied) adaptation.headRows = adaptation.embeddingRows;
  else if (head.length > 0) adaptation.headRows = declare("lm_head", model.head, head);
}
