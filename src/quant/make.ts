// Making a GPTQ checkpoint of a model, block by block: GPTQ needs the inputs of every layer, so
// calibration rows go through the blocks that are already quantized. One block at a time is in memory,
// and each goes into a file of its own.

import type { Config } from "../config/config.ts";
import { type Batch, Batches } from "../data/batches.ts";
import { prepareData } from "../data/prepare.ts";
import { configuredTokenizer } from "../data/tokenizer.ts";
import { EftError } from "../errors.ts";
import { bytesToF32, f32ToBf16, f32ToF16 } from "../files/dtype.ts";
import {
  openSafetensors,
  type SafetensorsSet,
  type TensorEntry,
  type TensorToWrite,
  writeSafetensors,
} from "../files/safetensors.ts";
import type { Device } from "../gpu/device.ts";
import { Memory } from "../gpu/program.ts";
import { Graph, type Tensor, tensor } from "../graph/graph.ts";
import { linear, outerProduct } from "../graph/operations/matmul.ts";
import { plan } from "../graph/plan.ts";
import type { Host } from "../host/host.ts";
import { readModelShape } from "../model/architecture.ts";
import { type BatchInputs, batchInputs, forward } from "../model/forward.ts";
import { type Block, declareModel, type LinearLayer, type Model } from "../model/model.ts";
import { findTensor, heldAs, loadWeights } from "../model/weights.ts";
import { type Grid, type Rounded, roundWeight } from "./gptq.ts";
import { putCode, transposeWords } from "./grouped.ts";

export interface MakeOptions {
  folder: string;
  grid: { bits: 4 | 8; group: number };
  /** Where calibration rows come from; undefined rounds to nearest. */
  calibration?: { config: Config; device: Device };
  output: string;
  progress: (done: number, total: number, error: number) => void;
}

/** Rows that GPTQ looks at, at most. */
const calibrationRows = 128;

/** Writes the quantized model. Throws an EftError, and then leaves nothing behind. */
export async function makeGptq(host: Host, options: MakeOptions): Promise<void> {
  const { folder, grid, output } = options;
  if (await host.kind(output) !== undefined) {
    throw new EftError("output", `${output} exists. Remove it, or name another --output-dir.`);
  }
  const configFile = `${folder}/config.json`;
  const settings = JSON.parse(await host.readText(configFile));
  if (settings.quantization_config) {
    throw new EftError("model", "This model is quantized already.", { file: configFile });
  }
  const shape = readModelShape(JSON.stringify(settings), configFile);
  const files = await openSafetensors(host, folder);
  const partial = `${output}.partial`;
  await host.remove(partial);
  let calibration: Calibration | undefined;
  try {
    const length = options.calibration?.config.sequence_len ?? 1;
    const f16 = options.calibration?.device.limits.f16 ?? false;
    const model = declareModel(shape, length, (name, dimensions) => ({
      dtype: heldAs(findTensor(files, name, dimensions), false, f16),
      trained: false,
    }));
    checkSizes(model, grid);
    if (options.calibration) {
      calibration = await Calibration.open(host, options.calibration, model, files);
    }
    const count = model.blocks.length + 1;
    const fileName = (i: number) =>
      `model-${String(i + 1).padStart(5, "0")}-of-${String(count).padStart(5, "0")}.safetensors`;
    const map: Record<string, string> = {};
    const write = async (i: number, tensors: TensorToWrite[]) => {
      for (const { name } of tensors) map[name] = fileName(i);
      await writeSafetensors(host, `${partial}/${fileName(i)}`, tensors);
    };
    const others = new Map(model.tensors);
    for (const [i, block] of model.blocks.entries()) {
      const hessians = await calibration?.hessians(block);
      const tensors: TensorToWrite[] = [];
      let [error, size] = [0, 0];
      for (const layer of layersOf(block)) {
        const { weight } = layer;
        others.delete(weight.name);
        const entry = findTensor(files, weight.name, weight.shape);
        const values = bytesToF32(await entry.read(), entry.dtype);
        const [rows, columns] = weight.shape;
        const used: Grid = { ...grid, group: grid.group === -1 ? columns : grid.group };
        const rounded = roundWeight(values, rows, columns, used, hessians?.get(weight));
        rounded.values.forEach((value, at) => error += (value - values[at]) ** 2);
        for (const value of values) size += value ** 2;
        calibration?.replace(weight, rounded.values);
        tensors.push(...gptqTensors(layer.path, rounded, rows, columns, used));
      }
      for (const [name, other] of others) {
        if (!name.startsWith(`model.layers.${i}.`)) continue;
        tensors.push(copied(findTensor(files, name, other.shape), name));
        others.delete(name);
      }
      await write(i, tensors);
      options.progress(i + 1, model.blocks.length, Math.sqrt(error / size));
    }
    await write(
      count - 1,
      [...others].map(([name, other]) => copied(findTensor(files, name, other.shape), name)),
    );
    await host.write(
      `${partial}/model.safetensors.index.json`,
      JSON.stringify({ metadata: {}, weight_map: map }, null, 2) + "\n",
    );
    await writeSettings(host, folder, partial, settings, grid);
    await host.rename(partial, output);
  } catch (error) {
    await host.remove(partial);
    throw error;
  } finally {
    files.close();
    calibration?.destroy();
  }
}

