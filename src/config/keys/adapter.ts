// Keys of adapters, and of what is trained.
import { z } from "zod";
import {
  flag,
  fraction,
  integer,
  oneOf,
  positive,
  text,
  texts,
  type WorkingKey,
} from "../values.ts";
import { type Group, known } from "./known.ts";

const PLAIN = "remove the line for plain LoRA";
const RELORA = "use `adapter: lora` and remove the line";

const works = {
  adapter: { schema: oneOf("lora").optional(), description: "lora; empty trains the whole model." },
  lora_r: { schema: integer(1).optional(), description: "The rank of the LoRA update." },
  lora_alpha: {
    schema: positive().optional(),
    description: "The scale of the LoRA update is lora_alpha / lora_r.",
  },
  lora_dropout: { schema: fraction().default(0), description: "Dropout before the LoRA update." },
  lora_target_modules: {
    schema: z.union([text, texts], { error: "a list of module names, or one pattern" }).optional(),
    description: "Names of the linear layers that get LoRA: q_proj, v_proj, ...",
  },
  lora_target_linear: {
    schema: flag.default(false),
    description: "LoRA on every linear layer but the output head.",
  },
} satisfies Record<string, WorkingKey>;

export const ADAPTER = {
  title: "Adapters, and what is trained",
  works,
  others: {
    ...known(
      "planned",
      PLAIN,
      `
      lora_model_dir | text | | An adapter to go on from.
      lora_modules_to_save | texts | | Modules that are trained in full beside LoRA.
      lora_fan_in_fan_out | flag | | The layers store their weights transposed.
      lora_rank_pattern | mapping | | Ranks of single modules, by pattern.
      lora_alpha_pattern | mapping | | Scales of single modules, by pattern.
      peft_layers_to_transform | integers or integer | | Only these layers get LoRA.
      peft_layers_pattern | texts or text | | The name of the list of layers.
      peft | mapping | | Further settings of PEFT.
      peft.loftq_config | mapping | | Settings of the LoftQ start.
      peft.loftq_config.loftq_bits | integer | 4 | The bits of LoftQ.
      peft_use_dora | flag | | DoRA: magnitude and direction apart.
      peft_use_rslora | flag | | Scale by the square root of the rank.
      peft_init_lora_weights | flag or text | true | How LoRA begins: gaussian, pissa, olora, loftq, ...
      peft_trainable_token_indices | integers or mapping | | Train these rows of the embedding.
      loraplus_lr_ratio | number | | LoRA+: the learning rate of B over that of A.
      loraplus_lr_embedding | number | 1e-6 | LoRA+: the learning rate of embeddings.
      `,
    ),
    ...known(
      "refused",
      PLAIN,
      `
      lora_target_parameters | texts or text | | Tensors that are no linear layer, such as experts.
      peft_layer_replication | list | | Repeat ranges of layers.
      peft_ensure_weight_tying | flag | | Tie the adapters of tied weights.
      mora | mapping | | MoRA: square updates.
      mora.use_mora | flag | false | Turn it on.
      mora.mora_type | text or integer | | Its variant.
      `,
    ),
    ...known(
      "planned",
      RELORA,
      `
      relora | flag | | ReLoRA: merge the adapter into the weights and begin again.
      relora_steps | integer | | Steps between merges (v0.4).
      relora_warmup_steps | integer | | Warm-up after a merge (v0.4).
      relora_prune_method | "magnitude" or "random" or "reset" | magnitude | What is kept of the optimizer.
      relora_prune_ratio | number | 0.9 | How much of the optimizer is cleared.
      jagged_restart_steps | integer | | Steps between restarts of the schedule.
      jagged_restart_warmup_steps | integer | 10 | Warm-up after a restart.
      jagged_restart_anneal_steps | integer | 1 | Decay before a restart.
      `,
    ),
    ...known(
      "planned",
      "leave it out to train the whole model, or use `adapter: lora`",
      `
      unfrozen_parameters | texts | | Train only tensors that match, optionally only some rows.
      lisa_n_layers | integer | | LISA: how many layers are trained at a time.
      lisa_step_interval | integer | | LISA: steps until other layers are chosen.
      `,
    ),
    ...known(
      "refused",
      "use `adapter: lora`, or leave it out to train the whole model",
      `
      spectrum_top_fraction | number | 0.5 | Spectrum: the part of the layers that is trained.
      spectrum_model_name | text | | Spectrum: whose signal-to-noise ratios are used.
      `,
    ),
    ...known(
      "no effect",
      "adapters are kept in 32-bit floats on the GPU; there is nothing to move or merge elsewhere",
      `
      lora_on_cpu | flag | | Merge on the CPU.
      relora_cpu_offload | flag | | Merge on the CPU.
      peft_autocast_adapter_dtype | flag | true | Keep the adapter in 32-bit floats.
      qlora_sharded_model_loading | flag | false | Load in parts for several GPUs.
      merge_lora | flag | | Set by the merge command.
      merge_method | "memory_efficient" or "legacy" | memory_efficient | How the merge command works.
      lisa_layers_attribute | text | model.layers | Where Python finds the layers.
      `,
    ),
  },
} satisfies Group;
