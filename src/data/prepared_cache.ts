// Prepared data kept in `dataset_prepared_path`, so that the next run with the same data, tokenizer
// and settings starts at once. The key is made of contents: of the bytes of local files, of the rows
// of all others, of the tokenizer's files and of every setting that changes a sample. A file whose
// content changed has another key; what is found under a key is never stale.
//
// A file is: "EFTDATA1", the length of its header (u32), the header (JSON), the lengths of all samples
// (u32), their tokens (i32), their labels (i32); little endian.
import type { Config } from "../config/config.ts";
import type { Host } from "../host/host.ts";
import type { DatasetKeys } from "./formats/format.ts";
import type { Prepared } from "./prepare.ts";
import type { DataReport } from "./report.ts";
import type { Sample } from "./sample.ts";
import { type DatasetSource, readRows, type SourceOptions } from "./sources/rows.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** To be raised whenever a format or a step of preparation gives other samples. */
const VERSION = 1;
const MAGIC = "EFTDATA1";

/** Top-level keys that change what samples there are. */
const KEYS = [
  ..."sequence_len train_on_inputs val_set_size seed shuffle_merged_datasets".split(" "),
  ..."shuffle_before_merging_datasets excess_length_strategy min_sample_len".split(" "),
  ..."dataset_exact_deduplication dataset_shard_num dataset_shard_idx skip_prepare_dataset".split(
    " ",
  ),
  ..."chat_template chat_template_jinja chat_template_kwargs default_system_message".split(" "),
  ..."eot_tokens special_tokens datasets test_datasets pretraining_dataset streaming rl".split(" "),
];
/** What decides how far streamed data is read. */
const STREAM_KEYS = "max_steps gradient_accumulation_steps micro_batch_size sample_packing".split(
  " ",
);

