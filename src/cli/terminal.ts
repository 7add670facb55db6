// What a person reads while a run goes on, or, with `--json`, what a program reads. People's text
// goes to standard error when standard output carries JSON.

import type { EftError } from "../errors.ts";
import type { RunEvent, StepEvent } from "../train/events.ts";

export class Terminal {
  readonly json: boolean;
  readonly #live: boolean;
  readonly #encoder = new TextEncoder();
  #lineOpen = false;
  #lastLine = 0;
  #lastStep: StepEvent | undefined;
  #total = 0;

  constructor(json: boolean) {
    this.json = json;
    this.#live = Deno.stderr.isTerminal();
  }

  /** A line for a person. */
  say(text = ""): void {
    this.#closeLine();
    this.#write(text + "\n");
  }

  /** A piece of text as it comes. */
  stream(text: string): void {
    this.#write(text);
  }

  /** What was asked for, as it is, on standard output. */
  print(text: string): void {
    try {
      for (let rest = this.#encoder.encode(text); rest.length > 0;) {
        rest = rest.subarray(Deno.stdout.writeSync(rest)); // a pipe takes a part at a time
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error; // `| head` has read enough
    }
  }

  /** An object for a program; also its text for a person where it has one. */
  readonly event = (event: RunEvent | Record<string, unknown>): void => {
    if (this.json && event.event !== "progress") {
      Deno.stdout.writeSync(this.#encoder.encode(JSON.stringify(event) + "\n"));
    }
    this.#show(event as RunEvent);
  };

  error(error: EftError, debug: boolean): void {
    this.#closeLine();
    if (this.json) {
      const { code, message, place: { file, line, column } } = error;
      const fields = { event: "error", code, message, file, line, column };
      Deno.stdout.writeSync(this.#encoder.encode(JSON.stringify(fields) + "\n"));
    }
    const text = debug && error.stack ? `${error.text}\n${error.stack}` : error.text;
    Deno.stderr.writeSync(this.#encoder.encode(`error: ${text}\n`));
  }

  #show(event: RunEvent): void {
    switch (event.event) {
      case "note":
        return this.say(`note: ${event.text}`);
      case "start":
        this.#total = event.steps;
        this.say(
          `${event.adapter} (${event.engine})${event.software ? ", a SOFTWARE adapter" : ""}`,
        );
        return this.say(
          `${count(event.parameters)} parameters, ${count(event.trained_parameters)} trained; ` +
            `${event.rows} rows${event.dropped ? `, ${event.dropped} dropped` : ""}; ` +
            `${event.steps} steps` +
            `${
              event.resumed_from_step === undefined ? "" : `, ${event.resumed_from_step} done`
            }; ` +
            `${bytes(event.planned_gpu_bytes)} planned`,
        );
      case "progress":
        return this.#status(
          `${event.what} ${Math.round(100 * event.done / Math.max(1, event.total))} %`,
          event.done >= event.total,
        );
      case "step":
        this.#lastStep = event;
        return this.#status(this.#stepLine(event), event.step === this.#total);
      case "eval":
        return this.say(
          `step ${event.step}: eval_loss ${event.eval_loss.toFixed(4)}  ` +
            `ppl ${event.eval_ppl.toPrecision(5)}`,
        );
      case "sample":
        return this.say(
          `step ${event.step}: ${oneLine(event.prompt)} >> ${oneLine(event.generated)}`,
        );
      case "checkpoint":
        return; // it would come often, and the folder shows it
      case "end":
        if (!("train_loss" in event)) return; // other commands say for themselves what they did
        if (this.#lineOpen && this.#lastStep) this.say(this.#stepLine(this.#lastStep));
        return this.say(
          `${event.ended_by ? `ended by ${event.ended_by}` : "done"}: ${event.steps} steps in ${
            duration(event.wall_seconds)
          }, ` +
            `mean loss ${event.train_loss.toFixed(4)}, ` +
            `${Math.round(event.tokens_per_second)} tokens/s, ` +
            `${bytes(event.peak_gpu_bytes)} at most; written to ${event.output_dir}`,
        );
    }
  }

  #stepLine(event: StepEvent): string {
    return `step ${event.step}/${this.#total}  loss ${event.loss.toFixed(4)}  ` +
      `lr ${event.learning_rate.toExponential(2)}  grad ${event.grad_norm.toFixed(3)}  ` +
      (event.skipped_steps ? `${event.skipped_steps} skipped, scale ${event.loss_scale}  ` : "") +
      `${Math.round(event.tokens_per_second)} tok/s  ${duration(event.seconds_left)} left`;
  }

  /** On a terminal, one line that is written over; in a log file, a line every ten seconds. */
  #status(text: string, last: boolean): void {
    const now = performance.now();
    if (this.#live) {
      this.#write(`\r\x1b[2K${text}`);
      this.#lineOpen = true;
      if (last) this.#closeLine();
    } else if (last || now - this.#lastLine > 10000) {
      this.#lastLine = now;
      this.#write(text + "\n");
    }
  }

  #closeLine(): void {
    if (this.#lineOpen) this.#write("\n");
    this.#lineOpen = false;
  }

  #write(text: string): void {
    const stream = this.json ? Deno.stderr : Deno.stdout;
    stream.writeSync(this.#encoder.encode(text));
  }
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, " / ").trim();
}

export function count(value: number): string {
  if (value >= 1e9) return `${(value / 1e9).toFixed(2)} B`;
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  return value >= 1e4 ? `${(value / 1e3).toFixed(1)} k` : String(value);
}

export function bytes(value: number): string {
  return value >= 2 ** 30
    ? `${(value / 2 ** 30).toFixed(2)} GiB`
    : `${(value / 2 ** 20).toFixed(1)} MiB`;
}

export function duration(seconds: number): string {
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
}
