// What a benchmark found, as a table for people or as one JSON line per figure.

import type { Timing } from "./timing.ts";

/** What one run of a contest amounts to, to turn milliseconds into a rate. */
export interface Work {
  amount: number;
  unit: "GFLOP/s" | "tokens/s";
}

export class Report {
  readonly json: boolean;

  constructor(json: boolean) {
    this.json = json;
  }

  /** A line for people; goes to standard error where standard output carries JSON. */
  say(text = ""): void {
    if (this.json) console.error(text);
    else console.log(text);
  }

  event(event: Record<string, unknown>): void {
    if (this.json) console.log(JSON.stringify(event));
  }

  /** A contest: the first timing is ours, and the others are compared with it. */
  contest(title: string, { amount, unit }: Work, timings: readonly Timing[]): void {
    const [ours] = timings;
    this.say(`\n${title}`);
    this.say(row("", "median ms", "least ms", unit, "peer / ours"));
    for (const { name, median, least, failure } of timings) {
      if (failure) {
        this.say(`  ${name.padEnd(30)} cannot run: ${failure.split("\n")[0]}`);
        this.event({ event: "figure", contest: title, name, failure });
        continue;
      }
      // A figure is taken from the least time, as other work on the machine only ever adds to it.
      const rate = amount / (least / 1000) / (unit === "GFLOP/s" ? 1e9 : 1);
      const isOurs = name === ours.name;
      const ratio = isOurs ? undefined : least / ours.least;
      this.say(
        row(
          name,
          digits(median),
          digits(least),
          digits(rate),
          ratio ? `${ratio.toFixed(2)} x` : "",
        ),
      );
      this.event({
        event: "figure",
        contest: title,
        name,
        median_ms: round(median),
        least_ms: round(least),
        rate: round(rate),
        unit,
        peer_over_ours: ratio && round(ratio),
      });
    }
  }

  /** Milliseconds of each kernel of a program, the longest first. */
  profile(
    title: string,
    kernels: ReadonlyMap<string, { milliseconds: number; flops: number }>,
  ): void {
    const rows = [...kernels].sort(([, a], [, b]) => b.milliseconds - a.milliseconds);
    const total = rows.reduce((sum, [, { milliseconds }]) => sum + milliseconds, 0);
    this.say(`\n${title}, ${digits(total)} ms in all`);
    this.say(row("", "ms", "share", "GFLOP/s"));
    for (const [label, { milliseconds, flops }] of rows) {
      const share = milliseconds / total;
      const rate = flops > 0 ? digits(flops / milliseconds / 1e6) : "";
      this.say(row(label, digits(milliseconds), `${(100 * share).toFixed(1)} %`, rate));
      this.event({ event: "kernel", contest: title, name: label, ms: round(milliseconds), flops });
    }
  }
}

function row(name: string, ...columns: string[]): string {
  return `  ${name.padEnd(30)}${columns.map((column) => column.padStart(12)).join("")}`;
}

function digits(value: number): string {
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 3);
}

function round(value: number): number {
  return Number(value.toPrecision(5));
}
