// A LoRA adapter in the two files that PEFT writes: adapter_config.json, adapter_model.safetensors.

import type { Lora } from "../adapter/lora.ts";
import type { Config } from "../config/config.ts";
import { writeSafetensors } from "../files/safetensors.ts";
import type { Memory } from "../gpu/program.ts";
import type { Host } from "../host/host.ts";
import { deviceTensors } from "./device_tensor.ts";

export async function writeAdapter(
  host: Host,
  folder: string,
  memory: Memory,
  lora: Lora,
  config: Config,
): Promise<void> {
  const tensors = deviceTensors(
    memory,
    [...lora.tensors].map(([name, tensor]) => ({ name, tensor, dtype: "F32" })),
  );
  await writeSafetensors(host, `${folder}/adapter_model.safetensors`, tensors);
  await host.write(`${folder}/adapter_config.json`, adapterConfig(lora, config));
}

/** Keys as PEFT writes them; those that only newer releases know are left to their defaults. */
function adapterConfig({ settings, targetModules }: Lora, config: Config): string {
  const content = {
    alpha_pattern: {},
    auto_mapping: null,
    base_model_name_or_path: config.base_model,
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layer_replication: null,
    layers_pattern: null,
    layers_to_transform: null,
    loftq_config: {},
    lora_alpha: settings.alpha,
    lora_dropout: settings.dropout,
    megatron_config: null,
    megatron_core: "megatron.core",
    modules_to_save: null,
    peft_type: "LORA",
    r: settings.rank,
    rank_pattern: {},
    revision: null,
    target_modules: targetModules,
    task_type: "CAUSAL_LM",
    use_dora: false,
    use_rslora: false,
  };
  return JSON.stringify(content, null, 2) + "\n";
}
