// Every configuration key that works, one line each: its schema (with default) and what it means.
// A schema's error text says what was expected; defaults that depend on other keys are in rules.ts.
import { z } from "zod";
import { formatNames } from "../data/formats/index.ts";
import { ADAPTER_KEYS } from "./adapter_keys.ts";

export interface Key {
  schema: z.ZodType;
  description: string;
}

const text = z.string({ error: "text" });
const flag = z.boolean({ error: "true or false" });
const texts = z.array(text, { error: "a list of names" });

function integer(min: number, error = `a whole number, ${min} or more`) {
  return z.number({ error }).int({ error }).min(min, { error });
}

function number(min: number, error = `a number, ${min} or more`) {
  return z.number({ error }).min(min, { error });
}

function positive(error = "a number above 0") {
  return z.number({ error }).gt(0, { error });
}

function fraction(error = "a number from 0 to below 1") {
  return z.number({ error }).min(0, { error }).lt(1, { error });
}

function oneOf<const Words extends string[]>(...words: Words) {
  return z.enum(words, { error: words.length > 1 ? `one of ${words.join(", ")}` : words[0] });
}

const STEPS_OR_FRACTION = "a whole number of steps, or a fraction of the run between 0 and 1";
const steps = z.number({ error: STEPS_OR_FRACTION }).min(0, { error: STEPS_OR_FRACTION })
  .refine((n) => n < 1 || Number.isInteger(n), { error: STEPS_OR_FRACTION });

const VAL_SET_SIZE = "a fraction below 1, or a whole number of rows, 2 or more";
const valSetSize = z.number({ error: VAL_SET_SIZE }).min(0, { error: VAL_SET_SIZE })
  .refine((n) => n < 1 || (n > 1 && Number.isInteger(n)), { error: VAL_SET_SIZE });

/** Keys of one entry of `datasets` and `test_datasets`. */
export const DATASET_KEYS = {
  path: { schema: text, description: "A .json or .jsonl file, or a folder of them." },
  type: { schema: oneOf(...formatNames), description: "The format of the rows." },
  field: { schema: text.default("text"), description: "The column with the text (completion)." },
  data_files: {
    schema: z.union([text, texts], { error: "a file name or a list of them" }).optional(),
    description: "Files within `path` to read, instead of all.",
  },
  ds_type: { schema: oneOf("json").default("json"), description: "The kind of file." },
  split: {
    schema: oneOf("train").optional(),
    description: "The named split; local files have only `train`.",
  },
} satisfies Record<string, Key>;

export const SPECIAL_TOKEN_KEYS = {
  bos_token: { schema: text.optional(), description: "Begins a sequence." },
  eos_token: { schema: text.optional(), description: "Ends a sequence." },
  pad_token: { schema: text.optional(), description: "Fills up rows." },
  unk_token: { schema: text.optional(), description: "Stands for what the vocabulary lacks." },
  additional_special_tokens: {
    schema: texts.optional(),
    description: "Special tokens that have none of these roles.",
  },
} satisfies Record<string, Key>;

const dataset = z.object(schemas(DATASET_KEYS), {
  error: "an entry like {path: data.jsonl, type: alpaca}",
});
const datasets = z.array(dataset, { error: "a list of entries like {path: data.jsonl}" })
  .min(1, { error: "a list with at least one data set" });

