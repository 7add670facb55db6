// Writes down what a run reports (see ../runs/record.ts), in batches, since every write of a private
// file copies it.

import type { Host } from "../../../host/host.ts";
import type { RunEvent } from "../../../train/events.ts";
import { runFolder, type RunRecord } from "../runs/record.ts";
import { historyAt } from "./history.ts";

/** Milliseconds until an event is on disk. */
const delay = 500;

export class Recorder {
  readonly record: RunRecord;
  readonly events: RunEvent[];
  readonly #host: Host;
  readonly #config: string;
  /** Events that are on disk; -1 when the files must be written anew. */
  #written = -1;
  #rewinds = 0;
  #begun = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** `events` are those of a run that goes on. */
  constructor(host: Host, record: RunRecord, config: string, events: RunEvent[] = []) {
    this.#host = host;
    this.record = record;
    this.#config = config;
    this.events = events;
  }

  /**
   * Takes an event. Nothing is written before the run has started, so that a mistake in the
   * configuration leaves no run behind. Returns whether earlier events were taken back.
   */
  hear(event: RunEvent): boolean {
    const { record, events } = this;
    if (event.event === "progress" || event.event === "pause") return false;
    if (event.event === "note" && this.#hasNote(event.text)) return false;
    let rewound = false;
    if (event.event === "start") {
      const from = event.resumed_from_step ?? 0;
      rewound = events.some((each) => "step" in each && (each.step > from || from === 0));
      if (rewound) this.#replace(historyAt(events, from));
      this.#begun = true;
      record.steps = event.steps;
      record.step = from;
    }
    events.push(event);
    if (event.event === "step") [record.step, record.loss] = [event.step, event.loss];
    if (event.event === "eval") record.eval_loss = event.eval_loss;
    if (this.#begun) this.#timer ??= setTimeout(() => void this.flush().catch(() => {}), delay);
    return rewound;
  }

  /** Writes what is not on disk yet. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const next = this.#writing.then(() => this.#begun ? this.#write() : undefined);
    this.#writing = next.catch(() => {}); // whoever waits hears of it; the next write tries again
    return next;
  }

  /** The last write. */
  async close(state: RunRecord["state"], message?: string): Promise<void> {
    Object.assign(this.record, { state, message, ended: new Date().toISOString() });
    await this.flush();
  }

  /** Removes what was written, and writes no more. */
  async discard(): Promise<void> {
    clearTimeout(this.#timer);
    this.#begun = false;
    await this.#writing;
    await this.#host.remove(runFolder(this.record.id));
  }

  #hasNote(text: string): boolean {
    return this.events.some((each) => each.event === "note" && each.text === text);
  }

  #replace(events: RunEvent[]): void {
    this.events.splice(0, Infinity, ...events);
    this.#written = -1;
    this.#rewinds++;
  }

  async #write(): Promise<void> {
    const folder = runFolder(this.record.id);
    const host = this.#host;
    const count = this.events.length;
    const rewinds = this.#rewinds;
    const lines = (from: number) =>
      this.events.slice(from, count).map((event) => JSON.stringify(event) + "\n").join("");
    const from = this.#written;
    this.#written = -1; // should a write fail, the next one begins anew
    if (from < 0) {
      await host.write(`${folder}/config.yml`, this.#config);
      await host.write(`${folder}/events.jsonl`, lines(0));
    } else if (count > from) {
      await host.append(`${folder}/events.jsonl`, encoded(lines(from)));
    }
    this.#written = rewinds === this.#rewinds ? count : -1;
    await host.write(`${folder}/run.json`, JSON.stringify(this.record, null, 2) + "\n");
  }
}

/** The name of a new run: when it was started, and the configuration's name. */
export async function newRunId(host: Host, configName: string, now: Date): Promise<string> {
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join("");
  const words = configName.replace(/\.ya?ml$/, "").split("/").slice(-2).join("-").toLowerCase();
  const name = words.replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 40) || "run";
  const id = `${day}-${time}-${name}`;
  for (let i = 2;; i++) {
    const free = i === 2 ? id : `${id}-${i - 1}`;
    if (await host.kind(runFolder(free)) === undefined) return free;
  }
}

async function* encoded(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text);
}
