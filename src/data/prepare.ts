// From the data sets of a configuration to the samples of a run, in Axolotl's order of steps:
// tokenise each data set, merge, shuffle, drop what is too long or too short, split off evaluation.
import type { Config } from "../config/config.ts";
import { EftError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { RandomStream } from "../random.ts";
import { findFormat } from "./formats/index.ts";
import { countTrained, type Sample } from "./sample.ts";
import { readRows, type SourceRow } from "./sources/json.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** The stream of the shuffle; the streams below it are the epochs' (batches.ts). */
const MERGE_STREAM = 0x4d455247;

export interface DataReport {
  /** Rows read, of all data sets. */
  rows: number;
  /** Samples that were left out, of all data sets. */
  dropped: { tooLong: number; tooShort: number; untrained: number };
  /** Tokens of the training samples, and how many of them give a loss. */
  tokens: number;
  trainedTokens: number;
}

export interface Prepared {
  train: Sample[];
  evaluation: Sample[];
  report: DataReport;
}

type DatasetConfig = Config["datasets"][number];

interface Placed {
  sample: Sample;
  file: string;
  line: number;
}

export async function prepareData(
  host: Host,
  config: Config,
  tokenizer: Tokenizer,
): Promise<Prepared> {
  if (tokenizer.eosId === undefined) {
    throw new EftError(
      "model",
      `the tokenizer of ${config.tokenizer_config} names no end-of-sequence token, so a response ` +
        "could not end; set `special_tokens: {eos_token: ...}` to one of its vocabulary.",
    );
  }
  const report: DataReport = {
    rows: 0,
    dropped: { tooLong: 0, tooShort: 0, untrained: 0 },
    tokens: 0,
    trainedTokens: 0,
  };
  const load = async (datasets: DatasetConfig[], shuffle: boolean) => {
    const placed: Placed[] = [];
    for (const dataset of datasets) {
      await readDataset(host, config, tokenizer, dataset, placed, report);
    }
    if (shuffle) new RandomStream(config.seed, MERGE_STREAM).shuffle(placed);
    return placed.flatMap((each) => fit(each, config, report) ?? []);
  };

  let train = await load(config.datasets, config.shuffle_merged_datasets);
  if (train.length === 0) throw nothingLeft("datasets", config, report);
  let evaluation: Sample[] = [];
  if (config.test_datasets) {
    const before = structuredClone(report);
    evaluation = await load(config.test_datasets, false);
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
  for (const sample of train) {
    report.tokens += sample.tokens.length;
    report.trainedTokens += countTrained(sample);
  }
  return { train, evaluation, report };
}

async function readDataset(
  host: Host,
  config: Config,
  tokenizer: Tokenizer,
  dataset: DatasetConfig,
  placed: Placed[],
  report: DataReport,
) {
  const format = findFormat(dataset.type)!; // the configuration was checked
  const context = {
    tokenizer,
    sequenceLen: config.sequence_len,
    trainOnInputs: config.train_on_inputs,
    field: dataset.field,
  };
  for await (const row of datasetRows(host, dataset)) {
    report.rows++;
    for (const sample of format.tokenize(row, context)) {
      placed.push({ sample, file: row.file, line: row.line });
    }
  }
}

async function* datasetRows(host: Host, dataset: DatasetConfig): AsyncGenerator<SourceRow, void> {
  const { path, data_files: files } = dataset;
  if (files === undefined) return yield* readRows(host, path);
  // `path: json` with `data_files` names a reader, not a folder, in the datasets library.
  const isReader = path === "json" && await host.kind(path) === undefined;
  for (const file of typeof files === "string" ? [files] : files) {
    yield* readRows(host, isReader ? file : `${path}/${file}`);
  }
}

/** The sample as it will be trained on, or undefined when it is dropped. */
function fit(placed: Placed, config: Config, report: DataReport): Sample | undefined {
  let { sample } = placed;
  const length = sample.tokens.length, limit = config.sequence_len;
  if (length > limit) {
    if (config.excess_length_strategy === "raise") {
      const { file, line } = placed;
      throw new EftError(
        "data",
        `the row has at least ${length} tokens, more than sequence_len (${limit}), and ` +
          "excess_length_strategy is raise.",
        { file, line },
      );
    }
    if (config.excess_length_strategy === "drop") {
      report.dropped.tooLong++;
      return undefined;
    }
    sample = { tokens: sample.tokens.slice(0, limit), labels: sample.labels.slice(0, limit) };
  }
  if (length < config.min_sample_len) {
    report.dropped.tooShort++;
    return undefined;
  }
  // Axolotl drops these only when it packs; a batch without any trained token has no mean loss.
  if (countTrained(sample) === 0) {
    report.dropped.untrained++;
    return undefined;
  }
  return sample;
}

function nothingLeft(
  key: string,
  config: Config,
  { rows, dropped }: DataReport,
  before?: DataReport,
): EftError {
  const more = (name: keyof DataReport["dropped"]) => dropped[name] - (before?.dropped[name] ?? 0);
  return new EftError(
    "data",
    `no sample of \`${key}\` is left: of ${rows - (before?.rows ?? 0)} rows, ${more("tooLong")} ` +
      `samples are longer than sequence_len (${config.sequence_len}), ${
        more("tooShort")
      } shorter ` +
      `than min_sample_len (${config.min_sample_len}), ${
        more("untrained")
      } have nothing to train on.`,
  );
}
