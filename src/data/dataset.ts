// One data set: its rows, read one at a time, tokenised by its format.
import type { Config } from "../config/config.ts";
import { nearest } from "../config/nearest.ts";
import { EftError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type { Message } from "./chat.ts";
import {
  type DatasetKeys,
  DroppedRow,
  type Format,
  type FormatContext,
  type RowReader,
} from "./formats/format.ts";
import { findFormat, formatNames } from "./formats/index.ts";
import { isTokenized, tokenized } from "./formats/plain.ts";
import { openPreference } from "./formats/preference.ts";
import { guessLine, preferenceRemark, recognise } from "./recognise.ts";
import { addNote, type DataReport, drop } from "./report.ts";
import type { Sample } from "./sample.ts";
import { type DatasetSource, readRows, type SourceOptions } from "./sources/rows.ts";
import type { SourceRow } from "./sources/row.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** A sample and the row it came from. */
export interface Placed {
  sample: Sample;
  file: string;
  line: number;
}

/** Rows of each data set that are compared with what inference would ask. */
const COMPARED = 3;

/** What the formats of a run need to know, except the data set. */
export async function formatContext(
  host: Host,
  config: Config,
  tokenizer: Tokenizer,
  dataset: DatasetKeys,
  note?: (text: string) => void,
): Promise<FormatContext> {
  const template = async (value: unknown) => {
    if (typeof value !== "string") return undefined;
    const isFile = !/[{\n]/.test(value) && await host.kind(value) === "file";
    return isFile ? await host.readText(value) : value;
  };
  const keys = config as unknown as Record<string, unknown>;
  return {
    tokenizer,
    sequenceLen: config.sequence_len,
    trainOnInputs: config.train_on_inputs,
    dataset: {
      ...dataset,
      ...(dataset.chat_template_jinja === undefined
        ? {}
        : { chat_template_jinja: await template(dataset.chat_template_jinja) }),
      ...(dataset.type === "_synthetic" ? { seed: dataset.seed ?? config.seed } : {}),
    },
    chat: {
      chat_template: keys.chat_template as string | undefined,
      chat_template_jinja: await template(keys.chat_template_jinja),
      chat_template_kwargs: keys.chat_template_kwargs as Record<string, unknown> | undefined,
      eot_tokens: keys.eot_tokens as string[] | undefined,
      default_system_message: keys.default_system_message as string | undefined,
    },
    ...(note ? { note } : {}),
  };
}

/**
 * The format that `type` names. Throws an EftError("config") with the nearest name, or, where `type`
 * is missing, with what `row` looks like.
 */
export function formatOf(dataset: DatasetKeys, row?: SourceRow): Format {
  const { type } = dataset;
  const found = findFormat(type);
  if (found) return found;
  if (type === undefined) {
    const remark = row && preferenceRemark([row.value]);
    if (remark) {
      throw new EftError("config", `datasets[].type is missing for ${dataset.path}. ${remark}`);
    }
    const [guess] = row ? recognise([row.value]) : [];
    if (guess) {
      throw new EftError(
        "config",
        `datasets[].type is missing for ${dataset.path}; its rows look like \`${
          guessLine(guess)
        }\` (${guess.reason}). Write that if it is right.`,
      );
    }
    throw new EftError(
      "config",
      `datasets[].type is missing for ${dataset.path}; only rows with input_ids, attention_mask ` +
        "and labels need none. For question and answer write `type: alpaca`, for messages " +
        "`type: chat_template`, for plain text `type: completion`.",
    );
  }
  const near = nearest(String(type), formatNames);
  throw new EftError(
    "config",
    `datasets[].type: ${JSON.stringify(type)} is no format${
      near ? `; did you mean ${near}?` : "."
    } They are alpaca, chat_template, completion, input_output and ${
      formatNames.length - 4
    } others.`,
  );
}

export interface DatasetOptions extends SourceOptions {
  /** Told of every row, before it is tokenised; a promise is awaited. */
  onRow?: (row: SourceRow) => void | Promise<void>;
  /** Returns true when enough was read. */
  enough?: (placed: Placed[]) => boolean;
}

/** Reads and tokenises a data set to the end of `placed`. */
export async function readDataset(
  host: Host,
  config: Config,
  tokenizer: Tokenizer,
  dataset: DatasetKeys & DatasetSource,
  placed: Placed[],
  report: DataReport,
  options: DatasetOptions = {},
): Promise<void> {
  const note = (text: string) => addNote(report, text);
  const context = await formatContext(host, config, tokenizer, dataset, note);
  const method = (config as { rl?: string }).rl;
  if (method !== undefined) return await checkPreferences(host, context, method, report, options);
  let reader: RowReader | undefined;
  if (dataset.type === "_synthetic") {
    reader = formatOf(dataset).open(context);
    let line = 0;
    for (const sample of reader.generate!()) {
      placed.push({ sample, file: "_synthetic", line: ++line });
      report.rows++;
    }
    return;
  }
  const shards = Number(dataset.shards ?? 1), shard = Number(dataset.shards_idx ?? 0);
  const skip = Number(dataset.skip ?? 0);
  let number = 0;
  for await (const row of readRows(host, dataset, options)) {
    if (number++ < skip || (number - skip - 1) % shards !== shard) continue;
    reader ??= openReader(context, row);
    report.rows++;
    const waiting = options.onRow?.(row);
    if (waiting) await waiting;
    const samples = tokenizeRow(reader, row, report);
    for (const sample of samples) placed.push({ sample, file: row.file, line: row.line });
    if (number <= COMPARED && samples.length === 1) {
      compare(reader, row, samples[0]!, context, note);
    }
    if (options.enough?.(placed)) return;
  }
}

/** The reader of a data set, which may depend on its first row. */
export function openReader(context: FormatContext, first: SourceRow): RowReader {
  const format = isTokenized(first) ? tokenized : formatOf(context.dataset, first);
  if (format.untrainable) {
    throw new EftError("config", `type: ${format.name}: ${format.untrainable}.`);
  }
  return format.open(context);
}

/** Preference rows are read, so that a mistake in them is found, and then refused. */
async function checkPreferences(
  host: Host,
  context: FormatContext,
  method: string,
  report: DataReport,
  options: DatasetOptions,
): Promise<void> {
  const read = openPreference(method, context);
  const { dataset } = context;
  if (!read) {
    throw new EftError(
      "config",
      `datasets[].type: ${JSON.stringify(dataset.type)} is no format of rl: ${method}. Known are ` +
        "chatml.X and llama3.X (default, argilla_chat, icr, intel, prompt_pairs, ultra), " +
        "chat_template.default, zephyr.nectar, passthrough, and a mapping of your own.",
    );
  }
  for await (const row of readRows(host, dataset as DatasetKeys & DatasetSource, options)) {
    await options.onRow?.(row);
    read(row);
    report.rows++;
  }
  throw new EftError(
    "config",
    `rl: ${method} is not trained yet; the ${report.rows} rows of ${dataset.path} are well-formed.`,
  );
}

function tokenizeRow(reader: RowReader, row: SourceRow, report: DataReport): Sample[] {
  const { file, line } = row;
  try {
    const samples = reader.tokenize(row);
    if (samples.length === 0) {
      drop(report, { file, line, reason: "malformed", detail: "the row holds no text" });
    }
    return samples;
  } catch (error) {
    if (!(error instanceof DroppedRow)) throw error;
    drop(report, { file, line, reason: "malformed", detail: error.message });
    return [];
  }
}

/** Notes when what inference will ask is not how the sample begins. */
function compare(
  reader: RowReader,
  row: SourceRow,
  { tokens }: Sample,
  { dataset }: FormatContext,
  note: (text: string) => void,
) {
  const messages: Message[] | undefined = reader.exchange?.(row);
  if (!reader.prompt || messages?.at(-1)?.role !== "assistant") return;
  let asked: number[];
  try {
    asked = reader.prompt(messages.slice(0, -1));
  } catch {
    return; // the template refuses a part of the conversation
  }
  // The last token of the prompt may merge with the answer.
  if (asked.slice(0, -1).every((id, i) => id === tokens[i])) return;
  note(
    `inference would not ask as ${dataset.path} trains: the prompt of row ${row.line} is not the ` +
      "beginning of its sample. Compare them with `eft preprocess --debug`.",
  );
}