export async function cacheKey(
  host: Host,
  config: Config,
  tokenizer: Tokenizer,
  options: SourceOptions = {},
): Promise<string> {
  const values = config as unknown as Record<string, unknown>;
  const isStreamed = values.pretraining_dataset !== undefined || values.streaming === true;
  const settings = [...KEYS, ...isStreamed ? STREAM_KEYS : []].map((
    key,
  ) => [key, values[key] ?? null]);
  const contents: string[] = [];
  for (const key of ["datasets", "test_datasets", "pretraining_dataset"]) {
    for (const dataset of (values[key] ?? []) as (DatasetKeys & DatasetSource)[]) {
      const phase = key === "test_datasets" ? "test" : "train";
      contents.push(await hashDataset(host, dataset, { ...options, phase }));
      contents.push(await hashIfFile(host, dataset.chat_template_jinja));
    }
  }
  contents.push(await hashIfFile(host, values.chat_template_jinja));
  for (const file of tokenizer.files) contents.push(await hashFile(host, file));
  const text = JSON.stringify([VERSION, settings, contents]);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export async function readCache(
  host: Host,
  folder: string,
  key: string,
): Promise<Prepared | undefined> {
  const path = pathOf(folder, key);
  if (await host.kind(path) !== "file") return undefined;
  const file = await host.open(path);
  try {
    const start = await file.read(0, 12);
    if (new TextDecoder().decode(start.subarray(0, 8)) !== MAGIC) return undefined;
    const headerLength = new DataView(start.buffer).getUint32(8, true);
    const header = JSON.parse(
      new TextDecoder().decode(await file.read(12, headerLength)),
    ) as Header;
    if (header.key !== key) return undefined;
    const { train, evaluation, tokens } = header;
    let at = 12 + headerLength;
    if (file.size !== at + 4 * (train + evaluation) + 8 * tokens) return undefined;
    const read = async (count: number) => {
      const array = new Int32Array(count), bytes = new Uint8Array(array.buffer);
      for (let done = 0; done < bytes.length; done += CHUNK) {
        const size = Math.min(CHUNK, bytes.length - done);
        bytes.set(await file.read(at + done, size), done);
      }
      at += bytes.length;
      return array;
    };
    const lengths = await read(train + evaluation);
    const allTokens = await read(tokens), allLabels = await read(tokens);
    const samples: Sample[] = [];
    let from = 0;
    for (const length of lengths) {
      const to = from + length;
      samples.push({ tokens: allTokens.subarray(from, to), labels: allLabels.subarray(from, to) });
      from = to;
    }
    return {
      train: samples.slice(0, train),
      evaluation: samples.slice(train),
      report: header.report,
      cached: true,
    };
  } catch {
    return undefined; // half a file, or not one of ours: it is made again
  } finally {
    file.close();
  }
}

export async function writeCache(
  host: Host,
  folder: string,
  key: string,
  { train, evaluation, report }: Prepared,
): Promise<void> {
  const samples = [...train, ...evaluation];
  const lengths = Int32Array.from(samples, ({ tokens }) => tokens.length);
  const header: Header = {
    key,
    train: train.length,
    evaluation: evaluation.length,
    tokens: lengths.reduce((sum, length) => sum + length, 0),
    report,
  };
  const text = new TextEncoder().encode(JSON.stringify(header));
  const start = new Uint8Array(12);
  new TextEncoder().encodeInto(MAGIC, start);
  new DataView(start.buffer).setUint32(8, text.length, true);
  await host.makeFolder(folder);
  await host.write(
    pathOf(folder, key),
    (async function* () {
      yield start;
      yield text;
      yield bytesOf(lengths);
      yield* gathered(samples, ({ tokens }) => tokens);
      yield* gathered(samples, ({ labels }) => labels);
    })(),
  );
}

interface Header {
  key: string;
  train: number;
  evaluation: number;
  /** Tokens of all samples. */
  tokens: number;
  report: DataReport;
}

const CHUNK = 1 << 22;

function pathOf(folder: string, key: string): string {
  return `${folder}/${key.slice(0, 32)}.eftdata`;
}

function bytesOf(array: Int32Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(array.slice().buffer);
}

/** Many small arrays in few large pieces. */
function* gathered(samples: Sample[], part: (sample: Sample) => Int32Array) {
  let piece = new Int32Array(CHUNK / 4), used = 0;
  for (const sample of samples) {
    const array = part(sample);
    if (used + array.length > piece.length) {
      yield bytesOf(piece.subarray(0, used));
      if (array.length > piece.length) piece = new Int32Array(array.length);
      used = 0;
    }
    piece.set(array, used);
    used += array.length;
  }
  yield bytesOf(piece.subarray(0, used));
}

async function hashIfFile(host: Host, path: unknown): Promise<string> {
  if (typeof path !== "string" || /[{\n]/.test(path)) return "";
  return await host.kind(path) === "file" ? await hashFile(host, path) : "";
}

async function hashFile(host: Host, path: string): Promise<string> {
  const hash = new ContentHash();
  for await (const bytes of await host.readStream(path)) hash.add(bytes);
  return hash.digest();
}

/** The bytes of a local file; of everything else the rows, which a hub or a folder may choose. */
async function hashDataset(
  host: Host,
  dataset: DatasetKeys & DatasetSource,
  options: SourceOptions,
): Promise<string> {
  if (dataset.type === "_synthetic") return "";
  const { path, data_files: files } = dataset;
  if (files === undefined && await host.kind(path) === "file") return await hashFile(host, path);
  const hash = new ContentHash(), encoder = new TextEncoder();
  for await (const { value } of readRows(host, dataset, options)) {
    hash.add(
      encoder.encode(
        JSON.stringify(value, (_, each) => typeof each === "bigint" ? String(each) : each),
      ),
    );
    hash.add(ROW_END);
  }
  return hash.digest();
}

const ROW_END = new Uint8Array([10]);

/**
 * A fast hash of 64 bits and the length over a stream, four bytes at a time in two lanes (the mixing of MurmurHash3).
 * Not against an attacker, who would only deceive himself.
 */
export class ContentHash {
  #a = 0x9747b28c;
  #b = 0x1b873593;
  #length = 0;
  #rest = 0;

  add(bytes: Uint8Array): void {
    let a = this.#a, b = this.#b, rest = this.#rest, length = this.#length;
    let i = 0;
    const step = (word: number) => {
      const k = Math.imul(word, 0xcc9e2d51);
      a = Math.imul(a ^ Math.imul(k << 15 | k >>> 17, 0x1b873593), 0x85ebca6b);
      a = (a << 13 | a >>> 19) + 0xe6546b64 | 0;
      b = Math.imul(b ^ word, 0xc2b2ae35);
      b = (b << 16 | b >>> 16) ^ a;
    };
    for (; i < bytes.length && length % 4 !== 0; i++, length++) {
      rest |= bytes[i]! << 8 * (length % 4);
      if (length % 4 === 3) {
        step(rest);
        rest = 0;
      }
    }
    for (; i + 4 <= bytes.length; i += 4, length += 4) {
      step(bytes[i]! | bytes[i + 1]! << 8 | bytes[i + 2]! << 16 | bytes[i + 3]! << 24);
    }
    for (; i < bytes.length; i++, length++) rest |= bytes[i]! << 8 * (length % 4);
    [this.#a, this.#b, this.#rest, this.#length] = [a, b, rest, length];
  }

  digest(): string {
    const mixed = [this.#a ^ this.#rest, this.#b ^ this.#length, Math.imul(this.#rest, 0x5bd1e995)];
    return [...mixed.map((word) => (word >>> 0).toString(16).padStart(8, "0")), this.#length].join(
      "-",
    );
  }
}
