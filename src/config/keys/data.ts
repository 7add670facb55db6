// Keys of the data: where it comes from, how it is cut and packed, how conversations become text.
import {
  flag,
  integer,
  oneOf,
  options,
  text,
  texts,
  valSetSize,
  type WorkingKey,
} from "../values.ts";
import { chatTemplate, datasets, pretrainingDatasets } from "./datasets.ts";
import { type Group, known } from "./known.ts";

const works = {
  datasets: { schema: datasets.optional(), description: "What to train on." },
  test_datasets: { schema: datasets.optional(), description: "What to evaluate on." },
  pretraining_dataset: {
    schema: pretrainingDatasets.optional(),
    description: "Text to train on, read while training; needs max_steps.",
  },
  streaming: { schema: flag.default(false), description: "Read the data while training." },
  streaming_multipack_buffer_size: {
    schema: integer(1).default(10000),
    description: "How many streamed samples are packed together.",
  },
  val_set_size: {
    schema: valSetSize.default(0),
    description: "The part of the data kept for evaluation: a fraction, or a number of rows.",
  },
  dataset_prepared_path: {
    schema: text.optional(),
    description: "The folder where prepared data is kept for the next run.",
  },
  skip_prepare_dataset: {
    schema: flag.default(false),
    description: "Neither drop nor pack rows: for data prepared elsewhere.",
  },
  dataset_exact_deduplication: {
    schema: flag.default(false),
    description: "Leave out rows that were seen before, also between training and evaluation.",
  },
  dataset_shard_num: {
    schema: integer(1).optional(),
    description: "Cut the merged data into so many parts and train on one.",
  },
  dataset_shard_idx: {
    schema: integer(0).optional(),
    description: "Which of the parts to train on, from 0.",
    default: "0",
  },
  shuffle_merged_datasets: {
    schema: flag.default(true),
    description: "Shuffle the rows of all data sets together.",
  },
  shuffle_before_merging_datasets: {
    schema: flag.default(false),
    description: "Shuffle each data set before they are joined.",
  },
  hf_use_auth_token: {
    schema: flag.optional(),
    description: "Send the token of HF_TOKEN to the hub; false never sends it.",
    default: "true where HF_TOKEN is set",
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
  sample_packing_group_size: {
    schema: integer(1).default(100000),
    description: "How many samples are packed together.",
  },
  sample_packing_bin_size: {
    schema: integer(1).default(200),
    description: "The most samples in one sequence.",
  },
  sample_packing_sequentially: {
    schema: flag.default(false),
    description: "Pack samples in their order.",
  },
  eval_sample_packing: {
    schema: flag.optional(),
    description: "The same for evaluation; by default as sample_packing.",
  },
  pad_to_sequence_len: {
    schema: flag.optional(),
    description: "Pad every sequence to sequence_len; by default as sample_packing.",
  },
  pad_to_multiple_of: {
    schema: integer(1).optional(),
    description: "Pad rows to a multiple of so many tokens.",
    default: "64",
  },
  group_by_length: {
    schema: flag.default(false),
    description: "Put samples of like length into one batch.",
  },
  curriculum_sampling: {
    schema: flag.default(false),
    description: "Train in the order of the data.",
  },
  chat_template: {
    schema: chatTemplate.optional(),
    description: "How conversations become text.",
    default: "the tokenizer's own",
  },
  chat_template_jinja: {
    schema: text.optional(),
    description: "A Jinja template, or the file that holds it.",
  },
  chat_template_kwargs: {
    schema: options.optional(),
    description: "Variables for the chat template.",
  },
  default_system_message: {
    schema: text.optional(),
    description: "The system text of the chatml template.",
  },
  eot_tokens: {
    schema: texts.optional(),
    description: "Tokens that end a turn.",
    default: "the end-of-sequence token",
  },
  train_on_inputs: {
    schema: flag.default(false),
    description: "Train on the prompt too, not only on the response.",
  },
} satisfies Record<string, WorkingKey>;

export const DATA = {
  title: "Data",
  works,
  others: {
    ...known(
      "no effect",
      "data is read and tokenized without worker processes",
      `
      dataset_num_proc | integer | | Processes that prepare the data.
      dataset_keep_in_memory | flag | | Keep the data in memory while it is prepared.
      num_dataset_shards_to_save | integer | | Files of the prepared data.
      dataloader_num_workers | integer | | Processes that load batches.
      dataloader_pin_memory | flag | true | Load batches into pinned memory.
      dataloader_prefetch_factor | integer | 256 | Batches loaded ahead.
      sample_packing_mp_start_method | text | | How packing processes start.
      is_preprocess | flag | | Set by the preprocess command.
      preprocess_iterable | flag | | Set by the preprocess command.
      `,
    ),
    ...known(
      "no effect",
      "Eft counts for itself",
      `
      total_num_tokens | integer | | Tokens of the data.
      total_supervised_tokens | integer | | Tokens that give a loss.
      sample_packing_eff_est | number | | How full packed rows are.
      sample_packing_seq_len_multiplier | number | | Left over from v0.3.
      `,
    ),
    ...known(
      "no effect",
      "packed samples are kept apart in any case, and padding costs little",
      `
      pretrain_multipack_attn | flag | true | Keep packed documents apart.
      pretraining_sample_concatenation | flag | | Join documents.
      multipack_real_batches | flag | | Pack rows one by one.
      batch_flattening | "auto" or flag | | Batches without padding.
      `,
    ),
    ...known(
      "planned",
      "sequences of evaluation have sequence_len tokens at most; remove the line",
      `
      eval_sequence_len | integer | sequence_len | The longest sequence in evaluation.
      `,
    ),
    ...known(
      "planned",
      "remove the line; a last batch that is not full is trained on too",
      `
      dataloader_drop_last | flag | | Leave out a last batch that is not full.
      `,
    ),
    ...known(
      "refused",
      "Eft uploads nothing; keep prepared data with dataset_prepared_path",
      `
      push_dataset_to_hub | text | | Upload the prepared data.
      `,
    ),
    ...known(
      "refused",
      "positions cannot be skipped; train with the sequence_len that you need",
      `
      use_pose | flag | | PoSE: train long contexts on short sequences.
      pose_split_on_token_ids | integers | | PoSE: tokens to cut at.
      pose_max_context_len | integer | | PoSE: the context that is simulated.
      pose_num_chunks | integer | 2 | PoSE: pieces per sequence.
      `,
    ),
    ...known(
      "refused",
      "Axolotl removed it; use \`sample_packing: true\`",
      `
      max_packed_sequence_len | integer | | Packing of old versions.
      `,
    ),
    ...known(
      "refused",
      "not read; describe the rows with \`type\`",
      `
      datasets.input_format | text | | Left over from older versions.
      datasets.input_transform | text | | A Python function for rows.
      datasets.logprobs_field | text | | Knowledge distillation: the teacher's log probabilities.
      datasets.temperature | number | | Knowledge distillation: the teacher's temperature.
      `,
    ),
  },
} satisfies Group;
