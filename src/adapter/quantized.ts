// What an adapter cannot do on a quantized base: all that reads or changes the base's own values.

import type { Config } from "../config/config.ts";
import { EftError } from "../errors.ts";
import type { Tensor } from "../graph/graph.ts";
import { reloraSettings } from "./relora.ts";
import { changesBase, type LoraSettings, loraSettings } from "./settings.ts";

/** Throws for a configuration that cannot run on a quantized base; nothing needs to be loaded. */
export function checkQuantizedRun(config: Config): void {
  if (reloraSettings(config)) {
    throw new EftError(
      "config",
      "relora: ReLoRA merges into the base, which a quantized base cannot take; use an " +
        "unquantized one.",
    );
  }
  if (config.lora_model_dir === undefined) refuse(loraSettings(config));
}

/** The same for the weights that an adapter is to change. */
export function checkQuantizedWeights(settings: LoraSettings, weights: readonly Tensor[]): void {
  if (weights.some(({ quantized }) => quantized)) refuse(settings);
}

/** Throws for a module that is to be trained whole and is quantized. */
export function checkQuantizedCopy(base: Tensor, module: string): void {
  if (!base.quantized) return;
  throw new EftError(
    "config",
    `lora_modules_to_save: ${module} is quantized and cannot be trained whole; give it a LoRA, or ` +
      "use an unquantized model.",
  );
}

function refuse(settings: LoraSettings): void {
  if (settings.dora) {
    throw new EftError(
      "config",
      "peft_use_dora: DoRA on a quantized base is not supported; use an unquantized one, or " +
        "leave DoRA out.",
    );
  }
  if (changesBase(settings)) {
    throw new EftError(
      "config",
      `peft_init_lora_weights: ${settings.initialization!.kind} takes its start out of the base, ` +
        "which a quantized base cannot give; use an unquantized one, or another start.",
    );
  }
}
