// Everything about a run that can be known without a device: data, model, adapter, graphs and the
// memory they will take. `eft plan` stops here; training and inference go on from here.

import { checkNewTokens, embeddingRows } from "../adapter/new_tokens.ts";
import { openAdapter, type OpenedAdapter } from "../adapter/load.ts";
import { attachLora, type Lora, loraSettings } from "../adapter/lora.ts";
import type { Config } from "../config/config.ts";
import { Batches } from "../data/batches.ts";
import { type Prepared, prepareData } from "../data/prepare.ts";
import { configuredTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import { EftError } from "../errors.ts";
import { readbackBytes } from "../export/device_tensor.ts";
import { openSafetensors, type SafetensorsSet } from "../files/safetensors.ts";
import { sizeOf, type Tensor } from "../graph/graph.ts";
import type { Limits } from "../graph/limits.ts";
import { type MemoryReport, memoryReport, type Plan, plan } from "../graph/plan.ts";
import { statisticsTensor, stepTensor } from "../graph/step_scalars.ts";
import type { Host } from "../host/host.ts";
import { type ModelShape, readModelShape } from "../model/architecture.ts";
import { type BatchInputs, batchInputs } from "../model/forward.ts";
import { declareModel, type Model } from "../model/model.ts";
import { findRows, findTensor, heldAs } from "../model/weights.ts";
import { evaluationGraph, microStepGraph, type StepState, updateGraph } from "./graphs.ts";
import { groupParameters, type ParameterGroup } from "./parameters.ts";

/** The model of a run and the files it comes from. */
export interface LoadedModel {
  model: Model;
  /** Undefined when weights are drawn anew (`reinit_weights`). */
  files: SafetensorsSet | undefined;
  /** Dtype of the weights in their file, for writing a full model back. */
  storedDtype: "F32" | "F16" | "BF16";
  lora: Lora | undefined;
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
  state: StepState;
  trainBatches: Batches;
  evaluationBatches: Batches | undefined;
  /** By batch length. */
  microSteps: Map<number, BatchPlan>;
  evaluations: Map<number, BatchPlan>;
  update: Plan;
  totalSteps: number;
  memory: MemoryReport;
  limits: Limits;
  /** What a person should know before the run starts. */
  notes: string[];
}

/** Reads a model folder's shape and declares its tensors, with the adapter the config asks for. */
export async function loadModel(
  host: Host,
  config: Config,
  limits: Limits,
  positions: number,
  purpose: "train" | "infer" = "train",
  wantedRows: () => Promise<number> = () => Promise.resolve(0),
): Promise<LoadedModel> {
  const folder = config.base_model;
  const stored = await readShape(host, folder);
  const shape = { ...stored, vocabulary: Math.max(stored.vocabulary, await wantedRows()) };
  if (shape.slidingWindow !== undefined && positions > shape.slidingWindow) {
    throw new EftError(
      "config",
      `sequence_len ${positions} is longer than this model's sliding window ` +
        `(${shape.slidingWindow}), which is not supported. Set sequence_len to at most that.`,
    );
  }
  const full = purpose === "train" && !config.adapter;
  const files = config.reinit_weights ? undefined : await openSafetensors(host, folder);
  let storedDtype: LoadedModel["storedDtype"] = "F32";
  if (files) {
    const embedding = findTensor(files, "model.embed_tokens.weight", [
      stored.vocabulary,
      shape.width,
    ]);
    if (embedding.dtype === "BF16" || embedding.dtype === "F16") storedDtype = embedding.dtype;
  } else storedDtype = await configDtype(host, folder);
  const model = declareModel(shape, positions, (name) => {
    const entry = files?.tensors.get(name) ?? files?.tensors.get(name.replace(/^model\./, ""));
    const dtype = entry && !config.float32 ? heldAs(entry, full, limits.f16) : "f32";
    return { dtype, trained: full };
  });
  if (files) { for (const tensor of model.tensors.values()) findRows(files, tensor); }
  if (config.adapter !== "lora") return { model, files, storedDtype, lora: undefined };
  if (config.lora_model_dir !== undefined) {
    const earlier = await openAdapter(host, config.lora_model_dir, model, files);
    return { model, files, storedDtype, lora: earlier.lora, earlier };
  }
  const lora = attachLora(model, loraSettings(config));
  if (shape.vocabulary > stored.vocabulary) keepGrownTables(model, lora);
  return { model, files, storedDtype, lora };
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

/** Builds everything up to the device. */
export async function prepareSession(
  host: Host,
  config: Config,
  limits: Limits,
): Promise<Session> {
  // Read the small files first: a mistake in them should not wait for the data.
  let tokenizer: Tokenizer | undefined;
  const loaded = await loadModel(host, config, limits, config.sequence_len, "train", async () => {
    tokenizer = await configuredTokenizer(host, config);
    checkNewTokens(config, tokenizer.added);
    const { added, vocabSize } = tokenizer;
    return added.length > 0 || config.resize_token_embeddings_to_32x
      ? embeddingRows(config, vocabSize)
      : 0;
  });
  try {
    return await buildSession(host, config, limits, loaded, tokenizer!);
  } catch (error) {
    loaded.files?.close();
    loaded.earlier?.files.close();
    throw error;
  }
}

async function buildSession(
  host: Host,
  config: Config,
  limits: Limits,
  loaded: LoadedModel,
  tokenizer: Tokenizer,
): Promise<Session> {
  const { model, lora } = loaded;
  if (tokenizer.vocabSize > model.shape.vocabulary) {
    throw new EftError(
      "model",
      `The tokenizer has ${tokenizer.vocabSize} tokens but the model embeds only ` +
        `${model.shape.vocabulary}. They do not belong together.`,
    );
  }
  const data = await prepareData(host, config, tokenizer);

  const batches = (samples: typeof data.train, size: number, packing: boolean, ordered: boolean) =>
    new Batches(samples, {
      microBatchSize: size,
      sequenceLen: config.sequence_len,
      packing,
      padToSequenceLen: config.pad_to_sequence_len,
      padId: tokenizer.padId,
      seed: config.seed,
      sequential: ordered,
    });
  const trainBatches = batches(data.train, config.micro_batch_size, config.sample_packing, false);
  const evaluationBatches = data.evaluation.length > 0
    ? batches(data.evaluation, config.eval_batch_size, config.eval_sample_packing, true)
    : undefined;

  const trained = lora
    ? lora.tensors
    : new Map([...model.tensors].filter(([, tensor]) => tensor.role === "trained"));
  const groups = groupParameters(trained, config.weight_decay, limits);
  const state = { step: stepTensor(), statistics: statisticsTensor() };

  const accumulation = config.gradient_accumulation_steps;
  const totalSteps = countSteps(config, trainBatches, accumulation);
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
  const update = plan(
    "update",
    updateGraph(groups, state, {
      beta1: config.adam_beta1,
      beta2: config.adam_beta2,
      epsilon: config.adam_epsilon,
      maxGradNorm: config.max_grad_norm,
    }, limits),
    limits,
  );
  const memory = memoryReport([
    ...[...microSteps.values(), ...evaluations.values()].map((batch) => batch.plan),
    update,
  ], readbackBytes([...trained.values(), state.statistics]));
  const notes: string[] = [];
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
    state,
    trainBatches,
    evaluationBatches,
    microSteps,
    evaluations,
    update,
    totalSteps,
    memory,
    limits,
    notes,
  };
}

/** Plans the micro step for batches of one length. */
export function planMicroStep(
  config: Config,
  model: Model,
  state: StepState,
  limits: Limits,
  length: number,
): BatchPlan {
  const inputs = batchInputs(config.micro_batch_size, length);
  const { graph, losses } = microStepGraph(model, inputs, state, limits, {
    recompute: config.gradient_checkpointing,
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

export function countParameters(tensors: Iterable<Tensor>): number {
  let count = 0;
  for (const tensor of tensors) count += sizeOf(tensor);
  return count;
}
