// Runs an example of examples/tiny into a temporary folder and asks the held-out questions: before,
// after, and of the files that the run left (merged where they are an adapter's).

import { denoHost } from "../../src/host/deno.ts";
import { openDevice } from "../../src/gpu/device.ts";
import { parseConfig, parseOverrides } from "../../src/config/config.ts";
import { readQuestions, score, type Scored } from "../../src/infer/heldout.ts";
import { openInference } from "../../src/infer/session.ts";
import type { EndEvent } from "../../src/train/events.ts";
import { runTraining } from "../../src/train/run.ts";
import type { Trainer } from "../../src/train/trainer.ts";

export interface ExampleResult {
  before: Scored;
  after: Scored;
  /** Answers of the model that was written. */
  reloaded: Scored;
  end: EndEvent;
}

export async function runExample(file: string, folder: string): Promise<ExampleResult> {
  const host = denoHost();
  const questions = await readQuestions(host, "public/data/town-heldout.jsonl");
  const configText = await host.readText(file);
  const { overrides } = parseOverrides([`--output_dir=${folder}`]);
  const scores: Scored[] = [];
  const ask = async ({ session, memory }: Trainer) => {
    const { config, loaded, tokenizer } = session;
    scores.push(await score(host, questions, config, loaded.model, memory, tokenizer));
  };
  const end = await runTraining(host, {
    configText,
    configFile: file,
    overrides,
    before: ask,
    after: ask,
  });
  const { config } = parseConfig(configText, file, overrides);
  const device = await openDevice(host);
  const opened = await openInference(host, config, device);
  const reloaded = await score(
    host,
    questions,
    config,
    opened.model,
    opened.memory,
    opened.tokenizer,
  );
  opened.memory.destroy();
  device.destroy();
  return { before: scores[0], after: scores[1], reloaded, end };
}

if (import.meta.main) {
  const folder = Deno.makeTempDirSync();
  const { before, after, reloaded, end } = await runExample(Deno.args[0], folder);
  const same = after.answers.filter((answer, i) => answer === reloaded.answers[i]).length;
  console.log(
    Deno.args[0],
    before.accuracy,
    after.accuracy,
    reloaded.accuracy,
    same,
    end.train_loss,
    end.wall_seconds,
  );
}
