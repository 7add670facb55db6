// Keys of evaluation, checkpoints, and samples of what the model writes.
import { z } from "zod";
import { flag, integer, number, oneOf, steps, text, type WorkingKey } from "../values.ts";
import { type Group, known } from "./known.ts";

const RATIO = "a number above 0 and below 1";

const works = {
  eval_steps: {
    schema: steps.optional(),
    description: "Evaluate every so many steps, or every such fraction of the run.",
  },
  evals_per_epoch: { schema: integer(0).optional(), description: "Evaluations per epoch." },
  eval_strategy: {
    schema: oneOf("steps", "epoch", "no").optional(),
    description: "steps, epoch (at the end of each), or no, which turns evaluation off.",
  },

  save_strategy: {
    schema: oneOf("no", "epoch", "steps", "best").optional(),
    description: "When to write a checkpoint.",
    default: "steps with save_steps or saves_per_epoch, else epoch",
  },
  save_steps: {
    schema: steps.optional(),
    description: "A checkpoint every so many steps, or every such fraction of the run.",
  },
  saves_per_epoch: { schema: integer(0).optional(), description: "Checkpoints per epoch." },
  save_total_limit: {
    schema: integer(0).default(4),
    description: "The most checkpoints to keep, the best one apart; 0 keeps all.",
  },
  save_first_step: { schema: flag.default(false), description: "A checkpoint after step 1 too." },
  save_only_model: {
    schema: flag.default(false),
    description: "Checkpoints without what is needed to go on from them.",
  },
  load_best_model_at_end: {
    schema: flag.optional(),
    description: "The result is the best model of all evaluations.",
    default: "true with early_stopping_patience",
  },
  metric_for_best_model: {
    schema: oneOf("eval_loss", "loss", "eval_ppl", "ppl").optional(),
    description: "What makes a model the best.",
    default: "the evaluation loss",
  },
  greater_is_better: {
    schema: flag.optional(),
    description: "Whether the best model is the one with the highest metric.",
  },
  early_stopping_patience: {
    schema: integer(1).optional(),
    description: "Stop after so many evaluations without a better one.",
  },
  resume_from_checkpoint: {
    schema: z.union([text, flag], { error: "the folder of a checkpoint, or true for the newest" })
      .optional(),
    description: "The checkpoint to go on from; true is the newest in output_dir.",
  },
  auto_resume_from_checkpoints: {
    schema: flag.default(false),
    description: "Go on from the newest checkpoint in output_dir, if there is one.",
  },

  generate_samples: {
    schema: flag.default(false),
    description: "Let the model continue a few rows at every evaluation.",
  },
  num_generation_samples: {
    schema: integer(1).default(3),
    description: "How many rows it continues.",
  },
  generation_max_new_tokens: {
    schema: integer(1).default(50),
    description: "The longest such text, in tokens.",
  },
  generation_temperature: {
    schema: number(0).default(0.7),
    description: "Its temperature; 0 is greedy.",
  },
  generation_prompt_ratio: {
    schema: z.number({ error: RATIO }).gt(0, { error: RATIO }).lt(1, { error: RATIO }).default(0.5),
    description: "The part of a row that it is given.",
  },
} satisfies Record<string, WorkingKey>;

export const EVALUATION = {
  title: "Evaluation, checkpoints, samples",
  works,
  others: {
    ...known(
      "planned",
      "remove the line",
      `
      eval_table_size | integer | | Old form of generate_samples.
      dynamic_checkpoint | mapping | | Save when a file appears.
      dynamic_checkpoint.enabled | flag | false | Turn it on.
      dynamic_checkpoint.check_interval | integer | 10 | Steps between looks.
      dynamic_checkpoint.trigger_file_path | text | axolotl_checkpoint.save | The name of the file.
      `,
    ),
    ...known(
      "no effect",
      "Eft writes safetensors only",
      `
      save_safetensors | flag | true | Write safetensors.
      `,
    ),
    ...known(
      "no effect",
      "see generate_samples; samples are drawn by generation_temperature alone",
      `
      generation_top_p | number | | Draw from the most likely tokens with this sum.
      generation_top_k | integer | | Draw from so many tokens.
      generation_do_sample | flag | true | Draw, instead of taking the likeliest.
      eval_table_max_new_tokens | integer | 128 | Old form of generation_max_new_tokens.
      eval_max_new_tokens | integer | 128 | Old form of generation_max_new_tokens.
      `,
    ),
    ...known(
      "refused",
      "evaluation measures the loss; use another tool on the result",
      `
      do_causal_lm_eval | flag | | Measure generated text.
      eval_causal_lm_metrics | texts | [sacrebleu, comet, ter, chrf] | How.
      do_bench_eval | flag | | Answer multiple-choice questions.
      bench_dataset | text | | Which questions.
      bench_split | text | eval | Which part of them.
      lm_eval_tasks | texts or text | | Tasks of lm-evaluation-harness.
      lm_eval_batch_size | integer | 8 | Its batch size.
      lm_eval_model | text | | The model it looks at.
      lm_eval_post_train | flag | true | Run it after training.
      `,
    ),
  },
} satisfies Group;
