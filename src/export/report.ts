// A run on one page that can be kept and sent: an HTML file without scripts and without anything from
// elsewhere. It is made of what the run has left in its folder.

import { parseConfig } from "../config/config.ts";
import type { KernelRecord } from "../graph/limits.ts";
import type { Host } from "../host/host.ts";
import type { EndEvent, RunEvent, SampleEvent, StartEvent, StepEvent } from "../train/events.ts";
import type { LogEntry } from "../train/state.ts";
import { curveSvg, escapeHtml as safe, type Line } from "./curve.ts";
import { shortNumber } from "./short_number.ts";

/** What a report is made of; what is missing is left out of it. */
export interface ReportSource {
  name: string;
  /** eft_config.yml */
  configText: string;
  /** trainer_state.json */
  state?: { log_history: LogEntry[]; global_step: number; max_steps: number };
  events: RunEvent[];
  /** samples.jsonl */
  samples: SampleEvent[];
  /** adapter_config.json */
  adapter?: Record<string, unknown>;
  /** kernels.json */
  kernels?: KernelRecord;
}

/** Reads a result; `eventsFile` has one event of the run to a line. */
export async function readReportSource(
  host: Host,
  folder: string,
  { name, eventsFile }: { name: string; eventsFile?: string },
): Promise<ReportSource> {
  const text = async (path: string) =>
    await host.kind(path) === "file" ? await host.readText(path) : undefined;
  const json = async (file: string) => {
    const found = await text(`${folder}/${file}`);
    return found === undefined ? undefined : JSON.parse(found);
  };
  const lines = async (path: string) =>
    (await text(path) ?? "").split("\n").flatMap((line) => line === "" ? [] : [JSON.parse(line)]);
  return {
    name,
    configText: await host.readText(`${folder}/eft_config.yml`),
    state: await json("trainer_state.json"),
    events: eventsFile === undefined ? [] : await lines(eventsFile),
    samples: await lines(`${folder}/samples.jsonl`),
    adapter: await json("adapter_config.json"),
    kernels: await json("kernels.json"),
  };
}

