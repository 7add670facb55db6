// The command line: a command, a few options of its own, and any configuration key as an option.

import { type Override, parseOverrides } from "../config/config.ts";
import { EftError } from "../errors.ts";
import type { EngineName } from "../host/host.ts";

/** Options that are not configuration keys; those with a value name it. */
const options: Record<string, { value?: string; help: string }> = {
  json: { help: "print JSON lines on standard output" },
  engine: { value: "wgpu|dawn", help: "the WebGPU engine" },
  kernels: { value: "FILE", help: "kernel choices of an earlier run (its kernels.json)" },
  measure: { help: "also compute one step on the GPU: its time and its memory (plan)" },
  tune: { help: "choose kernels by measuring; done on a real GPU in any case (train)" },
  sweep: { value: "FILE", help: "try all combinations of the values in this file (train)" },
  format: { value: "json|yaml", help: "how it is printed (config-schema)" },
  field: { value: "NAME", help: "only this key (config-schema)" },
  dest: { value: "DIR", help: "where to; default examples (fetch)" },
  debug: { help: "show the stack of an error" },
  "debug-num-examples": { value: "N", help: "samples that --debug shows (preprocess; default 5)" },
  "debug-text-only": { help: "show the text of samples, not their tokens (preprocess)" },
  help: { help: "show this" },
  chat: { help: "a conversation through the tokenizer's chat template (inference)" },
  compare: { help: "answer without and with the adapter (inference)" },
  prompter: {
    value: "NAME",
    help: "how a question is put: a data set format, AlpacaPrompter, None (inference)",
  },
  gradio: { help: "the page instead of the terminal: as the command ui (inference)" },
  port: { value: "N", help: "where the page is served; default 7860, 0 takes a free one (ui)" },
  prompt: { value: "TEXT", help: "answer this and end (inference)" },
  "lora-model-dir": {
    value: "DIR",
    help: "the adapter; default output_dir (inference, ui, evaluate, merge-lora)",
  },
  "max-new-tokens": { value: "N", help: "length of an answer (inference)" },
  temperature: { value: "T", help: "0 is greedy (inference)" },
  "top-k": { value: "K", help: "0 keeps all (inference)" },
  bits: { value: "4|8", help: "bits of a weight; default 4 (quantize)" },
  "group-size": { value: "N", help: "weights per scale; default 128, -1 a row (quantize)" },
  method: { value: "gptq|rtn", help: "calibrated, or rounded to nearest (quantize)" },
  "top-p": { value: "P", help: "1 keeps all (inference)" },
};

export interface Arguments {
  command: string;
  /** Words that are neither options nor settings. */
  words: string[];
  flags: Map<string, string>;
  overrides: Override[];
}

/** Splits arguments. Throws an EftError("command") for an unknown option. */
export function parseArguments(args: readonly string[]): Arguments {
  const flags = new Map<string, string>();
  const others: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const [, name, assigned] = /^--([a-z-]+)(?:=([^]*))?$/.exec(args[i]) ?? [];
    const option = name === undefined ? undefined : options[name];
    if (!option) others.push(args[i]);
    else if (!option.value) flags.set(name, "true");
    else {
      const value = assigned ?? args[++i];
      if (value === undefined || (assigned === undefined && value.startsWith("--"))) {
        throw new EftError("command", `--${name} needs a value: --${name} ${option.value}`);
      }
      flags.set(name, value);
    }
  }
  const { overrides, rest } = parseOverrides(others);
  const unknown = rest.find((word) => word.startsWith("--"));
  if (unknown) {
    throw new EftError(
      "command",
      `${unknown} is neither an option nor a configuration key. --help lists the options.`,
    );
  }
  const [command = "", ...words] = rest;
  return { command, words, flags, overrides };
}

export function engineOf(flags: ReadonlyMap<string, string>): EngineName | undefined {
  const engine = flags.get("engine");
  if (engine === undefined || engine === "wgpu" || engine === "dawn") return engine;
  throw new EftError("command", `--engine ${engine}: choose wgpu or dawn.`);
}

/** A numeric option within bounds. */
export function numberFlag(
  flags: ReadonlyMap<string, string>,
  name: string,
  fallback: number,
  least = 0,
): number {
  const text = flags.get(name);
  if (text === undefined) return fallback;
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < least) {
    throw new EftError("command", `--${name} ${text}: expected a number, ${least} or more.`);
  }
  return value;
}

export function usage(commands: Record<string, string>): string {
  const width = 26;
  const line = (left: string, right: string) => `  ${left.padEnd(width)}${right}`;
  return [
    "Eft fine-tunes language models on the GPU you have, from Axolotl YAML.",
    "",
    "  deno run -P train.ts CONFIG [--key value ...]      train",
    "  deno task eft COMMAND ...",
    "",
    "Commands",
    ...Object.entries(commands).map(([left, right]) => line(left, right)),
    "",
    "Options",
    ...Object.entries(options).map(([name, { value, help }]) =>
      line(`--${name}${value ? ` ${value}` : ""}`, help)
    ),
    line("--KEY VALUE", "any key of the configuration, nested with dots"),
  ].join("\n");
}
