// What trains and at which rate against the libraries that define it, each on the random numbers that
// Eft draws: NEFTune of transformers, dropout, DoRA and LoRA+ of PEFT, and Axolotl's LISA, frozen
// parameters and groups of rates. 30 steps; see tests/golden/methods.

import assert from "node:assert/strict";
import { golden, json, type Recorded, shown, windowsOf, worstOf } from "../golden_run.ts";
import { activeBlocks } from "../../src/train/lisa.ts";
import { sanitize, tensorValues, tinyFolder, withTrainer } from "./tiny.ts";

interface Method extends Recorded {
  base: "llama" | "qwen2";
  learning_rate: number;
  /** What the method is in a configuration. */
  keys?: Record<string, unknown>;
  /** The folder of the adapter to start from, and its dropout here. */
  start?: string;
  dropout?: number;
  /** How far each trained tensor went. */
  moves: Record<string, number>;
}

const methods = json<Record<string, Method>>(`${golden}/methods/methods.json`);

/** An adapter's folder with another dropout. */
function withDropout(start: string, dropout: number, folder: string): string {
  Deno.mkdirSync(folder);
  const config = json<Record<string, unknown>>(`${start}/adapter_config.json`);
  Deno.writeTextFileSync(
    `${folder}/adapter_config.json`,
    JSON.stringify({ ...config, lora_dropout: dropout }),
  );
  const weights = "adapter_model.safetensors";
  Deno.copyFileSync(`${start}/${weights}`, `${folder}/${weights}`);
  return folder;
}

for (const [name, method] of Object.entries(methods)) {
  Deno.test(`a library and Eft agree on ${name}`, sanitize, async () => {
    const { base, start, dropout } = method;
    const folder = tinyFolder(`base-${base}`);
    const adapter = start && {
      adapter: "lora",
      lora_model_dir: withDropout(`${golden}/${start}`, dropout ?? 0, `${folder}/start`),
    };
    const keys = {
      ...adapter,
      learning_rate: method.learning_rate,
      weight_decay: 0.01,
      ...method.keys,
      max_grad_norm: 1,
      float32: true,
      seed: 42,
    };
    const windows = windowsOf(`${golden}/run-${base}-lora/batches.json`);
    await withTrainer(folder, keys, async (trainer) => {
      const before = await tensorValues(trainer);
      for (const [step, rate] of method.learning_rates.entries()) {
        await trainer.step(windows[step], rate);
      }
      const found = await trainer.results();
      const moves: Record<string, number> = {};
      for (const [name, after] of await tensorValues(trainer)) {
        moves[name] = Math.hypot(...after.map((value, i) => value - before.get(name)![i]));
      }
      assert.deepEqual(Object.keys(moves).sort(), Object.keys(method.moves).sort());
      const tensors = Object.keys(moves);
      const worst = {
        losses: worstOf(found.map(({ loss }) => loss), method.losses),
        norms: worstOf(found.map(({ gradientNorm }) => gradientNorm), method.grad_norms),
        moves: worstOf(tensors.map((t) => moves[t]), tensors.map((t) => method.moves[t])),
      };
      console.log(`${name}: ${shown(worst)}`);
      assert.ok(worst.losses < 1e-4, `losses differ by ${worst.losses}`);
      assert.ok(worst.norms < 1e-3, `gradient norms differ by ${worst.norms}`);
      assert.ok(worst.moves < 1e-3, `moves differ by ${worst.moves}`);
    });
    Deno.removeSync(folder, { recursive: true });
  });
}

Deno.test("the blocks of the golden LISA run are those that Eft draws", () => {
  const blocks = json<number[][]>(`${golden}/methods/lisa_blocks.json`);
  const settings = { layers: 1, interval: 4, seed: 42 };
  assert.deepEqual(blocks, blocks.map((_, step) => activeBlocks(step, 2, settings)));
});
