// What a run leaves that must not depend on how often it was cut short, and where it is cut.

import { readFileSync } from "node:fs";

/** Draws the places; a test that fails says it, and EFT_SEED repeats them. */
export const seed = Number(Deno.env.get("EFT_SEED") ?? Math.floor(Math.random() * 2 ** 31));

const names = ["adapter_model.safetensors", "model.safetensors"];

// deno-lint-ignore no-explicit-any
export function json(path: string): any {
  return JSON.parse(Deno.readTextFileSync(path));
}

/** Weights, log, state and samples of an output folder, without times. */
export function result(folder: string) {
  const files = [...Deno.readDirSync(folder)].map(({ name }) => name);
  const state = json(`${folder}/trainer_state.json`);
  const timed = /runtime|per_second/;
  const log = (state.log_history as Record<string, number>[]).map((entry) =>
    Object.fromEntries(Object.entries(entry).filter(([key]) => !timed.test(key)))
  );
  const best = state.best_model_checkpoint?.replace(/.*\//, "");
  return {
    weights: names.filter((name) => files.includes(name))
      .map((name) => readFileSync(`${folder}/${name}`).toString("base64")),
    log,
    state: { ...state, log_history: [], best_model_checkpoint: best },
    samples: files.includes("samples.jsonl")
      ? Deno.readTextFileSync(`${folder}/samples.jsonl`)
      : undefined,
  };
}
