// Keeps data files, shows their rows with and without tokens, and checks all of them.

import { type Config, parseConfig } from "../../../config/config.ts";
import { Offline } from "../../../data/hub/request.ts";
import type { DatasetKeys } from "../../../data/formats/format.ts";
import { batchOptions, prepareData } from "../../../data/prepare.ts";
import { readSomeRows, type SomeRows, type TokenizedRow } from "../../../data/preview.ts";
import { tokenizeRows } from "../../../data/preview.ts";
import { columnsOf, preferenceRemark, recognise } from "../../../data/recognise.ts";
import { countTrained } from "../../../data/sample.ts";
import type { DatasetSource, SourceRow } from "../../../data/sources/rows.ts";
import { DROP_REASONS, summarise } from "../../../data/summary.ts";
import { tokenViews } from "../../../data/token_view.ts";
import { configuredTokenizer, type Tokenizer } from "../../../data/tokenizer.ts";
import { EftError } from "../../../errors.ts";
import type { Host } from "../../../host/host.ts";
import type { Context, Handlers, ReportOf } from "../../protocol.ts";
import { keep, listKept, removeKept } from "./keep.ts";
import type { Cell, DataRequests, Entry, Preview, ShownRow } from "./requests.ts";

/** Characters of a cell that are sent to the page, and samples of one row. */
const CELL = 5000, SAMPLES = 4;
const BARS = 24;

export const handlers: Handlers<DataRequests> = {
  "data.list": (_, { host }) => listKept(host),
  "data.keep": keep,
  "data.remove": ({ name }, { host }) => removeKept(host, name),
  "data.preview": preview,
  "data.check": check,
};

// ---- the first look ----------------------------------------------------------------------------

type Look = DataRequests["data.preview"];

async function preview(
  ask: Look["ask"],
  { host: anyHost, report }: Context<ReportOf<Look>>,
): Promise<Preview> {
  const { entry, key, from, count } = ask;
  const host = ask.online ? anyHost : offlineHost(anyHost);
  const source = entry as unknown as DatasetSource;
  const phase = key === "test_datasets" ? "test" : "train";
  const some: SomeRows = entry.type === "_synthetic"
    ? { rows: [], more: false }
    : await readSomeRows(host, source, from, count, { phase, onProgress: report });
  if (some.failure instanceof Offline) return { ...NOTHING, elsewhere: "rows" };
  const values = some.rows.map(({ value }) => value);
  const remark = preferenceRemark(values);
  const answer: Preview = {
    columns: columnsOf(values),
    rows: [],
    from,
    more: some.more,
    guesses: recognise(values),
    notes: remark ? [remark] : [],
    ...(some.failure ? { failure: some.failure.text } : {}),
  };
  let tokenizer: Tokenizer | undefined;
  let made: TokenizedRow[] = [];
  try {
    const { config, dataset } = configured(ask);
    tokenizer = await loadedTokenizer(host, config);
    answer.hasTemplate = tokenizer.chatTemplate !== undefined;
    const note = (text: string) => answer.notes.includes(text) || answer.notes.push(text);
    made = await tokenizeRows(host, config, tokenizer, dataset, some.rows, note);
  } catch (error) {
    if (!(error instanceof EftError)) throw error;
    answer.untokenized = error.text;
    if (error instanceof Offline) answer.elsewhere = "tokenizer";
  }
  answer.rows = some.rows.map((row, i) => shownRow(row, made[i], tokenizer));
  return answer;
}

const NOTHING: Preview = { columns: [], rows: [], from: 0, more: false, guesses: [], notes: [] };

/** A first look downloads nothing unless it is told to. */
function offlineHost(host: Host): Host {
  return { ...host, env: (name) => name === "HF_HUB_OFFLINE" ? "1" : host.env(name) };
}

/** The checked configuration and the entry in it; an entry of no configuration is put into it. */
function configured(
  { configText, configName, entry, key, index }: Look["ask"],
): { config: Config; dataset: DatasetKeys } {
  const isPlaced = key !== undefined && index !== undefined;
  const overrides = isPlaced ? [] : [
    { key: "datasets", value: JSON.stringify([entry]) },
    { key: "pretraining_dataset", value: "null" },
  ];
  const { config } = parseConfig(configText, configName, overrides);
  const lists = config as unknown as Record<string, DatasetKeys[] | undefined>;
  const dataset = lists[key ?? "datasets"]?.[index ?? 0];
  return { config, dataset: dataset ?? entry as DatasetKeys };
}

