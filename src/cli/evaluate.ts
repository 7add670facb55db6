// `eft evaluate CONFIG`: loss and perplexity of what a configuration trained, on its training and its
// evaluation data and on each data set alone; also as eval_summary.csv in output_dir.

import { type Config, parseConfig } from "../config/config.ts";
import { prepareData } from "../data/prepare.ts";
import type { Sample } from "../data/sample.ts";
import { openDevice } from "../gpu/device.ts";
import type { Host } from "../host/host.ts";
import { openInference } from "../infer/session.ts";
import { type Evaluated, Evaluator } from "../train/evaluation.ts";
import { perplexity } from "../train/progress.ts";
import { type Arguments, engineOf } from "./arguments.ts";
import { readConfig } from "./config_file.ts";
import type { Terminal } from "./terminal.ts";

/** Samples that are evaluated together, and the column of the table they stand in. */
interface Part {
  name: string;
  column: "training" | "validation";
  samples: Sample[];
}

export async function evaluate(host: Host, args: Arguments, terminal: Terminal): Promise<void> {
  const { file, text } = await readConfig(host, args);
  const { config, notes } = parseConfig(text, file, args.overrides);
  for (const note of notes) terminal.event({ event: "note", text: note });
  const { flags, overrides } = args;
  const device = await openDevice(host, engineOf(flags));
  if (device.summary.software) {
    terminal.say(`note: SOFTWARE ADAPTER: ${device.summary.name} computes on the CPU.`);
  }
  const session = await openInference(host, config, device, {
    adapterFolder: flags.get("lora-model-dir"),
    onlyBase: overrides.some(({ key }) => key === "base_model"),
  });
  try {
    const { memory, model, tokenizer } = session;
    const evaluator = new Evaluator(memory, model, config, tokenizer);
    terminal.say(session.source);
    const found: { part: Part; result: Evaluated }[] = [];
    for (const part of await parts(host, config, tokenizer)) {
      const result = await evaluator.evaluate(part.samples);
      found.push({ part, result });
      const { loss, tokens, samples } = result;
      terminal.say(
        `${part.name}: loss ${loss.toFixed(4)}, perplexity ${perplexity(loss).toPrecision(5)} ` +
          `(${samples} samples, ${tokens} tokens)`,
      );
      terminal.event({
        event: "evaluation",
        name: part.name,
        column: part.column,
        loss,
        perplexity: perplexity(loss),
        tokens,
        samples,
      });
    }
    const target = `${config.output_dir.replace(/\/+$/, "")}/eval_summary.csv`;
    // A folder that no run has filled is not given a file: a run would take it for someone else's.
    const kept = await host.kind(config.output_dir) === "folder";
    if (kept) {
      await host.write(target, table(found));
      terminal.say(`written to ${target}`);
    }
    terminal.event({ event: "end", source: session.source, ...(kept ? { summary: target } : {}) });
  } finally {
    session.memory.destroy();
    device.destroy();
  }
}

/** All training and all evaluation data; then, where there are several data sets, each of them. */
async function parts(
  host: Host,
  config: Config,
  tokenizer: Parameters<typeof prepareData>[2],
): Promise<Part[]> {
  const data = await prepareData(host, config, tokenizer);
  const all: Part[] = [{ name: "training", column: "training", samples: data.train }];
  if (data.evaluation.length > 0) {
    all.push({ name: "validation", column: "validation", samples: data.evaluation });
  }
  const { datasets, test_datasets: tests = [] } = config;
  const sets = [
    ...datasets.map((set) => ({ set, column: "training" as const })),
    ...tests.map((set) => ({ set, column: "validation" as const })),
  ];
  if (sets.length < 2) return all;
  for (const { set, column } of sets) {
    const alone = { ...config, datasets: [set], test_datasets: undefined, val_set_size: 0 };
    const { train } = await prepareData(host, alone, tokenizer);
    all.push({ name: set.path, column, samples: train });
  }
  return all;
}

/** The layout of Axolotl's eval_summary.csv, with rows for single data sets behind. */
function table(found: readonly { part: Part; result: Evaluated }[]): string {
  const lines = [["metric", "training", "validation"]];
  const metrics: [string, (result: Evaluated) => number][] = [
    ["loss", ({ loss }) => loss],
    ["perplexity", ({ loss }) => perplexity(loss)],
    ["tokens", ({ tokens }) => tokens],
    ["samples", ({ samples }) => samples],
  ];
  const whole = found.filter(({ part }) => part.name === part.column);
  const cell = (of: typeof whole, column: string, value: (result: Evaluated) => number) => {
    const one = of.find(({ part }) => part.column === column);
    return one ? String(value(one.result)) : "";
  };
  for (const [name, value] of metrics) {
    lines.push([name, cell(whole, "training", value), cell(whole, "validation", value)]);
  }
  for (const one of found.filter((each) => !whole.includes(each))) {
    for (const [name, value] of metrics.slice(0, 2)) {
      lines.push([
        `${name} ${one.part.name}`,
        cell([one], "training", value),
        cell([one], "validation", value),
      ]);
    }
  }
  const quoted = (text: string) => /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  return lines.map((cells) => cells.map(quoted).join(",") + "\n").join("");
}
