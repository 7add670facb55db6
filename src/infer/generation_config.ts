// generation_config.json: how a model's makers want it sampled, and what ends its answers.

import { EftError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { greedy, type Sampling } from "./sampler.ts";

export interface GenerationConfig {
  sampling: Sampling;
  endTokens: number[];
  maxNewTokens: number | undefined;
}

/** Reads a model folder's file; without one, greedy decoding. */
export async function readGenerationConfig(host: Host, folder: string): Promise<GenerationConfig> {
  const file = `${folder}/generation_config.json`;
  if (await host.kind(file) !== "file") {
    return { sampling: greedy, endTokens: [], maxNewTokens: undefined };
  }
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(await host.readText(file));
  } catch (cause) {
    throw new EftError("model", `This is not JSON: ${(cause as Error).message}`, { file });
  }
  const number = (key: string, fallback: number) => {
    const value = json[key];
    return typeof value === "number" ? value : fallback;
  };
  // The fallbacks are those of transformers.
  const sampling = json.do_sample === true
    ? {
      temperature: number("temperature", 1),
      topK: number("top_k", 50),
      topP: number("top_p", 1),
    }
    : greedy;
  const end = json.eos_token_id as number | number[] | null | undefined;
  return {
    sampling,
    endTokens: end === null || end === undefined ? [] : [end].flat(),
    maxNewTokens: typeof json.max_new_tokens === "number" ? json.max_new_tokens : undefined,
  };
}