function layersOf(block: Block): LinearLayer[] {
  const { query, key, value, output, gate, up, down } = block;
  return [query, key, value, output, gate, up, down];
}

/** Codes fill whole words along both sides. */
function checkSizes(model: Model, { bits, group }: MakeOptions["grid"]): void {
  for (const { path, weight: { shape: [rows, columns] } } of layersOf(model.blocks[0])) {
    if ((rows * bits) % 32 !== 0 || (columns * bits) % 32 !== 0) {
      throw new EftError(
        "model",
        `${path} [${rows}, ${columns}] does not fill whole words with ${bits}-bit codes, which ` +
          "the GPTQ layout asks for.",
      );
    }
  }
  if (group !== -1 && (group < 1 || !Number.isInteger(group))) {
    throw new EftError("command", `--group-size ${group}: expected -1 or a whole number above 0.`);
  }
}

function copied(entry: TensorEntry, name: string): TensorToWrite {
  async function* data() {
    const step = 8 * 2 ** 20;
    for (let offset = 0; offset < entry.bytes; offset += step) {
      yield await entry.read(offset, Math.min(step, entry.bytes - offset));
    }
  }
  return { name, dtype: entry.dtype, shape: entry.shape, data };
}

/** The four tensors of a layer; version 1 of the layout stores zeros less one. */
export function gptqTensors(
  path: string,
  { codes, scales }: Rounded,
  rows: number,
  columns: number,
  { bits, group }: Grid,
): TensorToWrite[] {
  const groups = Math.ceil(columns / group);
  const words = columns * bits / 32;
  const streams = new Uint32Array(rows * words);
  for (let n = 0; n < rows; n++) {
    for (let k = 0; k < columns; k++) putCode(streams, n * words, k, bits, codes[n * columns + k]);
  }
  const zeroWords = rows * bits / 32;
  const zeros = new Uint32Array(groups * zeroWords);
  for (let g = 0; g < groups; g++) {
    for (let n = 0; n < rows; n++) putCode(zeros, g * zeroWords, n, bits, 2 ** (bits - 1) - 1);
  }
  const turned = new Uint16Array(groups * rows);
  for (let n = 0; n < rows; n++) {
    for (let g = 0; g < groups; g++) turned[g * rows + n] = scales[n * groups + g];
  }
  const order = Uint32Array.from({ length: columns }, (_, k) => Math.floor(k / group));
  const bytes = (array: Uint32Array | Uint16Array) => () =>
    new Uint8Array(array.buffer as ArrayBuffer);
  return [
    {
      name: `${path}.qweight`,
      dtype: "I32",
      shape: [words, rows],
      data: bytes(transposeWords(streams, rows, words)),
    },
    { name: `${path}.qzeros`, dtype: "I32", shape: [groups, zeroWords], data: bytes(zeros) },
    { name: `${path}.scales`, dtype: "F16", shape: [groups, rows], data: bytes(turned) },
    { name: `${path}.g_idx`, dtype: "I32", shape: [columns], data: bytes(order) },
  ];
}

