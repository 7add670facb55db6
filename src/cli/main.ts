// The commands for the terminal. Each is a file of its own; this one finds it and turns failures
// into one sentence and an exit code.

import { EftError } from "../errors.ts";
import { denoHost } from "../host/deno.ts";
import type { Host } from "../host/host.ts";
import { type Arguments, parseArguments, usage } from "./arguments.ts";
import { Terminal } from "./terminal.ts";

export interface Command {
  (host: Host, args: Arguments, terminal: Terminal): Promise<void>;
}

const commands: Record<string, { help: string; load: () => Promise<Command> }> = {
  train: {
    help: "CONFIG: fine-tune",
    load: async () => (await import("./train.ts")).train,
  },
  preprocess: {
    help: "CONFIG: read and tokenise the data; --debug shows what is trained",
    load: async () => (await import("./preprocess.ts")).preprocess,
  },
  evaluate: {
    help: "CONFIG: loss and perplexity of the result, by data set",
    load: async () => (await import("./evaluate.ts")).evaluate,
  },
  inference: {
    help: "CONFIG: ask the model, once with --prompt or in a conversation",
    load: async () => (await import("./inference.ts")).inference,
  },
  ui: {
    help: "[CONFIG]: the page on this computer, with the run of CONFIG open in it",
    load: async () => (await import("./ui.ts")).ui,
  },
  "merge-lora": {
    help: "CONFIG: write base model and adapter as one model",
    load: async () => (await import("./merge.ts")).mergeLora,
  },
  quantize: {
    help: "CONFIG|MODEL --output-dir DIR: a copy of the base model in 4 or 8 bits (GPTQ layout)",
    load: async () => (await import("./quantize.ts")).quantize,
  },
  plan: {
    help: "CONFIG: the memory a run will take; touches no GPU",
    load: async () => (await import("./plan.ts")).showPlan,
  },
  profile: {
    help: "CONFIG: the time of every kernel of one step",
    load: async () => (await import("./profile.ts")).profile,
  },
  validate: {
    help: "CONFIG: check a configuration and the files it names; touches no GPU",
    load: async () => (await import("./validate.ts")).validate,
  },
  "config-schema": {
    help: "the JSON Schema of a configuration",
    load: async () => (await import("./config_schema.ts")).configSchema,
  },
  fetch: {
    help: "examples: copy the examples that come with Eft",
    load: async () => (await import("./fetch.ts")).fetchFiles,
  },
  doctor: {
    help: "the adapter, its limits, and how fast it is",
    load: async () => (await import("./doctor.ts")).doctor,
  },
  demo: {
    help: "fine-tune the embedded model and compare before and after",
    load: async () => (await import("./demo.ts")).demo,
  },
};

/** Runs a command; returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const debug = args.includes("--debug");
  let terminal = new Terminal(args.includes("--json"));
  try {
    const parsed = parseArguments(args);
    terminal = new Terminal(parsed.flags.has("json"));
    const help = Object.fromEntries(Object.entries(commands).map(([k, v]) => [k, v.help]));
    if (parsed.flags.has("help") || parsed.command === "") {
      terminal.say(usage(help));
      return parsed.flags.has("help") ? 0 : 2;
    }
    const command = commands[parsed.command];
    if (!command) {
      throw new EftError(
        "command",
        `There is no command ${parsed.command}. Commands: ${Object.keys(commands).join(", ")}.`,
      );
    }
    await (await command.load())(denoHost(), parsed, terminal);
    return 0;
  } catch (error) {
    const known = error instanceof EftError
      ? error
      : new EftError("internal", `A bug in Eft: ${error instanceof Error ? error.message : error}`);
    if (known !== error && error instanceof Error) known.stack = error.stack;
    terminal.error(known, debug);
    return known.code === "command" ? 2 : 1;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
