// `--sweep FILE`: the same configuration with several values of some keys, one run after another.
// The file has Axolotl's meaning (`cli/utils/sweeps.py`): every key holds a list of values and all
// combinations are run; `_`, or a name that begins with `_`, holds a list of mappings whose keys
// change together. Combinations are shuffled with seed 42, and run N writes to
// `output_dir/sweep000N`.

import { ConfigDocument } from "../config/document.ts";
import { type Override, parseConfig } from "../config/config.ts";
import { knownKeys } from "../config/overrides.ts";
import { EftError } from "../errors.ts";
import type { EndEvent, EvalEvent, Report } from "../train/events.ts";
import { pythonShuffle } from "./python_random.ts";
import type { Terminal } from "./terminal.ts";

const SEED = 42;
/** More runs than anybody waits for; a list too many multiplies quickly. */
const MAX_RUNS = 10_000;

export interface SweepRun {
  /** sweep0001, sweep0002, ... */
  name: string;
  /** The keys of the sweep, for people. */
  values: Record<string, unknown>;
  /** All settings of the run, those of the command line and its output_dir included. */
  overrides: Override[];
  outputDir: string;
}

/** The combinations of a sweep file, in the order in which they run. */
export function combinations(text: string, file: string): Record<string, unknown>[] {
  const document = new ConfigDocument(text, file);
  let found: Record<string, unknown>[] = [{}];
  const paired: Record<string, unknown>[][] = [];
  for (const [key, values] of Object.entries(document.toValue())) {
    const fail = (message: string) => new EftError("config", message, document.place([key], "key"));
    if (!Array.isArray(values) || values.length === 0) {
      throw fail(`\`${key}\` must hold a list of values to try.`);
    }
    if (key.startsWith("_")) {
      if (!values.every((each) => typeof each === "object" && each && !Array.isArray(each))) {
        throw fail(`\`${key}\` must hold a list of mappings whose keys change together.`);
      }
      paired.push(values);
    } else {
      if (!knownKeys.has(key.split(".")[0]!)) throw fail(`unknown key \`${key}\`.`);
      found = product(found, values.map((value) => ({ [key]: value })), fail);
    }
  }
  for (const group of paired) {
    found = product(found, group, (message) => new EftError("config", message, { file }));
  }
  return pythonShuffle(found, SEED);
}

function product(
  all: Record<string, unknown>[],
  more: Record<string, unknown>[],
  fail: (message: string) => EftError,
): Record<string, unknown>[] {
  if (all.length * more.length > MAX_RUNS) {
    throw fail(`the sweep has more than ${MAX_RUNS} combinations; shorten its lists.`);
  }
  return all.flatMap((a) => more.map((b) => ({ ...a, ...b })));
}

/** The runs of a sweep, all of them checked. Settings of the command line win over the sweep's. */
export function sweepRuns(
  config: { file: string; text: string },
  sweep: { file: string; text: string },
  given: Override[],
): SweepRun[] {
  return combinations(sweep.text, sweep.file).map((values, i) => {
    const name = `sweep${String(i + 1).padStart(4, "0")}`;
    const swept = Object.entries(values).map(([key, value]): Override => ({
      key,
      value: JSON.stringify(value) ?? "", // JSON is YAML
    }));
    const overrides = [...swept, ...given];
    const outputDir = check(config, overrides, name, values) + `/${name}`;
    overrides.push({ key: "output_dir", value: outputDir });
    return { name, values, overrides, outputDir };
  });
}

function check(
  { file, text }: { file: string; text: string },
  overrides: Override[],
  name: string,
  values: Record<string, unknown>,
): string {
  try {
    return parseConfig(text, file, overrides).config.output_dir.replace(/\/+$/, "");
  } catch (error) {
    if (!(error instanceof EftError)) throw error;
    const message = error.message.replaceAll("on the command line: ", "");
    throw new EftError("config", `in ${name} (${describe(values)}): ${message}`, error.place, {
      cause: error,
    });
  }
}

function describe(values: Record<string, unknown>): string {
  return Object.entries(values).map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join(
    ", ",
  );
}

/**
 * Runs one after another; a run that fails does not stop the others. Ends with a table, and throws
 * when a run failed.
 */
export async function runSweep(
  runs: SweepRun[],
  run: (overrides: Override[], onEvent: Report) => Promise<unknown>,
  terminal: Pick<Terminal, "say" | "event">,
  signal?: AbortSignal,
): Promise<void> {
  const results: Record<string, unknown>[] = [];
  for (const { name, values, overrides, outputDir } of runs) {
    if (signal?.aborted) break;
    const result: Record<string, unknown> = { run: name, values, output_dir: outputDir };
    results.push(result);
    terminal.say(`${name} of ${runs.length}: ${describe(values)}`);
    terminal.event({ event: "run", ...result });
    try {
      await run(overrides, (event) => {
        if (event.event === "eval") result.eval_loss = (event as EvalEvent).eval_loss;
        if (event.event === "end") result.train_loss = (event as EndEvent).train_loss;
        terminal.event(event);
      });
    } catch (error) {
      if (!(error instanceof EftError)) throw error;
      result.error = error.text;
      terminal.say(`${name} failed: ${error.text}`);
    }
  }
  for (const line of table(results)) terminal.say(line);
  terminal.event({ event: "sweep", runs: results });
  const failed = results.filter(({ error }) => error !== undefined).length;
  if (failed > 0) throw new EftError("train", `${failed} of ${results.length} runs failed.`);
}

function table(results: Record<string, unknown>[]): string[] {
  const loss = (value: unknown) => typeof value === "number" ? value.toFixed(4) : "";
  const rows = [
    ["run", "train_loss", "eval_loss", "values"],
    ...results.map(({ run, train_loss, eval_loss, error, values }) => [
      String(run),
      error === undefined ? loss(train_loss) : "failed",
      loss(eval_loss),
      describe(values as Record<string, unknown>),
    ]),
  ];
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join("  ").trimEnd());
}
