// A checkpoint: the model as it would be exported at this step, the tensors that training needs to go
// on, and how far the run is. A run that goes on from one ends in the bytes it would have ended in.

import { loadExported } from "../adapter/load.ts";
import type { Config } from "../config/config.ts";
import { EftError } from "../errors.ts";
import { deviceTensors } from "../export/device_tensor.ts";
import { writtenTensors } from "../export/model.ts";
import { writeModelFiles } from "../export/result.ts";
import type { Dtype } from "../files/dtype.ts";
import { bytesToF32 } from "../files/dtype.ts";
import { openSafetensors, type TensorEntry, writeSafetensors } from "../files/safetensors.ts";
import type { KernelRecord } from "../graph/limits.ts";
import type { Tensor } from "../graph/graph.ts";
import type { Memory } from "../gpu/program.ts";
import type { Host } from "../host/host.ts";
import { listCheckpoints } from "./output_folder.ts";
import { runTensors } from "./parameters.ts";
import type { Progress } from "./progress.ts";
import type { Trainer } from "./trainer.ts";

const stateFile = "eft_state.json";
const tensorsFile = "optimizer.safetensors";
const format = 1;

/** eft_state.json, the last file that is written. The log stands in trainer_state.json. */
interface CheckpointState {
  format: number;
  config: Config;
  /** Fingerprint of the training samples in their order. */
  data: string;
  progress: Omit<Progress, "log">;
  /** Sizes of the other files in bytes: a folder that was cut off somewhere is not whole. */
  files: Record<string, number>;
}

/** A checkpoint to go on from. */
export interface Checkpoint {
  path: string;
  /** The output folder that it lies in. */
  parent: string;
  config: Config;
  data: string;
  progress: Progress;
  kernels: KernelRecord;
  /** Texts that were generated before it (samples.jsonl), line by line. */
  samples: string[];
}

export interface CheckpointContent {
  trainer: Trainer;
  progress: Progress;
  data: string;
  /** trainer_state.json and others, by name. */
  texts: Record<string, string>;
  /** Without what is needed to go on. */
  onlyModel: boolean;
}

export async function writeCheckpoint(
  host: Host,
  folder: string,
  { trainer, progress, data, texts, onlyModel }: CheckpointContent,
): Promise<void> {
  const { session, memory } = trainer;
  const { relora } = trainer;
  const tensorsPath = `${folder}/${tensorsFile}`;
  const writeTensors = () => {
    const entries = [...stateTensors(trainer)].map(([name, tensor]) => ({
      name,
      tensor,
      dtype: storedAs(tensor),
    }));
    return writeSafetensors(host, tensorsPath, [
      ...deviceTensors(memory, entries),
      ...relora?.quantized.tensors() ?? [],
    ]);
  };
  // Writing the model merges ReLoRA's adapter for good, so its state is kept first and put back.
  if (relora) await writeTensors();
  trainer.hold("use");
  await writeModelFiles(host, folder, trainer);
  trainer.hold("train");
  if (relora) await loadTensors(host, tensorsPath, relora.finishedTensors(), memory);
  for (const [name, text] of Object.entries(texts)) await host.write(`${folder}/${name}`, text);
  if (onlyModel) {
    if (relora) await host.remove(tensorsPath);
    return;
  }
  if (!relora) await writeTensors();
  const files: Record<string, number> = {};
  for (const name of await host.list(folder)) files[name] = await sizeOfFile(host, folder, name);
  const { log: _, ...rest } = progress;
  const state: CheckpointState = { format, config: session.config, data, progress: rest, files };
  await host.write(`${folder}/${stateFile}`, JSON.stringify(state, null, 2) + "\n");
}

/** Every tensor that a run needs to go on; with ReLoRA, the weights that it has merged into too. */
function stateTensors({ session, relora }: Trainer): Map<string, Tensor> {
  const { trained, groups, state } = session;
  return new Map([...runTensors(trained, groups, state), ...relora?.bases() ?? []]);
}

function storedAs({ dtype }: Tensor): Dtype {
  return dtype.toUpperCase() as Dtype;
}

/** The newest whole checkpoint of an output folder; `report` hears of those that are not whole. */
export async function newestCheckpoint(
  host: Host,
  folder: string,
  report: (text: string) => void,
): Promise<Checkpoint | undefined> {
  for (const { path } of (await listCheckpoints(host, folder)).reverse()) {
    const problem = await problemOf(host, path);
    if (!problem) return await readCheckpoint(host, path);
    report(`${path} is passed over: ${problem}`);
  }
  return undefined;
}

/** Reads a checkpoint's state. Throws an EftError when it is not whole. */
export async function readCheckpoint(host: Host, path: string): Promise<Checkpoint> {
  path = path.replace(/\/+$/, "");
  const problem = await problemOf(host, path);
  if (problem) throw new EftError("output", `resume_from_checkpoint: ${path}: ${problem}`);
  const state: CheckpointState = JSON.parse(await host.readText(`${path}/${stateFile}`));
  const { log_history: log } = JSON.parse(await host.readText(`${path}/trainer_state.json`));
  const samples = "samples.jsonl" in state.files
    ? (await host.readText(`${path}/samples.jsonl`)).trim().split("\n").filter(Boolean)
    : [];
  return {
    path,
    parent: path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : ".",
    config: state.config,
    data: state.data,
    progress: { ...state.progress, log },
    kernels: JSON.parse(await host.readText(`${path}/kernels.json`)),
    samples,
  };
}

