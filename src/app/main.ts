// The page: shows the adapter and the configuration, starts a run, and draws what it reports.
// `?config=examples/tiny/lora.yml` chooses the configuration, `?set.max_steps=5` replaces one key.

import type { Override } from "../config/config.ts";
import type { RunEvent, StepEvent } from "../train/events.ts";
import { Client } from "./client.ts";

const query = new URLSearchParams(location.search);
const configName = query.get("config") ?? "examples/tiny/lora.yml";
const base = new URL(".", location.href);
const client = new Client(base.href);
const losses: { step: number; loss: number }[] = [];

const adapterLine = element("adapter");
const configBox = element<HTMLTextAreaElement>("config");
const startButton = element<HTMLButtonElement>("start");
const statusLine = element("status");
const lossLine = element("loss");
const curve = element<SVGPolylineElement & HTMLElement>("curve");
const log = element("log");

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
  losses.length = 0;
  log.replaceChildren();
  status("starting");
  try {
    const configText = configBox.value;
    await client.ask({ type: "start", configText, configName, overrides: overrides() }, show);
    status("finished");
  } catch (error) {
    fail(message(error));
  } finally {
    startButton.disabled = false;
  }
}

function overrides(): Override[] {
  return [...query].filter(([name]) => name.startsWith("set."))
    .map(([name, value]) => ({ key: name.slice("set.".length), value }));
}

function show(event: RunEvent): void {
  if (event.event === "step") showStep(event);
  const line = document.createElement("li");
  line.textContent = describe(event);
  log.append(line);
  line.scrollIntoView({ block: "nearest" });
}

function showStep({ step, loss }: StepEvent): void {
  status(`step ${step}`);
  lossLine.textContent = loss.toFixed(4);
  losses.push({ step, loss });
  const lastStep = losses.at(-1)!.step;
  const highest = Math.max(...losses.map((each) => each.loss), 1e-9);
  // The drawing is 100 units wide and 40 high, and its y axis points down.
  const points = losses.map((each) =>
    `${(100 * each.step / lastStep).toFixed(2)},${(40 - 40 * each.loss / highest).toFixed(2)}`
  );
  curve.setAttribute("points", points.join(" "));
}

function describe({ event, ...fields }: RunEvent): string {
  const parts = Object.entries(fields).map(([name, value]) => {
    const short = typeof value === "number" ? Number(value.toPrecision(6)) : value;
    return `${name} ${typeof short === "object" ? JSON.stringify(short) : short}`;
  });
  return [event, ...parts].join("  ");
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

function element<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}
