// The page: shows the adapter and the configuration, starts a run, draws what it reports, and offers
// the files it leaves.
// `?config=examples/tiny/lora.yml` chooses the configuration, `?set.max_steps=5` replaces one key.

import type { Override } from "../config/config.ts";
import type { EndEvent, EvalEvent, RunEvent, StartEvent, StepEvent } from "../train/events.ts";
import { Client } from "./client.ts";

const query = new URLSearchParams(location.search);
const configName = query.get("config") ?? "examples/tiny/lora.yml";
const base = new URL(".", location.href);
const client = new Client(base.href);
const losses: { step: number; loss: number }[] = [];
let totalSteps = 0;

const adapterLine = element("adapter");
const configBox = element<HTMLTextAreaElement>("config");
const startButton = element<HTMLButtonElement>("start");
const statusLine = element("status");
const notes = element("notes");
const lossLine = element("loss");
const curve = element<SVGPolylineElement & HTMLElement>("curve");
const log = element("log");
const files = element("files");

// For the console and for the page's tests: the same requests that the page makes.
Object.assign(globalThis, { eft: client });

startButton.onclick = start;
element("config-name").textContent = configName;
await Promise.all([showAdapter(), showConfig()]);

async function showAdapter(): Promise<void> {
  try {
    const adapter = await client.ask({ type: "adapter" });
    adapterLine.textContent = adapter.name + (adapter.isFallbackAdapter ? " (software, slow)" : "");
  } catch (error) {
    adapterLine.textContent = message(error);
    adapterLine.classList.add("error");
  }
}

async function showConfig(): Promise<void> {
  const response = await fetch(new URL(configName, base));
  if (response.ok) {
    configBox.value = await response.text();
    startButton.disabled = false;
  } else {
    fail(`${configName}: ${response.status} ${response.statusText}`);
  }
}

async function start(): Promise<void> {
  startButton.disabled = true;
  clear();
  status("starting");
  try {
    const configText = configBox.value;
    const request = { type: "start", configText, configName, overrides: overrides() } as const;
    const end = await client.ask(request, show);
    await showResult(end);
    status("finished");
  } catch (error) {
    fail(message(error));
  } finally {
    startButton.disabled = false;
  }
}

function clear(): void {
  losses.length = 0;
  lossLine.textContent = "none yet";
  curve.setAttribute("points", "");
  for (const list of [notes, log, files]) list.replaceChildren();
  for (const label of ["highest", "lowest", "last-step"]) element(label).textContent = "";
  element("progress").hidden = true;
  element("result").hidden = true;
}

function overrides(): Override[] {
  return [...query].filter(([name]) => name.startsWith("set."))
    .map(([name, value]) => ({ key: name.slice("set.".length), value }));
}

function show(event: RunEvent): void {
  switch (event.event) {
    case "start":
      return showStart(event);
    case "note":
      return note(event.text);
    case "progress":
      return status(`${event.what}: ${Math.floor(100 * event.done / event.total)} %`);
    case "step":
      return showStep(event);
    case "eval":
      return showEvaluation(event);
  }
}

function showStart(event: StartEvent): void {
  totalSteps = event.steps;
  const dropped = event.dropped > 0 ? `, ${event.dropped} left out` : "";
  const memory = mebibytes(event.planned_gpu_bytes);
  note(
    `${count(event.trained_parameters)} of ${count(event.parameters)} parameters are trained ` +
      `on ${count(event.rows)} rows${dropped}; ${memory} of GPU memory.`,
  );
  element("progress").hidden = false;
  status("compiling");
}

function showStep(event: StepEvent): void {
  const { step, loss, learning_rate, grad_norm, tokens_per_second, seconds_left } = event;
  const left = seconds_left > 0 ? `, ${Math.ceil(seconds_left)} s left` : "";
  status(`step ${step} of ${totalSteps}${left}`);
  lossLine.textContent = loss.toFixed(4);
  losses.push({ step, loss });
  draw();
  row([
    String(step),
    loss.toFixed(4),
    learning_rate.toExponential(2),
    grad_norm.toFixed(4),
    tokens_per_second.toFixed(0),
  ]);
}

function showEvaluation({ step, eval_loss }: EvalEvent): void {
  row([String(step), `${eval_loss.toFixed(4)} (evaluation)`, "", "", ""]);
}

/** The drawing is 100 units wide and 40 high, and its y axis points down. */
function draw(): void {
  const lastStep = losses.at(-1)!.step;
  const values = losses.map(({ loss }) => loss);
  const [lowest, highest] = [Math.min(...values), Math.max(...values)];
  const range = Math.max(highest - lowest, 1e-9);
  const points = losses.map(({ step, loss }) =>
    `${(100 * step / lastStep).toFixed(2)},${(2 + 36 * (highest - loss) / range).toFixed(2)}`
  );
  curve.setAttribute("points", points.join(" "));
  element("highest").textContent = highest.toFixed(2);
  element("lowest").textContent = lowest.toFixed(2);
  element("last-step").textContent = `step ${lastStep}`;
}

function row(cells: string[]): void {
  const line = document.createElement("tr");
  for (const text of cells) {
    const cell = document.createElement("td");
    cell.textContent = text;
    line.append(cell);
  }
  log.append(line);
  const box = log.closest(".log")!;
  box.scrollTop = box.scrollHeight;
}

function note(text: string): void {
  const line = document.createElement("li");
  line.textContent = text;
  notes.append(line);
}

async function showResult(end: EndEvent): Promise<void> {
  element("summary").textContent = `${end.steps} steps in ${end.wall_seconds.toFixed(0)} s, mean ` +
    `loss ${end.train_loss.toFixed(4)}, ${end.tokens_per_second.toFixed(0)} tokens/s.`;
  const folder = end.output_dir;
  for (const { name, size } of await client.ask({ type: "list", path: folder })) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.onclick = () =>
      download(`${folder}/${name}`, name).catch((error) => fail(message(error)));
    const line = document.createElement("li");
    line.append(button, ` ${kibibytes(size)}`);
    files.append(line);
  }
  element("result").hidden = false;
}

async function download(path: string, name: string): Promise<void> {
  const { bytes } = await client.ask({ type: "file", path });
  const url = URL.createObjectURL(new Blob([bytes]));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser needs it until it has begun
}

function status(text: string): void {
  statusLine.textContent = text;
  statusLine.classList.remove("error");
}

function fail(text: string): void {
  statusLine.textContent = text;
  statusLine.classList.add("error");
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function count(value: number): string {
  return value.toLocaleString("en");
}

function kibibytes(bytes: number): string {
  return `${count(Math.ceil(bytes / 2 ** 10))} KiB`;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function element<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}
