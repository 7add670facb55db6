// `eft preprocess CONFIG`: reads and tokenises the data of a run, keeps it for `train`, and says what
// became of it. With --debug it shows samples token by token, coloured by whether they are trained.

import { parseConfig } from "../config/config.ts";
import { batchOptions, prepareData } from "../data/prepare.ts";
import type { Sample } from "../data/sample.ts";
import { type DataSummary, type LengthHistogram, summarise } from "../data/summary.ts";
import { type TokenState, tokenViews } from "../data/token_view.ts";
import { configuredTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import type { Host } from "../host/host.ts";
import { type Arguments, numberFlag } from "./arguments.ts";
import { readConfig } from "./config_file.ts";
import { count, type Terminal } from "./terminal.ts";

/** Where prepared data goes when the configuration does not say, as in Axolotl. */
const cacheFolder = "last_run_prepared";
const barWidth = 40;
/** Red, green, yellow, as in `axolotl preprocess --debug`. */
const colors: Record<TokenState, number> = { masked: 31, trained: 32, zero: 33 };

export async function preprocess(host: Host, args: Arguments, terminal: Terminal): Promise<void> {
  const { file, text } = await readConfig(host, args);
  const { config, notes } = parseConfig(text, file, args.overrides);
  for (const note of notes) terminal.event({ event: "note", text: note });
  const tokenizer = await configuredTokenizer(host, config);
  const data = await prepareData(host, config, tokenizer, { cacheFolder });

  if (args.flags.has("debug")) {
    const shown = numberFlag(args.flags, "debug-num-examples", 5);
    for (const sample of data.train.slice(0, shown)) {
      const lines = args.flags.has("debug-text-only")
        ? [tokenizer.decode(sample.tokens)]
        : sampleLines(sample, tokenizer, !Deno.noColor);
      for (const line of lines) terminal.say(line);
      terminal.say();
    }
  }

  const summary = summarise(data, batchOptions(config, tokenizer.padId, "train"));
  for (const line of summaryLines(summary)) terminal.say(line);
  const where = (config as { dataset_prepared_path?: string }).dataset_prepared_path ?? cacheFolder;
  terminal.say(data.cached ? `Read from ${where}.` : `Kept in ${where} for the next run.`);
  for (const note of summary.notes) terminal.event({ event: "note", text: note });
  terminal.event({
    event: "end",
    rows: summary.rows,
    dropped: summary.dropped,
    samples: summary.samples,
    evaluation_samples: summary.evaluationSamples,
    tokens: summary.tokens,
    trained_tokens: summary.trainedTokens,
    packing_efficiency: summary.efficiency,
    cached: summary.cached,
    notes: summary.notes,
  });
}

/** The tokens of a sample as `text(label, id)`, red where masked, green where trained. */
export function sampleLines(sample: Sample, tokenizer: Tokenizer, color: boolean) {
  const paint = (code: number, text: string) => color ? `\x1b[${code}m${text}\x1b[0m` : text;
  const views = tokenViews(sample, tokenizer);
  const parts = views.map(({ text, id, label, state }) =>
    paint(colors[state], text.replaceAll("\n", "\\n")) + paint(90, `(${label}, ${id})`)
  );
  const trained = views.filter(({ state }) => state !== "masked").length;
  return [parts.join(" "), `Total input len: ${views.length}, count of labels: ${trained}`];
}

/** What became of the data, line by line. */
export function summaryLines(summary: DataSummary): string[] {
  const { rows, dropped, reasons, places, tokens, trainedTokens } = summary;
  const lines = [`rows        ${rows} read, ${dropped} left out`];
  for (const { words, count } of reasons) lines.push(`            ${count} ${words}`);
  for (const { file, line, words } of places) lines.push(`            ${file}:${line}: ${words}`);
  if (dropped > places.length) lines.push(`            and ${dropped - places.length} more`);
  const share = (100 * trainedTokens / Math.max(1, tokens)).toFixed(1);
  lines.push(
    `samples     ${summary.samples} to train on, ${summary.evaluationSamples} to evaluate on`,
    `tokens      ${count(tokens)}, ${share} % trained`,
  );
  if (summary.packing) {
    const full = (100 * summary.efficiency).toFixed(2);
    lines.push(`packing     ${full} % of the rows' tokens are used`);
  }
  return [...lines, ...histogramLines(summary.lengths)];
}

function histogramLines({ width, counts }: LengthHistogram): string[] {
  const highest = Math.max(...counts);
  return counts.map((number, i) => {
    const range = `${i * width}-${(i + 1) * width - 1}`;
    const bar = "█".repeat(Math.ceil(barWidth * number / highest));
    return `${i === 0 ? "lengths" : ""}`.padEnd(12) + `${range.padStart(11)} ${bar} ${number}`;
  });
}
