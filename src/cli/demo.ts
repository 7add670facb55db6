// `eft demo`: the ordinary training path on the embedded model and data, with questions asked before
// and after that are not in the training data.

import type { Host } from "../host/host.ts";
import { readQuestions, score, type Scored } from "../infer/heldout.ts";
import type { EndEvent, RunEvent } from "../train/events.ts";
import { runTraining } from "../train/run.ts";
import type { Trainer } from "../train/trainer.ts";
import { type Arguments, engineOf } from "./arguments.ts";
import type { Terminal } from "./terminal.ts";

const configFile = "examples/tiny/lora.yml";
const heldoutFile = "public/data/town-heldout.jsonl";
/** Questions that are shown with their answers. */
const shown = 3;

export async function demo(host: Host, args: Arguments, terminal: Terminal): Promise<void> {
  const questions = await readQuestions(host, heldoutFile);
  const losses: number[] = [];
  let end: EndEvent | undefined;
  let before: Scored | undefined;
  let after: Scored | undefined;
  const ask = ({ session, memory }: Trainer) =>
    score(host, questions, session.config, session.loaded.model, memory, session.tokenizer);

  terminal.say(`Fine-tuning the embedded model with ${configFile}`);
  await runTraining(host, {
    configText: await host.readText(configFile),
    configFile,
    overrides: args.overrides,
    engine: engineOf(args.flags),
    onEvent(event: RunEvent) {
      if (event.event === "step") losses.push(event.loss);
      if (event.event === "end") end = event;
      else terminal.event(event);
    },
    async before(trainer) {
      before = await ask(trainer);
      terminal.say(
        `Before: ${percent(before.accuracy)} of ${questions.length} held-out questions right.`,
      );
    },
    async after(trainer) {
      after = await ask(trainer);
    },
  });

  terminal.say();
  questions.slice(0, shown).forEach(({ instruction, output }, i) => {
    terminal.say(instruction);
    terminal.say(`  before  ${before!.answers[i] || "(nothing)"}`);
    terminal.say(`  after   ${after!.answers[i] || "(nothing)"}   (expected: ${output})`);
  });
  terminal.say();
  terminal.say(`held-out  ${percent(before!.accuracy)} before, ${percent(after!.accuracy)} after`);
  terminal.say(
    `loss      ${sparkline(losses)}  ${losses[0].toFixed(3)} to ${losses.at(-1)!.toFixed(3)}`,
  );
  terminal.say(`speed     ${Math.round(end!.tokens_per_second)} tokens/s on ${end!.adapter}`);
  terminal.say(`adapter   ${end!.output_dir}/adapter_model.safetensors`);
  terminal.event({
    ...end!,
    heldout_before: before!.accuracy,
    heldout_after: after!.accuracy,
  });
}

function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(1)} %`;
}

/** A curve in one line of text; every value one bar of eight heights. */
export function sparkline(values: readonly number[]): string {
  const low = Math.min(...values);
  const range = Math.max(...values) - low || 1;
  return values.map((value) => "▁▂▃▄▅▆▇█"[Math.min(7, Math.floor(8 * (value - low) / range))]).join(
    "",
  );
}