/** The report as the text of an HTML file. */
export function runReport(source: ReportSource): string {
  const sections = [
    section("Result", figures(source)),
    section("Curves", curves(source)),
    section("Samples", samples(source.samples)),
    section("Data", data(source)),
    section("Adapter", adapter(source)),
    section("Kernels", kernels(source.kernels)),
    section("Configuration", `<pre>${safe(source.configText.trimEnd())}</pre>`),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${safe(source.name)}</title>
<style>${style}</style>
</head>
<body>
<h1>${safe(source.name)}</h1>
<p class="quiet">A run of Eft.</p>
${sections.filter(Boolean).join("\n")}
</body>
</html>
`;
}

type Rows = [name: string, value: string | number | undefined][];

function figures({ state, events }: ReportSource): string {
  const log = state?.log_history ?? [];
  const start = find<StartEvent>(events, "start"), end = find<EndEvent>(events, "end");
  const last = log.at(-1);
  const loss = log.findLast((entry) => entry.loss !== undefined);
  const evaluation = log.findLast((entry) => entry.eval_loss !== undefined);
  const firstEvaluation = log.find((entry) => entry.eval_loss !== undefined);
  const before = firstEvaluation !== evaluation && firstEvaluation
    ? ` (${fixed(firstEvaluation.eval_loss)} at step ${firstEvaluation.step})`
    : "";
  return table([
    ["Steps", state && steps(state)],
    ["Loss at the end", loss && fixed(loss.loss)],
    ["Mean loss", fixed(last?.train_loss)],
    ["Evaluation loss", evaluation && fixed(evaluation.eval_loss) + before],
    ["Perplexity", evaluation && fixed(evaluation.eval_ppl)],
    ["Parameters", start && grouped(start.parameters)],
    ["Trained parameters", start && grouped(start.trained_parameters)],
    ["Tokens per second", rounded(end?.tokens_per_second ?? last?.tokens_per_second)],
    ["Time", seconds(end?.wall_seconds ?? last?.train_runtime)],
    ["GPU memory at its peak", mebibytes(end?.peak_gpu_bytes)],
    ["GPU memory as planned", mebibytes(end?.planned_gpu_bytes ?? start?.planned_gpu_bytes)],
    [
      "Computed by",
      start && `${start.adapter} (${start.engine}${start.software ? ", software" : ""})`,
    ],
    ["Ended early by", end?.ended_by],
    ["Best step, which was kept", end?.best_step],
  ]);
}

function steps({ global_step: done, max_steps: all }: NonNullable<ReportSource["state"]>): string {
  return done === all ? String(done) : `${done} of ${all}`;
}

function curves({ state, events }: ReportSource): string {
  const log = state?.log_history ?? [];
  const line = (name: string, key: string, look: Line["look"] = "main"): Line => ({
    name,
    look,
    points: log.flatMap((entry) => entry[key] === undefined ? [] : [[entry.step, entry[key]]]),
  });
  const speed = events.filter((event): event is StepEvent => event.event === "step");
  const all: [string, Line[]][] = [
    ["Loss", [line("training", "loss"), line("evaluation", "eval_loss", "evaluation")]],
    ["Learning rate", [line("learning rate", "learning_rate")]],
    ["Gradient norm", [line("gradient norm", "grad_norm")]],
    ["Tokens per second", [{
      name: "tokens per second",
      look: "main",
      points: speed.map(({ step, tokens_per_second }) => [step, tokens_per_second]),
    }]],
  ];
  return all.map(([title, lines]) => {
    const svg = curveSvg({ title, across: "Step", lines });
    return svg && `<figure>${svg}</figure>\n`;
  }).join("");
}

function samples(events: readonly SampleEvent[]): string {
  const prompts = new Map<string, SampleEvent[]>();
  for (const event of events) {
    prompts.set(event.prompt, [...prompts.get(event.prompt) ?? [], event]);
  }
  return [...prompts].map(([prompt, answers]) => {
    const rows = answers.map(({ step, generated }) =>
      `<tr><th scope="row">${step}</th><td>${safe(generated)}</td></tr>`
    );
    const expected = `<tr><th scope="row">data</th><td>${safe(answers[0].expected)}</td></tr>`;
    return `<h3 class="text">${safe(prompt)}</h3><table>${rows.join("")}${expected}</table>`;
  }).join("\n");
}

function data({ configText, state, events }: ReportSource): string {
  const start = find<StartEvent>(events, "start"), end = find<EndEvent>(events, "end");
  const tokens = state?.log_history.at(-1)?.num_input_tokens_seen;
  return table([
    ...dataSets(configText),
    ["Rows", start && grouped(start.rows)],
    ["Left out", start && grouped(start.dropped)],
    ["Tokens computed", tokens === undefined ? undefined : grouped(tokens)],
    ["Tokens trained on", end && grouped(end.trained_tokens)],
  ]);
}

function dataSets(configText: string): Rows {
  const { datasets } = parseConfig(configText, "eft_config.yml").config;
  return datasets.map(({ path, type }) => [
    "Data set",
    `${path} (${typeof type === "string" ? type : "a format of its own"})`,
  ]);
}

function adapter({ adapter }: ReportSource): string {
  if (!adapter) return "";
  const list = (value: unknown) => Array.isArray(value) ? value.join(", ") : String(value ?? "");
  return table([
    ["Kind", adapter.use_dora ? "DoRA" : String(adapter.peft_type)],
    ["Base model", String(adapter.base_model_name_or_path)],
    ["Rank", Number(adapter.r)],
    ["Alpha", Number(adapter.lora_alpha)],
    ["Dropout", Number(adapter.lora_dropout ?? 0)],
    ["Modules", list(adapter.target_modules)],
    ["Trained whole", list(adapter.modules_to_save) || undefined],
  ]);
}

function kernels(record: KernelRecord | undefined): string {
  if (!record) return "";
  const chosen = Object.entries(record.kernels);
  return table([
    ["Adapter", record.adapter],
    ["Sums", record.software ? "one thread to a row" : "a group of threads to a row"],
    ["Largest binding", mebibytes(record.maxBinding)],
    ...(chosen.length === 0 ? [["Matrix products", "the untuned kernels"]] as Rows : []),
    ...chosen.map(([shape, choice]): Rows[number] => [shape, JSON.stringify(choice)]),
  ]);
}

function table(rows: Rows): string {
  const lines = rows.flatMap(([name, value]) =>
    value === undefined || value === ""
      ? []
      : [`<tr><th scope="row">${safe(name)}</th><td>${safe(String(value))}</td></tr>`]
  );
  return lines.length === 0 ? "" : `<table>${lines.join("")}</table>`;
}

function section(title: string, content: string): string {
  return content && `<h2>${title}</h2>\n${content}`;
}

function find<E extends RunEvent>(events: readonly RunEvent[], name: E["event"]): E | undefined {
  return events.findLast(({ event }) => event === name) as E | undefined;
}

function fixed(value: number | undefined): string | undefined {
  return value?.toFixed(4);
}

function rounded(value: number | undefined): string | undefined {
  return value === undefined ? undefined : grouped(Math.round(value));
}

function grouped(value: number): string {
  return value.toLocaleString("en");
}

function seconds(value: number | undefined): string | undefined {
  return value === undefined ? undefined : `${shortNumber(value)} s`;
}

function mebibytes(bytes: number | undefined): string | undefined {
  return bytes === undefined ? undefined : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif;
  --quiet: light-dark(#5a5d61, #a5a9ae); --line: light-dark(#d9d4cc, #3a3f44);
  --first: light-dark(#a83c15, #ff9b6a); --second: light-dark(#1b5e8a, #7cc0ea);
  background: light-dark(#fdfcfa, #16181a); color: light-dark(#1d1f21, #e8e6e3); }
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { line-height: 1.2; margin-bottom: 0; } h2 { margin-top: 2.5rem; } h3.text { white-space: pre-wrap; }
h3 { font-size: 1rem; } .quiet { color: var(--quiet); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.75rem 0.3rem 0;
  border-bottom: 1px solid var(--line); } td { white-space: pre-wrap; }
th { color: var(--quiet); font-weight: normal; width: 14rem; }
pre { overflow: auto; padding: 1rem; border: 1px solid var(--line); border-radius: 8px;
  font: 0.875rem/1.5 ui-monospace, Menlo, Consolas, monospace; }
figure { margin: 1.5rem 0; overflow-x: auto; } svg { display: block; width: 100%; min-width: 30rem; }
svg text { fill: var(--quiet); } .paper { fill: none; } .grid { stroke: var(--line); }
.main { color: var(--first); } .evaluation { color: var(--second); }
@media (max-width: 30rem) { th { width: 8rem; } }
@media print { body { margin: 0; } h2 { break-after: avoid; } }
`;