/** Why a folder is no checkpoint that a run can go on from. */
async function problemOf(host: Host, path: string): Promise<string | undefined> {
  if (await host.kind(path) !== "folder") return "there is no such folder.";
  if (await host.kind(`${path}/${stateFile}`) !== "file") {
    return await host.kind(`${path}/trainer_state.json`) === "file"
      ? `it has no ${stateFile}: it was saved with save_only_model, or not by Eft.`
      : `it is not a checkpoint of Eft (it has no ${stateFile}).`;
  }
  let state: CheckpointState;
  try {
    state = JSON.parse(await host.readText(`${path}/${stateFile}`));
  } catch (error) {
    return `its ${stateFile} is not JSON (${(error as Error).message}).`;
  }
  if (state.format !== format) {
    return `its format is ${state.format}, and this Eft reads ${format}.`;
  }
  for (const [name, bytes] of Object.entries(state.files)) {
    const found = await host.kind(`${path}/${name}`) === "file"
      ? await sizeOfFile(host, path, name)
      : undefined;
    if (found !== bytes) {
      return `${name} ${found === undefined ? "is missing" : `has ${found} bytes, not ${bytes}`}.`;
    }
  }
  return undefined;
}

async function sizeOfFile(host: Host, folder: string, name: string): Promise<number> {
  const file = await host.open(`${folder}/${name}`);
  file.close();
  return file.size;
}

/** Brings the tensors of a checkpoint to the device and puts the trainer where it was. */
export async function restoreCheckpoint(
  host: Host,
  { path, progress }: Checkpoint,
  trainer: Trainer,
): Promise<void> {
  await loadTensors(host, `${path}/${tensorsFile}`, stateTensors(trainer), trainer.memory);
  await restoreMerged(host, path, trainer);
  trainer.goOnFrom({ steps: progress.step, microSteps: progress.microStep });
  if (progress.optimizer) trainer.scalars.restore(progress.optimizer);
}

/** Brings the model of a checkpoint to the device: the best one, at the end of a run. */
export async function restoreModel(host: Host, path: string, trainer: Trainer): Promise<void> {
  const { memory, relora, session: { trained, loaded } } = trainer;
  if (await host.kind(`${path}/${tensorsFile}`) === "file") {
    // With the optimizer's state, from which a schedule-free one makes the weights to use.
    await loadTensors(host, `${path}/${tensorsFile}`, stateTensors(trainer), memory);
    trainer.holds("train");
    return await restoreMerged(host, path, trainer);
  }
  trainer.holds("use");
  if (relora) {
    await loadTensors(host, path, writtenTensors(loaded.model), memory);
    return relora.clear();
  }
  if (loaded.lora) {
    return await loadExported(host, `${path}/adapter_model.safetensors`, loaded.lora, memory);
  }
  await loadTensors(host, path, trained, memory);
}

/** Makes the quantized weights that ReLoRA has merged into what they were. */
async function restoreMerged(host: Host, path: string, { relora }: Trainer): Promise<void> {
  if (!relora) return;
  const files = await openSafetensors(host, `${path}/${tensorsFile}`);
  try {
    await relora.quantized.restore(files.tensors);
  } finally {
    files.close();
  }
}

/** Bytes read from a file at once. */
const pieceBytes = 8 * 2 ** 20;

async function loadTensors(
  host: Host,
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  memory: Memory,
): Promise<void> {
  const files = await openSafetensors(host, path);
  try {
    let waiting = 0;
    for (const [name, tensor] of tensors) {
      const entry = files.tensors.get(name);
      if (!entry || entry.shape.join() !== tensor.shape.join()) {
        throw new EftError(
          "output",
          `${name}: the run needs shape [${tensor.shape.join(", ")}], the checkpoint has ` +
            `${entry ? `[${entry.shape.join(", ")}]` : "no such tensor"}. ` +
            "Model, adapter and optimizer must be those of the checkpoint.",
          { file: files.files[0] },
        );
      }
      waiting += entry.bytes;
      await loadTensor(memory, tensor, entry);
      if (waiting < pieceBytes) continue;
      waiting = 0;
      await memory.device.gpu.queue.onSubmittedWorkDone(); // each write is staged in memory
    }
  } finally {
    files.close();
  }
  memory.device.check();
}

async function loadTensor(memory: Memory, tensor: Tensor, entry: TensorEntry): Promise<void> {
  const converts = tensor.dtype === "f32" && entry.dtype !== "F32";
  for (let offset = 0; offset < entry.bytes; offset += pieceBytes) {
    const bytes = await entry.read(offset, Math.min(pieceBytes, entry.bytes - offset));
    if (converts) memory.write(tensor, bytesToF32(bytes, entry.dtype), offset * 2);
    else memory.write(tensor, wholeWords(bytes), offset);
    if (entry.bytes > pieceBytes) await memory.device.gpu.queue.onSubmittedWorkDone();
  }
}

function wholeWords(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (bytes.length % 4 === 0) return bytes;
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  padded.set(bytes);
  return padded;
}
