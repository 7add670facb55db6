// Safetensors, the file format of weights: `u64 length | JSON header | tensor bytes`. Files are
// checked before the first tensor is read, read by ranges and written as a stream, so that a model
// larger than memory is no special case. Format: https://github.com/huggingface/safetensors
import { assert, EftError } from "../errors.ts";
import type { Host, RandomAccessFile } from "../host/host.ts";
import { type Dtype, DTYPE_BYTES, DTYPES } from "./dtype.ts";

/** The limit of the reference implementation: a longer header is a corrupt file. */
const MAX_HEADER_BYTES = 100_000_000;

export interface TensorEntry {
  name: string;
  dtype: Dtype;
  shape: number[];
  /** Size of the whole tensor in bytes. */
  bytes: number;
  /** Reads `length` bytes from byte `offset` of the tensor; without arguments, all of it. */
  read(offset?: number, length?: number): Promise<Uint8Array<ArrayBuffer>>;
}

export interface SafetensorsSet {
  tensors: Map<string, TensorEntry>;
  /** `__metadata__` of the (first) file. */
  metadata: Record<string, string>;
  /** Paths of the files that were opened. */
  files: string[];
  close(): void;
}

/** What a header says about one tensor; `begin` and `end` are offsets in the file. */
interface Extent {
  dtype: Dtype;
  shape: number[];
  begin: number;
  end: number;
}

function bad(path: string, problem: string, cause?: unknown): EftError {
  return new EftError("model", problem, { file: path }, { cause });
}

const REDO = "Download or export the file again.";

/**
 * Opens the weights of a model: a folder with `model.safetensors` or with shards and their index,
 * or one file of any name (an index is recognised by `.index.json`).
 */
export async function openSafetensors(host: Host, path: string): Promise<SafetensorsSet> {
  const kind = await host.kind(path);
  if (kind === undefined) throw bad(path, "there is no such file or folder.");
  if (kind === "file") {
    return path.endsWith(".index.json") ? openSharded(host, path) : openFiles(host, [path]);
  }
  const single = `${path}/model.safetensors`, index = `${path}/model.safetensors.index.json`;
  if (await host.kind(single) === "file") return openFiles(host, [single]);
  if (await host.kind(index) === "file") return openSharded(host, index);
  throw bad(
    path,
    "the folder holds neither model.safetensors nor model.safetensors.index.json. Eft reads " +
      "weights in safetensors only; convert other files first.",
  );
}

async function openSharded(host: Host, indexPath: string): Promise<SafetensorsSet> {
  const folder = indexPath.includes("/") ? indexPath.slice(0, indexPath.lastIndexOf("/") + 1) : "";
  let index: unknown;
  try {
    index = JSON.parse(await host.readText(indexPath));
  } catch (error) {
    throw bad(indexPath, `the index is not valid JSON (${(error as Error).message}).`, error);
  }
  const map = isRecord(index) ? index.weight_map : undefined;
  if (!isRecord(map) || !Object.values(map).every((file) => typeof file === "string")) {
    throw bad(indexPath, "the index has no `weight_map` from tensor names to file names.");
  }
  const shards = [...new Set(Object.values(map) as string[])].sort();
  for (const shard of shards) {
    if (/(^|[\\/])\.\.([\\/]|$)|^[\\/]/.test(shard)) {
      throw bad(indexPath, `the index names a file outside the folder: ${shard}`);
    }
    if (await host.kind(folder + shard) !== "file") {
      throw bad(
        indexPath,
        `the shard ${shard} is missing (${shards.length} are needed). Download it into the folder.`,
      );
    }
  }
  const set = await openFiles(host, shards.map((shard) => folder + shard));
  for (const [name, shard] of Object.entries(map)) {
    if (set.tensors.has(name)) continue;
    set.close();
    throw bad(indexPath, `the index places \`${name}\` in ${shard}, which does not hold it.`);
  }
  return set;
}

async function openFiles(host: Host, paths: string[]): Promise<SafetensorsSet> {
  const open: RandomAccessFile[] = [];
  const close = () => open.forEach((file) => file.close());
  const tensors = new Map<string, TensorEntry>();
  let metadata: Record<string, string> | undefined;
  try {
    for (const path of paths) {
      let file: RandomAccessFile;
      try {
        file = await host.open(path);
      } catch (error) {
        throw bad(path, `the file cannot be opened (${(error as Error).message}).`, error);
      }
      open.push(file);
      const header = await readHeader(file);
      metadata ??= header.metadata;
      for (const [name, extent] of header.extents) {
        if (tensors.has(name)) throw bad(path, `\`${name}\` is also in another shard.`);
        tensors.set(name, entry(file, name, extent));
      }
    }
  } catch (error) {
    close();
    throw error;
  }
  return { tensors, metadata: metadata ?? {}, files: paths, close };
}

function entry(file: RandomAccessFile, name: string, extent: Extent): TensorEntry {
  const bytes = extent.end - extent.begin;
  return {
    name,
    dtype: extent.dtype,
    shape: extent.shape,
    bytes,
    async read(offset = 0, length = bytes - offset) {
      assert(
        offset >= 0 && length >= 0 && offset + length <= bytes,
        `bytes ${offset} to ${offset + length} of ${name}, which has ${bytes}`,
      );
      try {
        return await file.read(extent.begin + offset, length);
      } catch (error) {
        throw bad(file.path, `\`${name}\` cannot be read (${(error as Error).message}).`, error);
      }
    },
  };
}

