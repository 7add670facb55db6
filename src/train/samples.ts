// `generate_samples`: a few rows of the data, cut in two, and what the model makes of the first half
// as training goes on.

import { Generator } from "../infer/generator.ts";
import { stopTokensOf } from "../infer/session.ts";
import type { Sample } from "../data/sample.ts";
import type { SampleEvent } from "./events.ts";
import type { Trainer } from "./trainer.ts";

/** Continues the first rows of the evaluation data, or of the training data where there is none. */
export async function generateSamples(trainer: Trainer, step: number): Promise<SampleEvent[]> {
  trainer.hold("use");
  const { session, memory } = trainer;
  const { config, tokenizer, data, loaded } = session;
  const rows = (data.evaluation.length > 0 ? data.evaluation : data.train)
    .slice(0, config.num_generation_samples)
    .map((sample) => cut(sample, config.generation_prompt_ratio));
  const longest = Math.max(...rows.map(({ prompt }) => prompt.length));
  const generator = new Generator(memory, loaded.model, {
    batch: rows.length,
    context: Math.min(config.sequence_len, longest + config.generation_max_new_tokens),
  });
  try {
    const texts = await generator.generate(rows.map(({ prompt }) => prompt), {
      maxNewTokens: config.generation_max_new_tokens,
      sampling: { temperature: config.generation_temperature, topK: 0, topP: 1 },
      seed: config.seed + step, // other draws at every step, the same in every run
      stopTokens: stopTokensOf(loaded.model, tokenizer),
    });
    const show = (ids: readonly number[]) => tokenizer.decode(ids, { skipSpecial: true });
    return rows.map(({ prompt, rest }, i) => ({
      event: "sample",
      step,
      prompt: show(prompt),
      generated: show(texts[i]),
      expected: show(rest),
    }));
  } finally {
    await generator.destroy();
  }
}

/** At least one token on the side of the prompt. */
function cut({ tokens }: Sample, ratio: number): { prompt: number[]; rest: number[] } {
  const at = Math.max(1, Math.min(tokens.length - 1, Math.floor(tokens.length * ratio)));
  return { prompt: [...tokens.slice(0, at)], rest: [...tokens.slice(at)] };
}
