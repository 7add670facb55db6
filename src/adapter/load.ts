// Reading an adapter in PEFT's layout, whoever made it.

import { EftError } from "../errors.ts";
import { bytesToF32 } from "../files/dtype.ts";
import { openSafetensors, type SafetensorsSet, type TensorEntry } from "../files/safetensors.ts";
import type { Memory } from "../gpu/program.ts";
import type { Host } from "../host/host.ts";
import type { Model } from "../model/model.ts";
import { findRows } from "../model/weights.ts";
import { RandomStream } from "../random.ts";
import { writeWeight } from "./base_weight.ts";
import { prepareFrozen, startFromBase, startFromWeight } from "./initialize.ts";
import { attachLora, type Lora, startsAgain } from "./lora.ts";
import { checkQuantizedWeights } from "./quantized.ts";
import { changesBase, type LoraSettings, namesOrPattern, readAdapterConfig } from "./settings.ts";
import { adaptableModules } from "./targets.ts";

/** An adapter attached to a declared model; its values are still in the files. */
export interface OpenedAdapter {
  lora: Lora;
  files: SafetensorsSet;
  /** Values of a trained tensor as the device holds them, by its name. */
  values(name: string): Promise<Float32Array<ArrayBuffer>>;
  /** Tensors of the base that the adapter's file brings along (resized embeddings), by their names. */
  baseEntries: Map<string, TensorEntry>;
  /** Writes everything to the device, where the base must already be, and closes the files. */
  load(memory: Memory): Promise<void>;
}

const prefix = "base_model.model.";
/** What follows a module's path in the name of a tensor of a low-rank addition. */
const part = /\.(?:lora_[AB]\.weight|lora_embedding_[AB]|lora_magnitude_vector(?:\.weight)?)$/;
const rowsPart = /\.token_adapter\.trainable_tokens_delta$/;

/**
 * Attaches the adapter of a folder to a declared model. `base` holds the model's files; only an
 * adapter that starts from them (an unconverted PiSSA or OLoRA) needs it.
 */
export async function openAdapter(
  host: Host,
  folder: string,
  model: Model,
  base?: SafetensorsSet,
): Promise<OpenedAdapter> {
  const configFile = `${folder}/adapter_config.json`;
  if (await host.kind(configFile) !== "file") {
    throw new EftError(
      "model",
      `There is no adapter at ${folder} (no adapter_config.json). Train first, or name the ` +
        "adapter's folder with --lora-model-dir.",
    );
  }
  const settings = readAdapterConfig(await host.readText(configFile), configFile);
  const files = await openSafetensors(host, `${folder}/adapter_model.safetensors`);
  const paths = new Set<string>();
  const baseEntries = new Map<string, TensorEntry>();
  for (const [name, entry] of files.tensors) {
    const path = name.slice(prefix.length);
    if (part.test(path)) paths.add(path.replace(part, ""));
    else if (!rowsPart.test(path) && !isSaved(path, settings)) {
      baseEntries.set(path.replace(/\.base_layer\.weight$/, ".weight"), entry);
    }
  }
  const known = new Set(adaptableModules(model).map(({ path }) => path));
  const stranger = [...paths].find((path) => !known.has(path)) ??
    [...baseEntries.keys()].find((name) => !model.tensors.has(name) && name !== "lm_head.weight");
  if (stranger !== undefined) {
    throw new EftError("model", `The adapter changes ${stranger}, which the model lacks.`, {
      file: files.files[0],
    });
  }
  for (const [name, entry] of baseEntries) {
    const shape = model.tensors.get(name)?.shape;
    if (shape && shape.join() !== entry.shape.join()) {
      throw new EftError(
        "model",
        `${name} has ${entry.shape[0]} rows in the adapter and ${shape[0]} in the model: tokens ` +
          "were added to it. Add the same `tokens` and `special_tokens` to the configuration.",
        { file: files.files[0] },
      );
    }
  }
  const modules = adaptableModules(model).filter(({ path }) => paths.has(path));
  const again = startsAgain({ settings, modules });
  const unconverted = changesBase(settings) && !again;
  checkQuantizedWeights(settings, modules.map(({ weight }) => weight));
  if (settings.initialization?.kind === "pissa_niter") {
    throw new EftError(
      "model",
      "This adapter (pissa_niter) was saved with start values that cannot be computed again. Save " +
        "it in PEFT with path_initial_model_for_weight_conversion.",
      { file: configFile },
    );
  }
  const whole = unconverted ? doubled(settings) : settings;
  // The files say exactly which modules there are; the rules that chose them are only kept.
  const lora = attachLora(model, {
    ...whole,
    targets: [...paths],
    allLinear: false,
    exclude: undefined,
    layers: undefined,
    initialization: again ? settings.initialization : undefined,
  });
  const { targets } = settings;
  lora.targetModules = namesOrPattern(targets);
  lora.settings = { ...whole, initialization: lora.settings.initialization };

  const entryOf = (name: string) => files.tensors.get(name) ?? files.tensors.get(`${name}.weight`); // older magnitude vectors
  for (const [name, { shape }] of lora.tensors) {
    const entry = entryOf(name);
    const expected = lora.transposed.has(name) ? [...shape].reverse() : [...shape];
    if (unconverted && part.test(name)) expected[name.includes("lora_A") ? 0 : 1] /= 2;
    if (!entry || entry.shape.join() !== expected.join()) {
      throw new EftError(
        "model",
        `${name}: expected shape [${expected.join(", ")}], ` +
          `found ${entry ? `[${entry.shape.join(", ")}]` : "nothing"}.`,
        { file: files.files[0] },
      );
    }
  }
  const plainValues = async (name: string) => {
    const entry = entryOf(name)!;
    const values = bytesToF32(await entry.read(), entry.dtype);
    return lora.transposed.has(name) ? transposed(values, entry.shape) : values;
  };
  const values = unconverted
    ? (name: string) => convertedValues(lora, settings, base!, plainValues, name)
    : plainValues;
  return {
    lora,
    files,
    values,
    baseEntries,
    async load(memory) {
      for (const [name, entry] of baseEntries) {
        const tensor = model.tensors.get(name);
        if (tensor) await writeWeight(memory, tensor, bytesToF32(await entry.read(), entry.dtype));
      }
      await startFromBase(memory, lora, 0);
      await prepareFrozen(memory, lora);
      for (const [name, tensor] of lora.tensors) memory.write(tensor, await values(name));
      files.close();
    },
  };
}

