// Keys of optimizers, learning rates and schedules.
import { z } from "zod";
import { optimizerNames } from "../../train/optimizers/names.ts";
import { scheduleNames } from "../../train/schedule.ts";
import {
  flag,
  fraction,
  integer,
  number,
  oneOf,
  positive,
  schemas,
  share,
  text,
  texts,
  type WorkingKey,
} from "../values.ts";
import { type Group, known } from "./known.ts";

const OTHER_OPTIMIZER = "this optimizer is not offered; use `adamw_torch`";
const GROUP = "an entry like {name: attention, modules: [q_proj, k_proj], lr: 1e-5}";

/** Keys of one entry of `lr_groups`. */
export const LR_GROUP_KEYS = {
  name: { schema: text, description: "What the group is called." },
  modules: { schema: texts, description: "Parts of the names of its modules." },
  lr: { schema: positive(), description: "Its learning rate." },
} satisfies Record<string, WorkingKey>;

const works = {
  learning_rate: { schema: number(0), description: "The highest learning rate of the schedule." },
  lr_scheduler: {
    schema: oneOf(...scheduleNames).default("cosine"),
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
    schema: positive().optional(),
    description: "one_cycle starts at learning_rate divided by this.",
    default: "25",
  },
  warmup_steps: {
    schema: integer(0, "a whole number, 0 or more (a part of the run is warmup_ratio)").optional(),
    description: "Steps in which the learning rate rises from 0; by default 3 %, at most 100.",
  },
  warmup_ratio: { schema: fraction().optional(), description: "The same as a part of the run." },
  lr_groups: {
    schema: z.array(z.object(schemas(LR_GROUP_KEYS), { error: GROUP }), {
      error: "a list of entries like {name: attention, modules: [q_proj, k_proj], lr: 1e-5}",
    }).optional(),
    description: "Learning rates of their own for modules whose names contain one of these.",
  },
  embedding_lr: {
    schema: positive().optional(),
    description: "The learning rate of embeddings and of the output head.",
  },
  embedding_lr_scale: {
    schema: positive().optional(),
    description: "The same, as a multiple of learning_rate.",
  },
  optimizer: {
    schema: oneOf(...optimizerNames).default("adamw_torch_fused"),
    description: "The optimizer.",
  },
  optim_args: {
    schema: z.union([text, z.record(text, z.unknown())], {
      error: "a mapping like {momentum: 0.9}",
    }).optional(),
    description: "Arguments of the optimizer: a mapping, or text like momentum=0.9,nesterov=true.",
  },
  weight_decay: { schema: number(0).default(0), description: "Decoupled weight decay." },
  adam_beta1: { schema: fraction().default(0.9), description: "Decay of the first moment." },
  adam_beta2: { schema: fraction().default(0.999), description: "Decay of the second moment." },
  adam_epsilon: { schema: positive().default(1e-8), description: "Added to the denominator." },
  max_grad_norm: {
    schema: number(0).default(1),
    description: "Gradients are scaled down to this global norm; 0 turns it off.",
  },
} satisfies Record<string, WorkingKey>;

export const OPTIMIZER = {
  title: "Optimizer, learning rate",
  works,
  others: {
    ...known(
      "refused",
      OTHER_OPTIMIZER,
      `
      optim_target_modules | texts or "all_linear" | | GaLore: the modules it is for.
      adam_beta3 | number | | CAME: the third decay.
      adam_epsilon2 | number | | CAME: the second epsilon.
      dion_lr | number | | Dion: the learning rate.
      dion_momentum | number | | Dion: the momentum.
      dion_rank_fraction | number | 1 | Dion: the rank, as a part of the full one.
      dion_rank_multiple_of | integer | 1 | Dion: ranks are rounded up to a multiple.
      qgalore_rank | integer | 256 | Q-GaLore: the rank of the projection.
      qgalore_update_proj_gap | integer | 200 | Q-GaLore: steps between projections.
      qgalore_scale | number | 0.25 | Q-GaLore: the scale of the gradient.
      qgalore_proj_type | text | std | Q-GaLore: the kind of projection.
      qgalore_proj_quant | flag | true | Q-GaLore: quantize the projection.
      qgalore_proj_bits | integer | 4 | Q-GaLore: bits of the projection.
      qgalore_proj_group_size | integer | 256 | Q-GaLore: values that share a scale.
      qgalore_cos_threshold | number | 0.4 | Q-GaLore: when a projection counts as stable.
      qgalore_gamma_proj | integer | 2 | Q-GaLore: how the gap grows.
      qgalore_queue_size | integer | 5 | Q-GaLore: projections that are compared.
      grokfast_alpha | number | 0.98 | Grokfast: the decay of the slow gradient.
      grokfast_lamb | number | 2 | Grokfast: how much it is amplified.
      `,
    ),
  },
} satisfies Group;