async function readHeader(file: RandomAccessFile) {
  const { path, size } = file;
  if (size < 8) {
    throw bad(path, `expected a safetensors file, found ${size} bytes. ${REDO}`);
  }
  const first = await file.read(0, 8);
  const length = Number(new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true));
  if (length > MAX_HEADER_BYTES) {
    throw bad(path, `this is not a safetensors file: its header would have ${length} bytes.`);
  }
  if (8 + length > size) {
    throw bad(
      path,
      `the file is cut off: the header alone needs ${8 + length} bytes, found ${size}. ${REDO}`,
    );
  }
  let header: unknown;
  try {
    header = JSON.parse(
      new TextDecoder("utf-8", { fatal: true }).decode(await file.read(8, length)),
    );
  } catch (error) {
    throw bad(path, `the header is not valid JSON (${(error as Error).message}). ${REDO}`, error);
  }
  if (!isRecord(header)) throw bad(path, `the header is not a JSON object. ${REDO}`);

  const extents = new Map<string, Extent>();
  for (const [name, value] of Object.entries(header)) {
    if (name !== "__metadata__") extents.set(name, checkEntry(path, name, value, 8 + length));
  }
  checkCoverage(path, extents, 8 + length, size);
  const metadata: Record<string, string> = {};
  if (isRecord(header.__metadata__)) {
    for (const [key, value] of Object.entries(header.__metadata__)) {
      if (typeof value === "string") metadata[key] = value;
    }
  }
  return { extents, metadata };
}

function checkEntry(path: string, name: string, value: unknown, dataStart: number): Extent {
  const fail = (problem: string) => bad(path, `the header entry of \`${name}\` ${problem}`);
  if (!isRecord(value)) throw fail("is not an object.");
  const { dtype, shape, data_offsets: offsets } = value;
  if (!DTYPES.includes(dtype as Dtype)) {
    throw fail(`has dtype ${JSON.stringify(dtype)}; known are ${DTYPES.join(", ")}.`);
  }
  if (!isCountList(shape)) throw fail("has no valid `shape`.");
  if (!isCountList(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw fail("has no valid `data_offsets`.");
  }
  const [begin, end] = offsets as [number, number];
  const expected = shape.reduce((a, b) => a * b, 1) * DTYPE_BYTES[dtype as Dtype];
  if (expected !== end - begin) {
    throw fail(`says ${dtype} [${shape}], ${expected} bytes, but it spans ${end - begin} bytes.`);
  }
  return { dtype: dtype as Dtype, shape, begin: dataStart + begin, end: dataStart + end };
}

/** Tensors must fill the file from the header to its end, without gaps and overlaps. */
function checkCoverage(path: string, extents: Map<string, Extent>, start: number, size: number) {
  const sorted = [...extents].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let at = start;
  for (const [name, { begin, end }] of sorted) {
    if (begin !== at) {
      const what = begin > at ? "leaves a gap before itself" : "overlaps the tensor before it";
      throw bad(path, `\`${name}\` ${what} (byte ${begin}, expected ${at}). ${REDO}`);
    }
    at = end;
  }
  if (at > size) {
    throw bad(path, `the file is cut off: expected ${at} bytes, found ${size}. ${REDO}`);
  }
  if (at < size) throw bad(path, `expected ${at} bytes, found ${size - at} more. ${REDO}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCountList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

export interface TensorToWrite {
  name: string;
  dtype: Dtype;
  shape: number[];
  /** Its bytes, asked for only when their turn in the file comes. */
  data: () => Uint8Array | AsyncIterable<Uint8Array>;
}

/** Widest dtype first, then by name. */
export function inFileOrder(
  a: { name: string; dtype: Dtype },
  b: { name: string; dtype: Dtype },
): number {
  return DTYPES.indexOf(b.dtype) - DTYPES.indexOf(a.dtype) || (a.name < b.name ? -1 : 1);
}

/** Writes one safetensors file as a stream. */
export async function writeSafetensors(
  host: Host,
  path: string,
  tensors: TensorToWrite[],
  metadata?: Record<string, string>,
): Promise<void> {
  await host.write(path, safetensorsFile(tensors, metadata).content());
}

/**
 * The size of a safetensors file and its bytes. Tensors are placed as the reference implementation
 * does: widest dtype first, then by name, so that equal weights give equal bytes.
 */
export function safetensorsFile(
  tensors: TensorToWrite[],
  metadata: Record<string, string> = { format: "pt" },
): { bytes: number; content(): AsyncIterable<Uint8Array> } {
  const sorted = [...tensors].sort(inFileOrder);
  // JSON text by hand, since a JavaScript object would move names that look like integers.
  const entries: string[] = [];
  if (Object.keys(metadata).length > 0) entries.push(`"__metadata__":${JSON.stringify(metadata)}`);
  const sizes: number[] = [];
  let at = 0;
  const names = new Set<string>();
  for (const { name, dtype, shape } of sorted) {
    assert(!names.has(name), `two tensors are named ${name}`);
    names.add(name);
    const bytes = shape.reduce((a, b) => a * b, 1) * DTYPE_BYTES[dtype];
    const extent = JSON.stringify({ dtype, shape, data_offsets: [at, at + bytes] });
    entries.push(`${JSON.stringify(name)}:${extent}`);
    sizes.push(bytes);
    at += bytes;
  }
  const header = headerBytes(entries);
  return { bytes: header.length + at, content: () => stream(sorted, sizes, header) };
}

function headerBytes(entries: string[]): Uint8Array {
  const json = new TextEncoder().encode(`{${entries.join(",")}}`);
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  return bytes;
}

async function* stream(tensors: TensorToWrite[], sizes: number[], header: Uint8Array) {
  yield header;
  for (const [i, { name, data }] of tensors.entries()) {
    const content = data();
    let written = 0;
    for await (const part of content instanceof Uint8Array ? [content] : content) {
      written += part.length;
      yield part;
    }
    assert(written === sizes[i], `${name} gave ${written} bytes, expected ${sizes[i]}`);
  }
}
