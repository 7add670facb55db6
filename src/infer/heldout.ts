// Asking questions whose answers are known, and counting the right ones.

import type { Config } from "../config/config.ts";
import { readRows } from "../data/sources/rows.ts";
import { textField } from "../data/formats/format.ts";
import type { Tokenizer } from "../data/tokenizer.ts";
import type { Memory } from "../gpu/program.ts";
import type { Host } from "../host/host.ts";
import type { Model } from "../model/model.ts";
import { Generator } from "./generator.ts";
import { openPrompts, stopTokensOf } from "./session.ts";

export interface Question {
  instruction: string;
  output: string;
}

export interface Scored {
  /** What the model said, by question. */
  answers: string[];
  /** Share of answers that equal the expected ones exactly. */
  accuracy: number;
}

/** Questions of an alpaca file. */
export async function readQuestions(host: Host, path: string): Promise<Question[]> {
  const questions: Question[] = [];
  for await (const row of readRows(host, { path })) {
    questions.push({
      instruction: textField(row, "instruction"),
      output: textField(row, "output"),
    });
  }
  return questions;
}

/** Rows answered side by side: few enough to fit into the activations of a small training step. */
const batch = 8;

/** Answers every question greedily with the model as it now is on the device. */
export async function score(
  host: Host,
  questions: readonly Question[],
  config: Config,
  model: Model,
  memory: Memory,
  tokenizer: Tokenizer,
): Promise<Scored> {
  const { ask } = await openPrompts(host, config, tokenizer);
  const prompts = questions.map(({ instruction }) => ask([{ role: "user", content: instruction }]));
  const longest = Math.max(
    ...questions.map(({ output }) => tokenizer.encode(output, { bos: false }).length),
  );
  const generator = new Generator(memory, model, { batch, context: config.sequence_len });
  const stopTokens = stopTokensOf(model, tokenizer);
  const answers: string[] = [];
  for (let first = 0; first < prompts.length; first += batch) {
    generator.reset();
    const texts = await generator.generate(prompts.slice(first, first + batch), {
      maxNewTokens: longest + 4,
      stopTokens,
    });
    for (const ids of texts) answers.push(ids.length > 0 ? tokenizer.decode(ids).trim() : "");
  }
  await generator.destroy();
  const right = answers.filter((answer, i) => answer === questions[i].output.trim()).length;
  return { answers, accuracy: right / questions.length };
}