async function writeSettings(
  host: Host,
  folder: string,
  partial: string,
  settings: Record<string, unknown>,
  grid: MakeOptions["grid"],
): Promise<void> {
  const quantization = {
    bits: grid.bits,
    group_size: grid.group,
    damp_percent: 0.01,
    desc_act: false,
    sym: true,
    true_sequential: true,
    quant_method: "gptq",
    checkpoint_format: "gptq",
  };
  const text = (value: unknown) => JSON.stringify(value, null, 2) + "\n";
  await host.write(
    `${partial}/config.json`,
    text({ ...settings, quantization_config: quantization }),
  );
  await host.write(`${partial}/quantize_config.json`, text(quantization));
  for (const name of await host.list(folder)) {
    const other = /\.(json|txt|jinja)$/.test(name) && !name.endsWith(".index.json");
    if (other && name !== "config.json") {
      await host.write(`${partial}/${name}`, await host.readText(`${folder}/${name}`));
    }
  }
}

/** The model on a device, and the rows that show what goes into its layers. */
class Calibration {
  readonly #memory: Memory;
  readonly #model: Model;
  readonly #batches: Batch[];
  readonly #inputs = new Map<number, BatchInputs>();

  private constructor(memory: Memory, model: Model, batches: Batch[]) {
    this.#memory = memory;
    this.#model = model;
    this.#batches = batches;
  }

  static async open(
    host: Host,
    { config, device }: NonNullable<MakeOptions["calibration"]>,
    model: Model,
    files: SafetensorsSet,
  ): Promise<Calibration> {
    const tokenizer = await configuredTokenizer(host, config);
    const { train } = await prepareData(host, config, tokenizer);
    const batches = new Batches(train, {
      microBatchSize: config.micro_batch_size,
      sequenceLen: config.sequence_len,
      packing: config.sample_packing,
      padToSequenceLen: true,
      padId: tokenizer.padId,
      seed: config.seed,
    });
    const chosen: Batch[] = [];
    for (const batch of batches.epoch(0)) {
      chosen.push(batch);
      if (chosen.length * config.micro_batch_size >= calibrationRows) break;
    }
    const memory = new Memory(device);
    await loadWeights(memory, model, files);
    return new Calibration(memory, model, chosen);
  }

  /** Σ x·xᵀ over the calibration rows, by the weight that x is multiplied with. */
  async hessians(block: Block): Promise<Map<Tensor, Float32Array>> {
    const memory = this.#memory;
    const graph = new Graph();
    const { rows, length } = this.#batches[0];
    const inputs = this.#inputs.get(length) ?? batchInputs(rows, length);
    this.#inputs.set(length, inputs);
    forward(graph, this.#model, { inputs });
    const sums = new Map<Tensor, Tensor>(); // by the activation
    const activations = new Map<Tensor, Tensor>(); // by the weight
    for (const node of [...graph.nodes]) {
      if (node.operation !== linear) continue;
      const [x, weight] = node.inputs;
      if (!layersOf(block).some((layer) => layer.weight === weight)) continue;
      activations.set(weight, x);
      if (sums.has(x)) continue;
      const size = x.shape[1];
      const into = tensor(`hessian of ${weight.name}`, [size, size], "f32", "state");
      graph.add(outerProduct, [x, x], { into });
      sums.set(x, into);
    }
    const [program] = await memory.compile([plan("calibrate", graph, memory.device.limits)]);
    for (const sum of sums.values()) memory.clear(sum);
    for (const batch of this.#batches) {
      memory.write(inputs.tokens, batch.tokens);
      memory.write(inputs.positions, batch.positions);
      memory.write(inputs.starts, batch.starts);
      program.run();
    }
    const read = new Map<Tensor, Float32Array>();
    for (const [x, sum] of sums) {
      const [bytes] = await memory.read([{ tensor: sum }]);
      read.set(x, new Float32Array(bytes));
    }
    memory.forget([program]);
    memory.release([...sums.values()]);
    return new Map([...activations].map(([weight, x]) => [weight, read.get(x)!]));
  }

  /** From now on the layer computes with these values. */
  replace(weight: Tensor, values: Float32Array<ArrayBuffer>): void {
    if (weight.dtype === "f32") this.#memory.write(weight, values);
    else this.#memory.write(weight, weight.dtype === "f16" ? f32ToF16(values) : f32ToBf16(values));
  }

  destroy(): void {
    this.#memory.destroy();
  }
}
