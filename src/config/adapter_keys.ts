// Keys of what is trained beyond plain LoRA on named layers: its variants and starts, modules and tokens
// trained beside it, and ReLoRA. `keys.ts` lists them with the others.
import { z } from "zod";

const flag = z.boolean({ error: "true or false" });
const name = z.string({ error: "text" });
const names = z.array(name, { error: "a list of names" });

function whole(min: number) {
  const error = `a whole number, ${min} or more`;
  return z.number({ error }).int({ error }).min(min, { error });
}

const layers = z.array(whole(0), { error: "a list of layer numbers" });
const tokens = z.array(whole(0), { error: "a list of token ids" });

function pattern(error: string) {
  return z.record(z.string(), z.number({ error }).gt(0, { error }), { error });
}

const ratio = z.number({ error: "a number from 0 to 1" }).min(0).max(1);

export const ADAPTER_KEYS = {
  lora_exclude_modules: {
    schema: z.union([name, names], { error: "a list of module names, or one pattern" }).optional(),
    description: "Modules that get no LoRA although lora_target_modules names them.",
  },
  lora_modules_to_save: {
    schema: names.optional(),
    description: "Modules that are trained whole beside LoRA: embed_tokens, lm_head, norms.",
  },
  lora_model_dir: {
    schema: name.optional(),
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
    schema: z.union([whole(0), layers], { error: "a list of layer numbers" }).optional(),
    description: "The only layers that get LoRA.",
  },
  peft_layers_pattern: {
    schema: z.union([name, names], { error: "a list of names" }).optional(),
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
    schema: z.union([flag, name], { error: "true, false or a name like gaussian or pissa" })
      .optional(),
    description: "How LoRA starts: true, false, gaussian, pissa, pissa_niter_N or olora.",
  },
  peft_trainable_token_indices: {
    schema: z.union([tokens, z.record(z.string(), tokens)], {
      error: "a list of token ids, or a mapping like {embed_tokens: [1, 2]}",
    }).optional(),
    description: "Tokens whose embeddings are trained beside LoRA, and no others.",
  },
  relora: { schema: flag.default(false), description: "Merge the adapter now and then: ReLoRA." },
  jagged_restart_steps: {
    schema: whole(1).optional(),
    description: "Steps from one restart (of ReLoRA, of the learning rate) to the next.",
  },
  jagged_restart_warmup_steps: {
    schema: whole(0).optional(),
    description: "Steps in which the learning rate rises after a restart; by default 10.",
  },
  jagged_restart_anneal_steps: {
    schema: whole(0).optional(),
    description: "Steps in which the learning rate falls before a restart; by default 1.",
  },
  relora_steps: {
    schema: whole(1).optional(),
    description: "The older name of jagged_restart_steps, which also turns ReLoRA on.",
  },
  relora_warmup_steps: {
    schema: whole(0).optional(),
    description: "The older name of jagged_restart_warmup_steps.",
  },
  relora_prune_method: {
    schema: z.enum(["magnitude", "random", "reset"], { error: "one of magnitude, random, reset" })
      .optional(),
    description:
      "What a restart of ReLoRA takes from the optimizer's moments; by default magnitude.",
  },
  relora_prune_ratio: {
    schema: ratio.optional(),
    description: "The share of moments set to zero; by default 0.9, with reset 0.999.",
  },
} as const;