export const KEYS = {
  base_model: { schema: text, description: "The folder of the model to fine-tune." },
  tokenizer_config: {
    schema: text.optional(),
    description: "The folder of the tokenizer, when it is not the model's.",
  },
  special_tokens: {
    schema: z.object(schemas(SPECIAL_TOKEN_KEYS), { error: "a mapping like {pad_token: ...}" })
      .optional(),
    description: "Special tokens by their text; those that are new are added.",
  },
  tokens: { schema: texts.optional(), description: "Texts that are added as tokens." },
  resize_token_embeddings_to_32x: {
    schema: flag.default(false),
    description: "Give the embedding a multiple of 32 rows.",
  },
  mean_resizing_embeddings: {
    schema: flag.default(false),
    description: "Rows of new tokens start as the mean of the others, not at random.",
  },
  reinit_weights: {
    schema: flag.default(false),
    description: "Start from random weights instead of the model's.",
  },

  datasets: { schema: datasets, description: "What to train on." },
  test_datasets: { schema: datasets.optional(), description: "What to evaluate on." },
  val_set_size: {
    schema: valSetSize.default(0),
    description: "The part of the data kept for evaluation: a fraction, or a number of rows.",
  },
  shuffle_merged_datasets: {
    schema: flag.default(true),
    description: "Shuffle the rows of all data sets together.",
  },
  sequence_len: {
    schema: integer(2).default(512),
    description: "The longest sequence, in tokens.",
  },
  min_sample_len: {
    schema: integer(1).default(2),
    description: "Samples with fewer tokens are dropped.",
  },
  excess_length_strategy: {
    schema: oneOf("drop", "truncate", "raise").default("drop"),
    description: "What happens to samples longer than sequence_len.",
  },
  sample_packing: {
    schema: flag.default(false),
    description: "Put several samples into one sequence.",
  },
  eval_sample_packing: {
    schema: flag.optional(),
    description: "The same for evaluation; by default as sample_packing.",
  },
  pad_to_sequence_len: {
    schema: flag.optional(),
    description: "Pad every sequence to sequence_len; by default as sample_packing.",
  },
  train_on_inputs: {
    schema: flag.default(false),
    description: "Train on the prompt too, not only on the response.",
  },

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
  ...ADAPTER_KEYS,

  micro_batch_size: { schema: integer(1).default(1), description: "Rows computed at once." },
  gradient_accumulation_steps: {
    schema: integer(1).optional(),
    description: "Micro batches per optimizer step; by default 1.",
  },
  batch_size: {
    schema: integer(1).optional(),
    description: "micro_batch_size * gradient_accumulation_steps, in place of the latter.",
  },
  eval_batch_size: {
    schema: integer(1).optional(),
    description: "Rows computed at once in evaluation; by default micro_batch_size.",
  },
  num_epochs: { schema: positive().default(1), description: "How often the data is gone through." },
  max_steps: { schema: integer(1).optional(), description: "Stop after this many steps." },
  learning_rate: { schema: number(0), description: "The highest learning rate of the schedule." },
  lr_scheduler: {
    schema: oneOf("cosine", "linear", "constant", "constant_with_warmup").default("cosine"),
    description: "How the learning rate changes over the run.",
  },
  warmup_steps: {
    schema: integer(0).optional(),
    description: "Steps in which the learning rate rises from 0; by default 3 %, at most 100.",
  },
  warmup_ratio: { schema: fraction().optional(), description: "The same as a part of the run." },
  optimizer: {
    schema: oneOf("adamw_torch", "adamw_torch_fused", "adamw_hf").default("adamw_torch_fused"),
    description: "The optimizer; all three names are AdamW.",
  },
  weight_decay: { schema: number(0).default(0), description: "Decoupled weight decay." },
  adam_beta1: { schema: fraction().default(0.9), description: "Decay of the first moment." },
  adam_beta2: { schema: fraction().default(0.999), description: "Decay of the second moment." },
  adam_epsilon: { schema: positive().default(1e-8), description: "Added to the denominator." },
  max_grad_norm: {
    schema: number(0).default(1),
    description: "Gradients are scaled down to this global norm; 0 turns it off.",
  },
  gradient_checkpointing: {
    schema: flag.default(false),
    description: "Recompute activations in the backward pass: less memory, more time.",
  },
  float32: { schema: flag.default(false), description: "Keep the weights in 32-bit floats." },
  seed: { schema: integer(0).default(42), description: "The seed of every random number." },

  eval_steps: {
    schema: steps.optional(),
    description: "Evaluate every so many steps, or every such fraction of the run.",
  },
  evals_per_epoch: { schema: integer(0).optional(), description: "Evaluations per epoch." },
  eval_strategy: {
    schema: oneOf("steps", "no").optional(),
    description: "no turns evaluation off.",
  },
  logging_steps: { schema: integer(1).optional(), description: "Report the loss every so often." },
  output_dir: { schema: text.default("./model-out"), description: "Where the result goes." },
  strict: { schema: flag.default(false), description: "Unknown keys are errors in any case." },
} satisfies Record<string, Key>;

type Schemas<Keys extends Record<string, Key>> = { [Name in keyof Keys]: Keys[Name]["schema"] };

function schemas<Keys extends Record<string, Key>>(keys: Keys): Schemas<Keys> {
  return Object.fromEntries(
    Object.entries(keys).map(([name, key]) => [
      name,
      key.schema.meta({ description: key.description }),
    ]),
  ) as Schemas<Keys>;
}

/** The schema of a configuration, before the defaults that depend on other keys. */
export const configSchema = z.object(schemas(KEYS));