/** Reads the trained values back from a file that `writeAdapter` has made of them. */
export async function loadExported(
  host: Host,
  path: string,
  lora: Lora,
  memory: Memory,
): Promise<void> {
  const files = await openSafetensors(host, path);
  try {
    for (const [name, tensor] of lora.tensors) {
      const entry = files.tensors.get(name);
      if (!entry) throw new EftError("output", `${name} is missing.`, { file: path });
      let values = bytesToF32(await entry.read(), entry.dtype);
      if (lora.transposed.has(name)) values = transposed(values, entry.shape);
      else if (lora.startValues.has(name)) values = firstHalf(values, tensor.shape, entry.shape);
      memory.write(tensor, values);
    }
  } finally {
    files.close();
  }
}

/** The trained values of a matrix that stands beside its start values. */
function firstHalf(
  values: Float32Array<ArrayBuffer>,
  [rows, columns]: readonly number[],
  [, width]: readonly number[],
): Float32Array<ArrayBuffer> {
  const half = new Float32Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    half.set(values.subarray(i * width, i * width + columns), i * columns);
  }
  return half;
}

/** Whether a tensor belongs to a module that is trained whole. */
function isSaved(path: string, { modulesToSave = [] }: LoraSettings): boolean {
  const module = path.slice(0, path.lastIndexOf("."));
  return modulesToSave.some((name) => module === name || module.endsWith(`.${name}`));
}

/** Settings of the ordinary adapter that holds trained and start values side by side. */
function doubled(settings: LoraSettings): LoraSettings {
  const times = (patterns: Record<string, number> | undefined, factor: number) =>
    patterns &&
    Object.fromEntries(Object.entries(patterns).map(([key, value]) => [key, value * factor]));
  const alpha = settings.rankStabilized ? Math.SQRT2 : 2;
  return {
    ...settings,
    rank: settings.rank * 2,
    alpha: settings.alpha * alpha,
    rankPattern: times(settings.rankPattern, 2),
    alphaPattern: times(settings.alphaPattern, alpha),
  };
}

/** A' = [A; A0] and B' = [B, −B0]: B·A − B0·A0 on the whole base, instead of B·A on what is left. */
async function convertedValues(
  lora: Lora,
  settings: LoraSettings,
  base: SafetensorsSet,
  plain: (name: string) => Promise<Float32Array<ArrayBuffer>>,
  name: string,
): Promise<Float32Array<ArrayBuffer>> {
  const module = lora.modules.find(({ lowRank }) =>
    lowRank.down.name === name || lowRank.up.name === name
  );
  const values = await plain(name);
  if (!module || module.kind === "embedding") return values;
  const { weight, rank, lowRank } = module;
  const entry = findRows(base, weight);
  const start = startFromWeight(
    bytesToF32(await entry.read(), entry.dtype),
    weight.shape,
    { rank: rank / 2, scale: lowRank.scale },
    settings.initialization!,
    new RandomStream(0, 0),
  );
  return lowRank.down.name === name
    ? stacked(values, start.down)
    : besideNegative(values, start.up, weight.shape[0]);
}

/** [A; A0] by rows. */
export function stacked(a: Float32Array, start: Float32Array): Float32Array<ArrayBuffer> {
  const both = new Float32Array(a.length + start.length);
  both.set(a);
  both.set(start, a.length);
  return both;
}

/** [B, −B0] by columns. */
export function besideNegative(
  b: Float32Array,
  start: Float32Array,
  rows: number,
): Float32Array<ArrayBuffer> {
  const width = b.length / rows;
  const both = new Float32Array(2 * b.length);
  for (let n = 0; n < rows; n++) {
    for (let r = 0; r < width; r++) {
      both[2 * n * width + r] = b[n * width + r];
      both[(2 * n + 1) * width + r] = -start[n * width + r];
    }
  }
  return both;
}

/** A matrix [rows, columns] as [columns, rows]. */
export function transposed(
  values: Float32Array,
  [rows, columns]: readonly number[],
): Float32Array<ArrayBuffer> {
  const turned = new Float32Array(values.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) turned[j * rows + i] = values[i * columns + j];
  }
  return turned;
}

/** Rows of the largest table of embeddings in an adapter's file, 0 where there is none. */
export async function adapterRows(host: Host, folder: string): Promise<number> {
  const path = `${folder}/adapter_model.safetensors`;
  if (await host.kind(path) !== "file") return 0;
  const files = await openSafetensors(host, path);
  files.close();
  let rows = 0;
  for (const [name, { shape }] of files.tensors) {
    if (/\.(embed_tokens|lm_head)\.(base_layer\.)?weight$/.test(name)) {
      rows = Math.max(rows, shape[0]);
    }
  }
  return rows;
}
