// LoRA: a low-rank addition to frozen linear layers (Hu et al. 2021, arXiv:2106.09685), with the
// names, the start values and the scale that PEFT uses.

import type { Config } from "../config/config.ts";
import { EftError } from "../errors.ts";
import type { Memory } from "../gpu/program.ts";
import { sizeOf, type Tensor, tensor } from "../graph/graph.ts";
import { linearLayers, type Model } from "../model/model.ts";
import { RandomStream } from "../random.ts";

export interface LoraSettings {
  rank: number;
  alpha: number;
  dropout: number;
  /** Names as PEFT takes them: the end of a module's path, or one regular expression. */
  targets: string[] | RegExp;
}

export interface Lora {
  settings: LoraSettings;
  /** Names of the adapted modules, without the path: what `target_modules` lists. */
  targetModules: string[];
  /** Trained tensors by the names that PEFT gives them in a file. */
  tensors: Map<string, Tensor>;
}

/** Streams of random numbers for the start values begin here; see `RandomStream`. */
const firstStream = 0x2000;

export function loraSettings(config: Config): LoraSettings {
  const { lora_target_modules: modules, lora_target_linear: all } = config;
  return {
    rank: config.lora_r!,
    alpha: config.lora_alpha!,
    dropout: config.lora_dropout,
    targets: all
      ? /.*/
      : typeof modules === "string"
      ? new RegExp(`^(?:${modules})$`)
      : [...(modules ?? [])],
  };
}

/** Adds the low-rank pairs to the model's layers. Throws when a target names no layer. */
export function attachLora(model: Model, settings: LoraSettings): Lora {
  const { targets, rank, alpha, dropout } = settings;
  const layers = linearLayers(model);
  const chosen = layers.filter(({ path }) =>
    targets instanceof RegExp ? targets.test(path) : targets.some((name) => matches(path, name))
  );
  const unused = targets instanceof RegExp
    ? chosen.length === 0 ? [targets.source] : []
    : targets.filter((name) => !layers.some(({ path }) => matches(path, name)));
  if (unused.length > 0) {
    const known = [...new Set(layers.map(({ path }) => lastName(path)))];
    throw new EftError(
      "config",
      `lora_target_modules: ${unused.join(", ")} names no linear layer of this model. ` +
        `Its layers are ${known.join(", ")}.`,
    );
  }
  const tensors = new Map<string, Tensor>();
  chosen.forEach((layer, index) => {
    const [outputs, inputs] = layer.weight.shape;
    const name = `base_model.model.${layer.path}`;
    const down = tensor(`${name}.lora_A.weight`, [rank, inputs], "f32", "trained");
    const up = tensor(`${name}.lora_B.weight`, [outputs, rank], "f32", "trained");
    tensors.set(down.name, down);
    tensors.set(up.name, up);
    layer.lowRank = { down, up, scale: alpha / rank, dropout, index };
  });
  const targetModules = [...new Set(chosen.map(({ path }) => lastName(path)))].sort();
  return { settings, targetModules, tensors };
}

/** A from U(±1/√inputs), as PyTorch's kaiming_uniform(a = √5) draws it; B zero. */
export function initializeLora(memory: Memory, lora: Lora, seed: number): void {
  let stream = firstStream;
  for (const [name, tensor] of lora.tensors) {
    const values = new Float32Array(sizeOf(tensor));
    if (name.includes(".lora_A.")) {
      const random = new RandomStream(seed, stream++);
      const bound = 1 / Math.sqrt(tensor.shape[1]);
      for (let i = 0; i < values.length; i++) values[i] = (random.uniform() * 2 - 1) * bound;
    }
    memory.write(tensor, values);
  }
}

function matches(path: string, name: string): boolean {
  return path === name || path.endsWith(`.${name}`);
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf(".") + 1);
}
