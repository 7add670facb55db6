// Everything about a run that can be known without a device: data, model, adapter, graphs and the
// memory they will take. `eft plan` stops here; training and inference go on from here.

import { checkNewTokens, embeddingRows } from "../adapter/new_tokens.ts";
import { openAdapter, type OpenedAdapter } from "../adapter/load.ts";
import { checkQuantizedRun } from "../adapter/quantized.ts";
import {
  checkRelora,
  mergedBases,
  type ReloraPlan,
  reloraPlan,
  reloraSettings,
} from "../adapter/relora.ts";
import { attachLora, type Lora, loraSettings } from "../adapter/lora.ts";
import type { Config } from "../config/config.ts";
import { Batches } from "../data/batches.ts";
import type { HubOptions } from "../data/hub/settings.ts";
import { batchOptions, type Prepared, prepareData } from "../data/prepare.ts";
import { configuredTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import { EftError } from "../errors.ts";
import { readbackBytes } from "../export/device_tensor.ts";
import { writtenTensors } from "../export/model.ts";
import { openSafetensors, type SafetensorsSet } from "../files/safetensors.ts";
import { bytesOf, sizeOf, type Tensor } from "../graph/graph.ts";
import type { Limits } from "../graph/limits.ts";
import { type MemoryReport, memoryReport, type Plan, plan } from "../graph/plan.ts";
import { scalerTensor } from "../graph/loss_scaler.ts";
import { statisticsTensor, stepTensor } from "../graph/step_scalars.ts";
import type { Host } from "../host/host.ts";
import { type ModelShape, readModelShape } from "../model/architecture.ts";
import { type BatchInputs, batchInputs } from "../model/forward.ts";
import { readBaseQuantization, savedParts } from "../quant/checkpoint.ts";
import { declareModel, type Model } from "../model/model.ts";
import { modelSource, resolveModelFolder } from "../model/source.ts";
import { findRows, findTensor, heldAs, isSaved } from "../model/weights.ts";
import type { Rows } from "../graph/operations/clear_rows.ts";
import {
  evaluationGraph,
  exchangeGraph,
  microStepGraph,
  type StepState,
  updateGraph,
} from "./graphs.ts";
import type { Weights } from "./optimizers/optimizer.ts";
import { Unfrozen } from "./unfrozen.ts";
import { groupParameters, type ParameterGroup, runTensors } from "./parameters.ts";
import { scalarsTensor } from "./optimizers/scalars.ts";
import { parameterRules } from "./rates.ts";

/** The model of a run and the files it comes from. */
export interface LoadedModel {
  model: Model;
  /** The local folder of `base_model`. */
  folder: string;
  /** Undefined when weights are drawn anew (`reinit_weights`). */
  files: SafetensorsSet | undefined;
  /** Dtype of the weights in their file, for writing a full model back. */
  storedDtype: "F32" | "F16" | "BF16";
  lora: Lora | undefined;
  /** Which parts of the model train, where not all of it does. */
  unfrozen?: Unfrozen;
  /** The adapter that training goes on from (`lora_model_dir`). */
  earlier?: OpenedAdapter;
}

/** A compiled shape of batch: its inputs, its plan, and where its losses are. */
export interface BatchPlan {
  inputs: BatchInputs;
  plan: Plan;
  losses: Tensor;
}

export interface Session {
  config: Config;
  tokenizer: Tokenizer;
  data: Prepared;
  loaded: LoadedModel;
  trained: Map<string, Tensor>;
  groups: ParameterGroup[];
  /** What the update kernels read of each step; see optimizers/scalars.ts. */
  scalars: Tensor;
  state: StepState;
  trainBatches: Batches;
  evaluationBatches: Batches | undefined;
  /** By batch length. */
  microSteps: Map<number, BatchPlan>;
  evaluations: Map<number, BatchPlan>;
  update: Plan;
  /** For an optimizer that trains at other weights than the ones to use. */
  exchanges?: Record<Weights, Plan>;
  /** ReLoRA's. */
  relora?: ReloraPlan;
  totalSteps: number;
  memory: MemoryReport;
  limits: Limits;
  /** What a person should know before the run starts. */
  notes: string[];
}

export interface LoadOptions {
  /** Rows that the embedding must have at least. */
  rows?: () => Promise<number>;
  onProgress?: HubOptions["onProgress"];
}

/** Reads a model folder's shape and declares its tensors, with the adapter the config asks for. */
export async function loadModel(
  host: Host,
  config: Config,
  limits: Limits,
  positions: number,
  purpose: "train" | "infer" = "train",
  { rows = () => Promise.resolve(0), onProgress }: LoadOptions = {},
): Promise<LoadedModel> {
  const source = modelSource(config, onProgress);
  const folder = await resolveModelFolder(host, config.base_model, { ...source, parts: "small" });
  const stored = await readShape(host, folder);
  const shape = { ...stored, vocabulary: Math.max(stored.vocabulary, await rows()) };
  if (shape.slidingWindow !== undefined && positions > shape.slidingWindow) {
    throw new EftError(
      "config",
      `sequence_len ${positions} is longer than this model's sliding window ` +
        `(${shape.slidingWindow}), which is not supported. Set sequence_len to at most that.`,
    );
  }
  const quantization = await readBaseQuantization(host, folder, config, purpose);
  if (quantization && purpose === "train" && config.adapter) {
    checkQuantizedRun(config, quantization.source);
  }
  const full = purpose === "train" && !config.adapter;
  const unfrozen = full && config.unfrozen_parameters
    ? new Unfrozen(config.unfrozen_parameters)
    : undefined;
  const trains = (name: string) => full && (unfrozen?.trains(name) ?? true);
  let files: SafetensorsSet | undefined;
  if (!config.reinit_weights) {
    const complete = await resolveModelFolder(host, config.base_model, source);
    files = await openSafetensors(host, complete);
  }
  let storedDtype: LoadedModel["storedDtype"] = "F32";
  if (files) {
    const embedding = findTensor(files, "model.embed_tokens.weight", [
      stored.vocabulary,
      shape.width,
    ]);
    if (embedding.dtype === "BF16" || embedding.dtype === "F16") storedDtype = embedding.dtype;
  } else storedDtype = await configDtype(host, folder);
  const model = declareModel(shape, positions, (name, dimensions) => {
    const format = files && quantization?.format(name, dimensions, files);
    if (format) {
      const { source } = quantization!;
      if (source !== "weights") savedParts(files!, name, dimensions, format, source);
      return { dtype: "quantized", trained: false, quantized: { format, source } };
    }
    const entry = files?.tensors.get(name) ?? files?.tensors.get(name.replace(/^model\./, ""));
    const dtype = entry && !config.float32 ? heldAs(entry, trains(name), limits.f16) : "f32";
    return { dtype, trained: trains(name) };
  });
  if (usesHalf(config) && limits.f16) model.activations = "f16";
  if (unfrozen && ![...model.tensors.keys()].some(trains)) {
    throw new EftError(
      "config",
      "unfrozen_parameters: no pattern matches a tensor of this model, so nothing would train. " +
        `Its tensors have names like ${[...model.tensors.keys()].slice(0, 3).join(", ")}.`,
    );
  }
  if (files) {
    for (const tensor of model.tensors.values()) if (!isSaved(tensor)) findRows(files, tensor);
  }
  const loaded = { model, folder, files, storedDtype, unfrozen };
  if (!config.adapter) return { ...loaded, lora: undefined };
  const earlier = config.lora_model_dir === undefined
    ? undefined
    : await openAdapter(host, config.lora_model_dir, model, files);
  const lora = earlier?.lora ?? attachLora(model, loraSettings(config));
  if (shape.vocabulary > stored.vocabulary) keepGrownTables(model, lora);
  return { ...loaded, lora, earlier };
}

/** Tables with new rows go into the adapter's files, as in PEFT, unless a trained copy does. */
function keepGrownTables(model: Model, lora: Lora): void {
  for (const module of ["model.embed_tokens", "lm_head"]) {
    const table = model.tensors.get(`${module}.weight`);
    if (!table || model.adaptation.copies.has(table.name)) continue;
    const adapted = lora.modules.some(({ path }) => path === module);
    lora.grownTables.set(
      `base_model.model.${module}.${adapted ? "base_layer." : ""}weight`,
      table,
    );
  }
}

async function readShape(host: Host, folder: string): Promise<ModelShape> {
  const file = `${folder}/config.json`;
  if (await host.kind(file) !== "file") {
    throw new EftError(
      "model",
      `base_model: there is no model at ${folder} (no ${file}). ` +
        "Give the path of a folder in Hugging Face format.",
    );
  }
  return readModelShape(await host.readText(file), file);
}

async function configDtype(host: Host, folder: string): Promise<LoadedModel["storedDtype"]> {
  const json = JSON.parse(await host.readText(`${folder}/config.json`));
  const dtype = json.dtype ?? json.torch_dtype;
  return dtype === "bfloat16" ? "BF16" : dtype === "float16" ? "F16" : "F32";
}

/**
 * Builds everything up to the device. `known` are tokenizer and data of an earlier session whose
 * configuration has the same data.
 */
export async function prepareSession(
  host: Host,
  config: Config,
  limits: Limits,
  onProgress?: HubOptions["onProgress"],
  known?: Pick<Session, "tokenizer" | "data">,
): Promise<Session> {
  // Read the small files first: a mistake in them should not wait for the data.
  let tokenizer: Tokenizer | undefined;
  const loaded = await loadModel(host, config, limits, config.sequence_len, "train", {
    onProgress,
    async rows() {
      tokenizer = known?.tokenizer ?? await configuredTokenizer(host, config, onProgress);
      checkNewTokens(config, tokenizer.added);
      const { added, vocabSize } = tokenizer;
      return added.length > 0 || config.resize_token_embeddings_to_32x
        ? embeddingRows(config, vocabSize)
        : 0;
    },
  });
  try {
    checkVocabulary(loaded.model, tokenizer!);
    const data = known?.data ?? await prepareData(host, config, tokenizer!, {
      token: modelSource(config).token,
      onProgress,
    });
    return buildSession(config, limits, loaded, tokenizer!, data);
  } catch (error) {
    loaded.files?.close();
    loaded.earlier?.files.close();
    throw error;
  }
}

function checkVocabulary({ shape }: Model, { vocabSize }: Tokenizer): void {
  if (vocabSize <= shape.vocabulary) return;
  throw new EftError(
    "model",
    `The tokenizer has ${vocabSize} tokens but the model embeds only ` +
      `${shape.vocabulary}. They do not belong together.`,
  );
}

function buildSession(
  config: Config,
  limits: Limits,
  loaded: LoadedModel,
  tokenizer: Tokenizer,
  data: Prepared,
): Session {
  const { model, lora } = loaded;
  const batches = (samples: typeof data.train, purpose: "train" | "evaluation") =>
    new Batches(samples, batchOptions(config, tokenizer.padId, purpose));
  const trainBatches = batches(data.train, "train");
  const evaluationBatches = data.evaluation.length > 0
    ? batches(data.evaluation, "evaluation")
    : undefined;

  const trained = lora
    ? lora.tensors
    : new Map([...model.tensors].filter(([, tensor]) => tensor.role === "trained"));
  const accumulation = config.gradient_accumulation_steps;
  const totalSteps = countSteps(config, trainBatches, accumulation);
  const groups = groupParameters(trained, parameterRules(config, totalSteps), limits);
  if (reloraSettings(config) && lora) checkRelora(config, groups, lora);
  const scalars = scalarsTensor(groups);
  const state: StepState = { step: stepTensor(), statistics: statisticsTensor() };
  if (model.activations === "f16") state.scaler = scalerTensor();

  const epochs = Math.ceil(config.num_epochs);
  const lengths = new Set<number>();
  for (let epoch = 0; epoch < Math.min(epochs, 8); epoch++) {
    for (const length of trainBatches.shapes(epoch)) lengths.add(length);
  }
  const microSteps = new Map<number, BatchPlan>();
  for (const length of [...lengths].sort((a, b) => a - b)) {
    microSteps.set(length, planMicroStep(config, model, state, limits, length));
  }
  const evaluations = new Map<number, BatchPlan>();
  for (const length of evaluationBatches?.shapes() ?? []) {
    const inputs = config.eval_batch_size === config.micro_batch_size
      ? microSteps.get(length)?.inputs
      : undefined;
    const used = inputs ?? batchInputs(config.eval_batch_size, length);
    const { graph, losses } = evaluationGraph(model, used, state, limits);
    evaluations.set(length, { inputs: used, losses, plan: plan("evaluate", graph, limits) });
  }
  const update = planUpdate(config, loaded, { groups, scalars, state }, limits);
  const exchange = (to: Weights) =>
    plan(`weights to ${to}`, exchangeGraph(groups, scalars, to, limits), limits);
  const exchanges = groups.some(({ optimizer }) => optimizer.exchange)
    ? { train: exchange("train"), use: exchange("use") }
    : undefined;
  const merged = reloraSettings(config) && lora;
  const relora = merged && reloraPlan(merged, limits);
  const kept = [...runTensors(trained, groups, state).values(), state.statistics];
  // ReLoRA keeps what it has merged into, and writes a whole model.
  const whole = merged ? [...writtenTensors(model).values()].filter((t) => !t.quantized) : [];
  const readback = Math.max(
    readbackBytes(merged ? [...kept, ...mergedBases(merged)] : kept),
    readbackBytes(whole),
    relora ? bytesOf(relora.scratch.piece) : 0,
  );
  const memory = memoryReport([
    ...[...microSteps.values(), ...evaluations.values()].map((batch) => batch.plan),
    update,
    ...Object.values(exchanges ?? {}),
    ...(relora ? [relora.merge] : []),
  ], readback);
  const notes: string[] = [];
  if (usesHalf(config)) {
    notes.push(
      limits.f16
        ? "fp16: activations inside the blocks are 16-bit floats, with loss scaling; the stream " +
          "between blocks, sums, trained weights and their gradients are 32-bit floats." +
          (limits.software ? " On a CPU adapter this saves memory and costs time." : "")
        : "fp16: this device has no shader-f16, so activations stay 32-bit floats.",
    );
  }
  const { lisa_n_layers: active, lisa_step_interval: interval } = config;
  if (active !== undefined && active > model.blocks.length) {
    throw new EftError(
      "config",
      `lisa_n_layers is ${active}, but this model has ${model.blocks.length} blocks.`,
    );
  }
  if (active !== undefined) {
    notes.push(
      `LISA trains ${active} of ${model.blocks.length} blocks at a time, others every ${interval} steps`,
    );
  }
  if (config.sequence_len > model.shape.positions) {
    notes.push(
      `sequence_len ${config.sequence_len} is more than the ${model.shape.positions} positions ` +
        "that this model was trained for; expect poor results beyond those.",
    );
  }
  if (tokenizer.added.length > 0) {
    const list = tokenizer.added.map(({ id, content }) => `${content} (${id})`).join(", ");
    notes.push(`New tokens: ${list}. The model now embeds ${model.shape.vocabulary}.`);
  }
  if (loaded.earlier) {
    notes.push(
      `lora_model_dir: rank, alpha, dropout and targets are those of ${config.lora_model_dir}.`,
    );
  }
  return {
    config,
    tokenizer,
    data,
    loaded,
    trained,
    groups,
    scalars,
    state,
    trainBatches,
    evaluationBatches,
    microSteps,
    evaluations,
    update,
    exchanges,
    relora,
    totalSteps,
    memory,
    limits,
    notes,
  };
}

/** Plans the update of the groups; rows that are frozen are spared. */
export function planUpdate(
  config: Config,
  { model, unfrozen }: LoadedModel,
  { groups, scalars, state }: Pick<Session, "groups" | "scalars" | "state">,
  limits: Limits,
): Plan {
  const frozenRows = new Map<string, Rows[]>();
  if (unfrozen) {
    for (const [name, { role, shape }] of model.tensors) {
      const rows = role === "trained" ? unfrozen.frozenRows(name, shape[0]) : [];
      if (rows.length > 0) frozenRows.set(name, rows);
    }
  }
  const updated = { groups, scalars, frozenRows, maxGradNorm: config.max_grad_norm };
  return plan("update", updateGraph(updated, state, limits), limits);
}

/** Plans the micro step for batches of one length; trained tensors that rest get no gradient. */
export function planMicroStep(
  config: Config,
  model: Model,
  state: StepState,
  limits: Limits,
  length: number,
  rests?: (trained: Tensor) => boolean,
  inputs = batchInputs(config.micro_batch_size, length),
): BatchPlan {
  const { graph, losses } = microStepGraph(model, inputs, state, limits, {
    rests,
    recompute: config.gradient_checkpointing,
    neftuneAlpha: config.neftune_noise_alpha,
  });
  return { inputs, losses, plan: plan("micro step", graph, limits) };
}

/** Optimizer steps of the whole run; a fraction of an epoch counts its share of steps. */
function countSteps(config: Config, batches: Batches, accumulation: number): number {
  if (config.max_steps !== undefined) return config.max_steps;
  const whole = Math.floor(config.num_epochs);
  let steps = 0;
  for (let epoch = 0; epoch < whole; epoch++) steps += batches.steps(accumulation, epoch);
  const rest = config.num_epochs - whole;
  if (rest > 0) steps += Math.ceil(batches.steps(accumulation, whole) * rest);
  return Math.max(1, steps);
}

/** Whether the configuration asks for activations in f16; a device may not have it. */
export function usesHalf({ fp16, float16 }: Config): boolean {
  return Boolean(fp16 || float16);
}

export function countParameters(tensors: Iterable<Tensor>): number {
  let count = 0;
  for (const tensor of tensors) count += sizeOf(tensor);
  return count;
}