/** The tokenizer stays as long as the keys that choose it: a person looks at page after page. */
let loaded: { key: string; tokenizer: Promise<Tokenizer> } | undefined;

function loadedTokenizer(host: Host, config: Config): Promise<Tokenizer> {
  const { base_model, tokenizer_config, model_revision, special_tokens, tokens } = config;
  const chosen = [base_model, tokenizer_config, model_revision, special_tokens, tokens];
  const key = JSON.stringify(chosen.map((each) => each ?? null));
  if (loaded?.key === key) return loaded.tokenizer;
  const tokenizer = configuredTokenizer(host, config);
  loaded = { key, tokenizer };
  // A folder that is not there yet may be there the next time.
  tokenizer.catch(() => loaded?.tokenizer === tokenizer && (loaded = undefined));
  return tokenizer;
}

function shownRow(
  { value, file, line }: SourceRow,
  made: TokenizedRow | undefined,
  tokenizer: Tokenizer | undefined,
): ShownRow {
  const samples = tokenizer && made ? made.samples.slice(0, SAMPLES) : [];
  return {
    file,
    line,
    cells: Object.fromEntries(Object.entries(value).map(([name, each]) => [name, cell(each)])),
    samples: samples.map(({ sample, dropped }) => {
      const views = tokenViews(sample, tokenizer!);
      return {
        texts: views.map(({ text }) => text),
        ids: views.map(({ id }) => id),
        labels: views.map(({ label }) => label),
        trained: countTrained(sample),
        ...(dropped ? { dropped: DROP_REASONS[dropped] } : {}),
      };
    }),
    moreSamples: (made?.samples.length ?? 0) - samples.length,
    ...(made?.problem === undefined ? {} : { problem: made.problem }),
  };
}

function cell(value: unknown): Cell {
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? "";
  return { text: text.slice(0, CELL), length: text.length };
}

// ---- all rows ----------------------------------------------------------------------------------

async function check(
  { configText, configName }: DataRequests["data.check"]["ask"],
  { host, report, signal }: Context<ReportOf<DataRequests["data.check"]>>,
) {
  const { config } = parseConfig(configText, configName);
  const tokenizer = await configuredTokenizer(host, config);
  const total = await totalBytes(host, config);
  const counted = { rows: 0, read: 0 };
  let told = performance.now();
  const onRow = () => {
    counted.rows++;
    const now = performance.now();
    if (now - told < 100) return;
    told = now;
    report({ ...counted, total });
    // A pause, so that the message that cancels this can arrive.
    return new Promise<void>((resolve) => setTimeout(resolve)).then(() => signal.throwIfAborted());
  };
  const counting = countingHost(host, (bytes) => counted.read += bytes);
  const data = await prepareData(counting, config, tokenizer, { onRow });
  return summarise(data, batchOptions(config, tokenizer.padId, "train"), BARS);
}

/** The size of all data files, or undefined when one of them is elsewhere or a folder. */
async function totalBytes(host: Host, config: Config): Promise<number | undefined> {
  const { datasets = [], test_datasets: tests = [] } = config as { datasets?: Entry[] } & {
    test_datasets?: Entry[];
  };
  let total = 0;
  for (const { path } of [...datasets, ...tests]) {
    if (await host.kind(path) !== "file") return undefined;
    const file = await host.open(path);
    total += file.size;
    file.close();
  }
  return total > 0 ? total : undefined;
}

/** A host that tells how many bytes were read from its files. */
function countingHost(host: Host, onBytes: (count: number) => void): Host {
  return {
    ...host,
    async readStream(path) {
      const counter = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform(chunk, controller) {
          onBytes(chunk.length);
          controller.enqueue(chunk);
        },
      });
      return (await host.readStream(path)).pipeThrough(counter);
    },
    async open(path) {
      const file = await host.open(path);
      return {
        path: file.path,
        size: file.size,
        close: () => file.close(),
        read(offset, length) {
          onBytes(length);
          return file.read(offset, length);
        },
      };
    },
  };
}
