// Keys of how a model is trained: optimizers, rates, schedules, what is frozen, what watches over a
// run. Their rules among each other are in training_rules.ts.
import { z } from "zod";
import { optimizerNames } from "../train/optimizers/names.ts";
import { scheduleNames } from "../train/schedule.ts";

const flag = z.boolean({ error: "true or false" });
const text = z.string({ error: "text" });
const texts = z.array(text, { error: "a list of texts" });
const positive = z.number({ error: "a number above 0" }).gt(0, { error: "a number above 0" });
const share = z.number({ error: "a number from 0 to 1" }).min(0, { error: "a number from 0 to 1" })
  .max(1, { error: "a number from 0 to 1" });
const count = z.number({ error: "a whole number, 1 or more" })
  .int({ error: "a whole number, 1 or more" }).min(1, { error: "a whole number, 1 or more" });

const AUTOMATIC = 'true, false or "auto"';
const automatic = z.union([flag, z.enum(["auto", "full"])], { error: AUTOMATIC }).optional();

const GROUP = "an entry like {name: attention, modules: [q_proj, k_proj], lr: 1e-5}";
const rateGroup = z.object({ name: text, modules: texts, lr: positive }, { error: GROUP });

const ARGUMENTS = "a mapping like {momentum: 0.9}";

export const TRAINING_KEYS = {
  lr_scheduler: {
    schema: z.enum(scheduleNames, { error: `one of ${scheduleNames.join(", ")}` })
      .default("cosine"),
    description: "How the learning rate changes over the run.",
  },
  lr_scheduler_kwargs: {
    schema: z.record(text, z.unknown(), { error: "a mapping like {num_cycles: 2}" }).optional(),
    description: "Arguments of the schedule, by the names that transformers gives them.",
  },
  lr_quadratic_warmup: {
    schema: flag.default(false),
    description: "The warmup of a cosine schedule rises with the square of the step.",
  },
  cosine_min_lr_ratio: {
    schema: share.optional(),
    description: "cosine and rex end at this share of the learning rate.",
  },
  cosine_constant_lr_ratio: {
    schema: share.optional(),
    description: "The share of the run after which cosine stays at its minimum.",
  },
  lr_div_factor: {
    schema: positive.optional(),
    description: "one_cycle starts at learning_rate divided by this; by default 25.",
  },
  optimizer: {
    schema: z.enum(optimizerNames, { error: `one of ${optimizerNames.join(", ")}` })
      .default("adamw_torch_fused"),
    description: "The optimizer.",
  },
  optim_args: {
    schema: z.union([text, z.record(text, z.unknown())], { error: ARGUMENTS }).optional(),
    description: "Arguments of the optimizer: a mapping, or text like momentum=0.9,nesterov=true.",
  },
  lr_groups: {
    schema: z.array(rateGroup, { error: `a list of entries like ${GROUP.slice(14)}` }).optional(),
    description: "Learning rates of their own for modules whose names contain one of these.",
  },
  embedding_lr: {
    schema: positive.optional(),
    description: "The learning rate of embeddings and of the output head.",
  },
  embedding_lr_scale: {
    schema: positive.optional(),
    description: "The same, as a multiple of learning_rate.",
  },
  loraplus_lr_ratio: {
    schema: positive.optional(),
    description: "LoRA+: how much higher the learning rate of B is than that of A.",
  },
  loraplus_lr_embedding: {
    schema: positive.default(1e-6),
    description: "LoRA+: the learning rate of adapters on embeddings.",
  },
  neftune_noise_alpha: {
    schema: positive.optional(),
    description: "NEFTune: noise of this size on the embeddings while training.",
  },
  unfrozen_parameters: {
    schema: texts.optional(),
    description: "Train only tensors whose names match one of these patterns; a pattern may end " +
      "in a range of rows, like ^model.embed_tokens.weight$[:100].",
  },
  lisa_n_layers: {
    schema: count.optional(),
    description: "LISA: how many blocks are trained at a time, chosen at random.",
  },
  lisa_step_interval: {
    schema: count.optional(),
    description: "LISA: other blocks are chosen every so many steps.",
  },
  lisa_layers_attribute: {
    schema: z.literal("model.layers", { error: "model.layers" }).optional(),
    description: "LISA: where a model has its blocks.",
  },
  loss_watchdog_threshold: {
    schema: positive.optional(),
    description: "Stop when the reported loss stays above this.",
  },
  loss_watchdog_patience: {
    schema: count.default(3),
    description: "How many reports in a row loss_watchdog_threshold lets pass.",
  },
  gradient_checkpointing_kwargs: {
    schema: z.object({ use_reentrant: flag.optional() }, {
      error: "a mapping like {use_reentrant: false}",
    }).optional(),
    description: "Both kinds of checkpointing in PyTorch are one and the same here.",
  },
  bf16: { schema: automatic, description: "Half precision; see the note at the start of a run." },
  fp16: { schema: automatic, description: "Half precision; see the note at the start of a run." },
  tf32: { schema: automatic, description: "Has no meaning in WebGPU." },
  bfloat16: { schema: flag.optional(), description: "As bf16." },
  float16: { schema: flag.optional(), description: "As fp16." },
};
