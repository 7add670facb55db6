// What an adapter cannot do on a quantized base: what PEFT cannot either, since a form cannot be
// written or the method asks for the values before quantizing.

import type { Config } from "../config/config.ts";
import { EftError } from "../errors.ts";
import type { Tensor } from "../graph/graph.ts";
import type { Source } from "../quant/checkpoint.ts";
import { reloraSettings } from "./relora.ts";
import { type LoraSettings, loraSettings } from "./settings.ts";

/** Throws for a configuration that cannot run on a quantized base; nothing needs to be loaded. */
export function checkQuantizedRun(config: Config, source: Source): void {
  const form = source === "awq" ? "AWQ" : source.startsWith("gptq") ? "GPTQ" : undefined;
  if (reloraSettings(config) && form) {
    throw new EftError(
      "config",
      `relora: ReLoRA merges into the base, which a ${form} base cannot take; use ` +
        "`adapter: qlora` on an unquantized model.",
    );
  }
  if (reloraSettings(config) && config.load_best_model_at_end && config.save_only_model) {
    throw new EftError(
      "config",
      "save_only_model: with ReLoRA on a quantized base the best model cannot be brought back from " +
        "the model alone; leave save_only_model or load_best_model_at_end out.",
    );
  }
  if (config.lora_model_dir === undefined) refuse(loraSettings(config), form);
}

/** The same for the weights that an adapter is to change. */
export function checkQuantizedWeights(settings: LoraSettings, weights: readonly Tensor[]): void {
  const quantized = weights.flatMap((weight) => weight.quantized ?? []);
  if (quantized.length === 0) return;
  const grouped = quantized.find(({ format }) => format.kind === "grouped");
  refuse(settings, grouped && (grouped.source === "awq" ? "AWQ" : "GPTQ"));
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

/** `form` is the name of one that is only read. */
function refuse({ dora, initialization }: LoraSettings, form: "GPTQ" | "AWQ" | undefined): void {
  const refused = (message: string) => new EftError("config", message);
  if (dora && form) {
    throw refused(
      `peft_use_dora: DoRA on a ${form} base is not supported, as in PEFT; use \`adapter: qlora\` ` +
        "on an unquantized model, or leave DoRA out.",
    );
  }
  switch (initialization?.kind) {
    case "pissa":
    case "pissa_niter":
      throw refused(
        `peft_init_lora_weights: ${initialization.kind} starts from unquantized weights, as in ` +
          `PEFT; use ${form ? "another start" : "olora"} on this base, or an unquantized model.`,
      );
    case "loftq":
      throw refused(
        "loftq: LoftQ quantizes an unquantized model itself, as in PEFT; use `adapter: lora` " +
          "without load_in_4bit, load_in_8bit and gptq.",
      );
    case "olora":
      if (form) {
        throw refused(
          `peft_init_lora_weights: olora takes its start out of the base, which a ${form} base ` +
            "cannot give; use another start, or `adapter: qlora` on an unquantized model.",
        );
      }
  }
}
