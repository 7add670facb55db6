// `eft preprocess CONFIG`: reads and tokenises the data of a run, keeps it for `train`, and says what
// became of it. With --debug it shows samples token by token, coloured by whether they are trained.

import { parseConfig } from "../config/config.ts";
import { Batches } from "../data/batches.ts";
import { batchOptions, type Prepared, prepareData } from "../data/prepare.ts";
import { droppedCount, type DropReason } from "../data/report.ts";
import { IGNORE, type Sample } from "../data/sample.ts";
import { configuredTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import type { Host } from "../host/host.ts";
import { type Arguments, numberFlag } from "./arguments.ts";
import { readConfig } from "./config_file.ts";
import { count, type Terminal } from "./terminal.ts";

/** Where prepared data goes when the configuration does not say, as in Axolotl. */
const cacheFolder = "last_run_prepared";
/** Left-out rows that are named one by one. */
const namedRows = 10;
const histogramBins = 12, barWidth = 40;

const reasons: Record<DropReason, string> = {
  tooLong: "longer than sequence_len",
  tooShort: "shorter than min_sample_len",
  untrained: "nothing to train on",
  duplicate: "seen before",
  malformed: "left out by the format",
};

export async function preprocess(host: Host, args: Arguments, terminal: Terminal): Promise<void> {
  const { file, text } = await readConfig(host, args);
  const { config, notes } = parseConfig(text, file, args.overrides);
  for (const note of notes) terminal.event({ event: "note", text: note });
  const tokenizer = await configuredTokenizer(host, config);
  const data = await prepareData(host, config, tokenizer, { cacheFolder });
  const { report, train } = data;

  if (args.flags.has("debug")) {
    const shown = numberFlag(args.flags, "debug-num-examples", 5);
    for (const sample of train.slice(0, shown)) {
      const lines = args.flags.has("debug-text-only")
        ? [tokenizer.decode(sample.tokens)]
        : sampleLines(sample, tokenizer, !Deno.noColor);
      for (const line of lines) terminal.say(line);
      terminal.say();
    }
  }

  const batches = new Batches(train, batchOptions(config, tokenizer.padId, "train"));
  const efficiency = batches.efficiency();
  for (const line of summary(data, config.sample_packing ? efficiency : undefined)) {
    terminal.say(line);
  }
  const where = (config as { dataset_prepared_path?: string }).dataset_prepared_path ?? cacheFolder;
  terminal.say(data.cached ? `Read from ${where}.` : `Kept in ${where} for the next run.`);
  for (const note of report.notes) terminal.event({ event: "note", text: note });
  terminal.event({
    event: "end",
    rows: report.rows,
    dropped: droppedCount(report),
    samples: train.length,
    evaluation_samples: data.evaluation.length,
    tokens: report.tokens,
    trained_tokens: report.trainedTokens,
    packing_efficiency: efficiency,
    cached: data.cached,
    notes: report.notes,
  });
}

/** The tokens of a sample as `text(label, id)`, red where masked, green where trained. */
export function sampleLines({ tokens, labels }: Sample, tokenizer: Tokenizer, color: boolean) {
  const paint = (code: number, text: string) => color ? `\x1b[${code}m${text}\x1b[0m` : text;
  let trained = 0;
  const parts = Array.from(tokens, (id, i) => {
    const label = labels[i]!;
    if (label !== IGNORE) trained++;
    const text = tokenizer.decode([id]).replaceAll("\n", "\\n");
    const code = label === IGNORE ? 31 : label === 0 ? 33 : 32;
    return `${paint(code, text)}${paint(90, `(${label}, ${id})`)}`;
  });
  return [parts.join(" "), `Total input len: ${tokens.length}, count of labels: ${trained}`];
}

/** What became of the data, line by line. */
export function summary(
  { report, train, evaluation }: Prepared,
  efficiency: number | undefined,
): string[] {
  const { rows, tokens, trainedTokens, dropped, places } = report;
  const lines = [
    `rows        ${rows} read, ${droppedCount(report)} left out`,
  ];
  for (const [reason, words] of Object.entries(reasons) as [DropReason, string][]) {
    if (dropped[reason] > 0) lines.push(`            ${dropped[reason]} ${words}`);
  }
  for (const { file, line, reason, detail } of places.slice(0, namedRows)) {
    lines.push(`            ${file}:${line}: ${detail ?? reasons[reason]}`);
  }
  const more = droppedCount(report) - Math.min(places.length, namedRows);
  if (more > 0) lines.push(`            and ${more} more`);
  lines.push(
    `samples     ${train.length} to train on, ${evaluation.length} to evaluate on`,
    `tokens      ${count(tokens)}, ${
      (100 * trainedTokens / Math.max(1, tokens)).toFixed(1)
    } % trained`,
  );
  if (efficiency !== undefined) {
    lines.push(`packing     ${(100 * efficiency).toFixed(2)} % of the rows' tokens are used`);
  }
  return [...lines, ...histogram(train)];
}

/** Lengths of the samples, in bins of equal width. */
function histogram(samples: readonly Sample[]): string[] {
  let longest = 0;
  for (const { tokens } of samples) longest = Math.max(longest, tokens.length);
  const width = Math.max(1, Math.ceil((longest + 1) / histogramBins));
  const bins = new Array<number>(Math.floor(longest / width) + 1).fill(0);
  for (const { tokens } of samples) bins[Math.floor(tokens.length / width)]!++;
  const highest = Math.max(...bins);
  return bins.map((number, i) => {
    const range = `${i * width}-${(i + 1) * width - 1}`;
    const bar = "█".repeat(Math.ceil(barWidth * number / highest));
    return `${i === 0 ? "lengths" : ""}`.padEnd(12) + `${range.padStart(11)} ${bar} ${number}`;
  });
}
