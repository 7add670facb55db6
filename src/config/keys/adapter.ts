// Keys of adapters, and of what is trained.
import { z } from "zod";
import {
  flag,
  fraction,
  integer,
  oneOf,
  positive,
  schemas,
  share,
  text,
  textOrTexts,
  texts,
  type WorkingKey,
} from "../values.ts";
import { type Group, known } from "./known.ts";

const PLAIN = "remove the line for plain LoRA";

const layers = z.array(integer(0), { error: "a list of layer numbers" });
const tokens = z.array(integer(0), { error: "a list of token ids" });

function pattern(error: string) {
  return z.record(z.string(), positive(error), { error });
}

/** Keys of `peft.loftq_config`. */
export const LOFTQ_KEYS = {
  loftq_bits: {
    schema: z.union([z.literal(4), z.literal(8)], { error: "4 or 8" }).default(4),
    description: "The bits that the weights are rounded to: 4 (NF4) or 8.",
  },
  loftq_iter: {
    schema: integer(1).default(1),
    description: "How often rounding and decomposing take turns (PEFT's key).",
  },
} satisfies Record<string, WorkingKey>;

/** Keys of `peft`. */
export const PEFT_KEYS = {
  loftq_config: {
    schema: z.object(schemas(LOFTQ_KEYS), { error: "a mapping like {loftq_bits: 4}" }).optional(),
    description: "LoftQ: the base is rounded, and LoRA starts from what that takes from it.",
  },
} satisfies Record<string, WorkingKey>;

const works = {
  adapter: {
    schema: oneOf("lora", "qlora").optional(),
    description: "lora, or qlora on a base in 4 bits; empty trains the whole model.",
  },
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
  lora_exclude_modules: {
    schema: z.union([text, texts], { error: "a list of module names, or one pattern" }).optional(),
    description: "Modules that get no LoRA although lora_target_modules names them.",
  },
  lora_modules_to_save: {
    schema: texts.optional(),
    description: "Modules that are trained whole beside LoRA: embed_tokens, lm_head, norms.",
  },
  lora_model_dir: {
    schema: text.optional(),
    description: "The folder of an adapter to go on from.",
  },
  lora_fan_in_fan_out: {
    schema: flag.default(false),
    description: "For layers whose weights are stored transposed; no supported model has them.",
  },
  lora_rank_pattern: {
    schema: pattern("a mapping of patterns to ranks, like {v_proj: 4}").optional(),
    description: "Ranks of modules whose paths end in a pattern, instead of lora_r.",
  },
  lora_alpha_pattern: {
    schema: pattern("a mapping of patterns to numbers, like {v_proj: 8}").optional(),
    description: "The same for lora_alpha.",
  },
  peft_layers_to_transform: {
    schema: z.union([integer(0), layers], { error: "a list of layer numbers" }).optional(),
    description: "The only layers that get LoRA.",
  },
  peft_layers_pattern: {
    schema: textOrTexts.optional(),
    description: "Names of the lists in which peft_layers_to_transform counts.",
  },
  peft_use_rslora: {
    schema: flag.default(false),
    description: "Rank-stabilized LoRA: the scale is lora_alpha / sqrt(lora_r).",
  },
  peft_use_dora: {
    schema: flag.default(false),
    description: "DoRA: the length of every row of an adapted weight is trained by itself.",
  },
  peft_init_lora_weights: {
    schema: z.union([flag, text], { error: "true, false or a name like gaussian or pissa" })
      .optional(),
    description: "How LoRA starts: true, false, gaussian, pissa, pissa_niter_N, olora or loftq.",
  },
  peft: {
    schema: z.object(schemas(PEFT_KEYS), {
      error: "a mapping like {loftq_config: {loftq_bits: 4}}",
    })
      .optional(),
    description: "Further settings of PEFT.",
  },
  peft_trainable_token_indices: {
    schema: z.union([tokens, z.record(z.string(), tokens)], {
      error: "a list of token ids, or a mapping like {embed_tokens: [1, 2]}",
    }).optional(),
    description: "Tokens whose embeddings are trained beside LoRA, and no others.",
  },
  loraplus_lr_ratio: {
    schema: positive().optional(),
    description: "LoRA+: how much higher the learning rate of B is than that of A.",
  },
  loraplus_lr_embedding: {
    schema: positive().default(1e-6),
    description: "LoRA+: the learning rate of adapters on embeddings.",
  },

  relora: {
    schema: flag.default(false),
    description:
      "Merge the adapter now and then: ReLoRA. A base in 8 or 4 bits is quantized anew of its files.",
  },
  jagged_restart_steps: {
    schema: integer(1).optional(),
    description: "Steps from one restart (of ReLoRA, of the learning rate) to the next.",
  },
  jagged_restart_warmup_steps: {
    schema: integer(0).optional(),
    description: "Steps in which the learning rate rises after a restart.",
    default: "10",
  },
  jagged_restart_anneal_steps: {
    schema: integer(0).optional(),
    description: "Steps in which the learning rate falls before a restart.",
    default: "1",
  },
  relora_steps: {
    schema: integer(1).optional(),
    description: "The older name of jagged_restart_steps, which also turns ReLoRA on.",
  },
  relora_warmup_steps: {
    schema: integer(0).optional(),
    description: "The older name of jagged_restart_warmup_steps.",
  },
  relora_prune_method: {
    schema: oneOf("magnitude", "random", "reset").optional(),
    description: "What a restart of ReLoRA takes from the optimizer's moments.",
    default: "magnitude",
  },
  relora_prune_ratio: {
    schema: share.optional(),
    description: "The share of moments set to zero.",
    default: "0.9, with reset 0.999",
  },

  unfrozen_parameters: {
    schema: texts.optional(),
    description: "Train only tensors whose names match one of these patterns; a pattern may end " +
      "in a range of rows, like ^model.embed_tokens.weight$[:100].",
  },
  lisa_n_layers: {
    schema: integer(1).optional(),
    description: "LISA: how many blocks are trained at a time, chosen at random.",
  },
  lisa_step_interval: {
    schema: integer(1).optional(),
    description: "LISA: other blocks are chosen every so many steps.",
  },
  lisa_layers_attribute: {
    schema: oneOf("model.layers").optional(),
    description: "LISA: where a model has its blocks.",
    default: "model.layers",
  },
} satisfies Record<string, WorkingKey>;

export const ADAPTER = {
  title: "Adapters, and what is trained",
  works,
  others: {
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
      `,
    ),
  },
} satisfies Group;
