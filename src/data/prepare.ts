// From the data sets of a configuration to the samples of a run, in Axolotl's order of steps:
// tokenise each data set, merge, shuffle, drop what is too long or too short, split off evaluation.
import type { Config } from "../config/config.ts";
import { EftError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { RandomStream } from "../random.ts";
import type { BatchOptions } from "./batches.ts";
import { type DatasetOptions, type Placed, readDataset } from "./dataset.ts";
import { SampleSet } from "./duplicates.ts";
import type { DatasetKeys } from "./formats/format.ts";
import { cacheKey, readCache, writeCache } from "./prepared_cache.ts";
import { drop, type DropReason, emptyReport, examine, nothingLeft } from "./report.ts";
import type { DataReport } from "./report.ts";
import { countTrained, type Sample } from "./sample.ts";
import type { DatasetSource, SourceOptions } from "./sources/rows.ts";
import type { Tokenizer } from "./tokenizer.ts";

export type { DataReport } from "./report.ts";

/** The streams of the shuffles; the streams below them are the epochs' (batches.ts). */
const MERGE_STREAM = 0x4d455247, DATASET_STREAM = 0x44530000;

export interface Prepared {
  train: Sample[];
  evaluation: Sample[];
  report: DataReport;
  /** Whether the samples came from `dataset_prepared_path`. */
  cached: boolean;
}

export interface PrepareOptions extends SourceOptions {
  /** Write the cache even where `dataset_prepared_path` is not set, here. */
  cacheFolder?: string;
  /** Told of every row before it is tokenised; a promise is awaited, a failure ends the reading. */
  onRow?: DatasetOptions["onRow"];
}

type Dataset = DatasetKeys & DatasetSource;

/** Keys that data preparation reads; those that the configuration does not type yet are optional. */
interface DataKeys {
  datasets?: Dataset[];
  test_datasets?: Dataset[];
  pretraining_dataset?: Dataset[];
  streaming?: boolean;
  max_steps?: number;
  dataset_prepared_path?: string;
  dataset_exact_deduplication?: boolean;
  dataset_shard_num?: number;
  dataset_shard_idx?: number;
  shuffle_before_merging_datasets?: boolean;
  skip_prepare_dataset?: boolean;
  val_set_size?: number;
}

export async function prepareData(
  host: Host,
  config: Config,
  tokenizer: Tokenizer,
  options: PrepareOptions = {},
): Promise<Prepared> {
  if (tokenizer.eosId === undefined) {
    throw new EftError(
      "model",
      `the tokenizer of ${config.tokenizer_config} names no end-of-sequence token, so a response ` +
        "could not end; set `special_tokens: {eos_token: ...}` to one of its vocabulary.",
    );
  }
  const folder = (config as DataKeys).dataset_prepared_path ?? options.cacheFolder;
  if (folder === undefined) return await prepare(host, config, tokenizer, options);
  const key = await cacheKey(host, config, tokenizer, options);
  const found = await readCache(host, folder, key);
  if (found) return found;
  const prepared = await prepare(host, config, tokenizer, options);
  await writeCache(host, folder, key, prepared);
  return prepared;
}

async function prepare(
  host: Host,
  config: Config,
  tokenizer: Tokenizer,
  sources: PrepareOptions,
): Promise<Prepared> {
  const keys = config as unknown as DataKeys & Config;
  const report = emptyReport();
  const seen = keys.dataset_exact_deduplication ? new SampleSet() : undefined;

  const load = async (datasets: Dataset[], isTrain: boolean) => {
    const placed: Placed[] = [];
    for (const [i, dataset] of datasets.entries()) {
      const own: Placed[] = [];
      const options: DatasetOptions = { ...sources, phase: isTrain ? "train" : "test" };
      if (isTrain) options.enough = enoughFor(keys);
      await readDataset(host, config, tokenizer, dataset, own, report, options);
      if (isTrain && keys.shuffle_before_merging_datasets) {
        new RandomStream(config.seed, DATASET_STREAM + i).shuffle(own);
      }
      for (const each of own) placed.push(each); // a spread of many would overflow the stack
    }
    const shuffles = isTrain && config.shuffle_merged_datasets && !isStreamed(keys);
    if (shuffles) new RandomStream(config.seed, MERGE_STREAM).shuffle(placed);
    return placed.flatMap((each) => {
      if (keys.skip_prepare_dataset) return each.sample;
      const sample = fit(each, config);
      if (typeof sample === "string") {
        drop(report, { file: each.file, line: each.line, reason: sample });
        return [];
      }
      if (seen && !seen.add(sample)) {
        drop(report, { file: each.file, line: each.line, reason: "duplicate" });
        return [];
      }
      return sample;
    });
  };

  const isPretraining = keys.pretraining_dataset !== undefined;
  const name = isPretraining ? "pretraining_dataset" : "datasets";
  let train = await load((isPretraining ? keys.pretraining_dataset : keys.datasets) ?? [], true);
  if (keys.dataset_shard_num !== undefined) {
    const { dataset_shard_num: shards, dataset_shard_idx: shard = 0 } = keys;
    train = train.filter((_, i) => i % shards === shard);
  }
  if (train.length === 0) throw nothingLeft(name, config, report);
  let evaluation: Sample[] = [];
  if (keys.test_datasets) {
    const before = structuredClone(report);
    evaluation = await load(keys.test_datasets, false);
    if (evaluation.length === 0) throw nothingLeft("test_datasets", config, report, before);
  } else if (config.val_set_size > 0) {
    const { val_set_size: size } = config;
    const count = size < 1 ? Math.ceil(size * train.length) : size;
    if (count >= train.length) {
      throw new EftError(
        "data",
        `val_set_size: ${size} takes ${count} samples for evaluation, but there are only ` +
          `${train.length}; nothing would be left to train on.`,
      );
    }
    evaluation = train.slice(-count);
    train = train.slice(0, -count);
  }
  examine(report, train, tokenizer, config.sequence_len);
  return { train, evaluation, report, cached: false };
}

function isStreamed(keys: DataKeys): boolean {
  return keys.pretraining_dataset !== undefined || keys.streaming === true;
}

/** Streamed data is read only as far as `max_steps` will use it. */
function enoughFor(keys: DataKeys & Config): ((placed: Placed[]) => boolean) | undefined {
  if (!isStreamed(keys) || keys.max_steps === undefined) return undefined;
  const rows = keys.max_steps * keys.gradient_accumulation_steps * keys.micro_batch_size;
  const wanted = keys.sample_packing ? rows * keys.sequence_len : rows;
  let counted = 0, tokens = 0;
  return (placed) => {
    for (; counted < placed.length; counted++) {
      tokens += keys.sample_packing ? placed[counted]!.sample.tokens.length : 1;
    }
    return tokens >= wanted;
  };
}

/** The sample as it will be trained on, or why it is left out. */
export function fit(placed: Placed, config: Config): Sample | DropReason {
  let { sample } = placed;
  const { file, line } = placed;
  const length = sample.tokens.length, limit = config.sequence_len;
  if (length > limit) {
    if (config.excess_length_strategy === "raise") {
      throw new EftError(
        "data",
        `the row has at least ${length} tokens, more than sequence_len (${limit}), and ` +
          "excess_length_strategy is raise.",
        { file, line },
      );
    }
    if (config.excess_length_strategy === "drop") return "tooLong";
    sample = { tokens: sample.tokens.slice(0, limit), labels: sample.labels.slice(0, limit) };
  }
  if (length < config.min_sample_len) return "tooShort";
  // Axolotl drops these only when it packs; a batch without any trained token has no mean loss.
  return countTrained(sample) === 0 ? "untrained" : sample;
}

/** How a run makes batches of its samples. */
export function batchOptions(
  config: Config,
  padId: number,
  purpose: "train" | "evaluation",
): BatchOptions {
  const keys = config as Config & {
    group_by_length?: boolean;
    curriculum_sampling?: boolean;
    sample_packing_sequentially?: boolean;
    sample_packing_group_size?: number;
    sample_packing_bin_size?: number;
    pad_to_multiple_of?: number;
  };
  const isTrain = purpose === "train";
  return {
    microBatchSize: isTrain ? config.micro_batch_size : config.eval_batch_size,
    sequenceLen: config.sequence_len,
    packing: isTrain ? config.sample_packing : config.eval_sample_packing,
    padToSequenceLen: config.pad_to_sequence_len,
    padId,
    seed: config.seed,
    sequential: !isTrain || keys.curriculum_sampling === true,
    packInOrder: !isTrain || keys.sample_packing_sequentially === true,
    groupByLength: isTrain && keys.group_by_length === true,
    ...(keys.pad_to_multiple_of === undefined ? {} : { lengthMultiple: keys.pad_to_multiple_of }),
    ...(keys.sample_packing_group_size === undefined
      ? {}
      : { packingGroup: keys.sample_packing_group_size }),
    ...(keys.sample_packing_bin_size === undefined
      ? {}
      : { packingBin: keys.sample_packing_bin_size }),
  };
}
