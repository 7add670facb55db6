// The keys below `datasets`, `test_datasets`, `pretraining_dataset` and `special_tokens`.
import { z } from "zod";
import {
  flag,
  integer,
  oneOf,
  schemas,
  text,
  textOrTexts,
  texts,
  type WorkingKey,
} from "../values.ts";

/** The names of chat templates that Axolotl ships, of both eras. */
export const CHAT_TEMPLATES = [
  "tokenizer_default",
  "jinja",
  ..."alpaca chatml inst mistral_v1 mistral_v2v3 mistral_v3_tekken mistral_v7_tekken".split(" "),
  ..."gemma gemma3 gemma3n gemma4 gemma4_unified cohere command_a command_a_tool_use".split(" "),
  ..."command_a_rag aya llama3 llama3_2_vision llama4 phi_3 phi_35 deepseek_v2".split(" "),
  ..."deepseek_v3 jamba qwen_25 qwen3 qwen3_5 falcon_h1 nemotron_h exaone exaone4".split(" "),
  ..."metharme pixtral llava qwen2_vl".split(" "),
] as const;

export const chatTemplate = z.union(
  [
    z.enum(CHAT_TEMPLATES as readonly string[]),
    z.string().regex(/^tokenizer_default_fallback_\w+/),
  ],
  {
    error: "the name of a chat template (tokenizer_default, chatml, llama3, ...), or " +
      "tokenizer_default_fallback_ and such a name",
  },
);

const trainOn = oneOf("all", "turn", "last", "none");
const optional = (description: string, otherwise?: string): WorkingKey & {
  schema: z.ZodOptional<typeof text>;
} => ({ schema: text.optional(), description, default: otherwise });

/** Keys of a data set's `type` that is a mapping: the user's own format. */
export const OWN_FORMAT_KEYS = {
  system_prompt: optional("The system text of rows without field_system.", '""'),
  system_format: optional("How the system text is written; {system} is replaced.", '"{system}"'),
  field_system: optional("The column of the system text.", "system"),
  field_instruction: optional("The column of the instruction.", "instruction"),
  field_input: optional("The column of the input.", "input"),
  field_output: optional("The column of the response.", "output"),
  format: optional(
    "The prompt; {instruction}, {input} and {system} are replaced.",
    '"{instruction} {input} "',
  ),
  no_input_format: optional("The prompt of rows without input.", '"{instruction} "'),
  field_prompt: optional("The column of the prompt (preference data)."),
  field_chosen: optional("The column of the better answer (preference data)."),
  field_rejected: optional("The column of the worse answer (preference data)."),
  field_completion: optional("The column of the answer (KTO data)."),
  field_label: optional("The column that says whether the answer is good (KTO data)."),
  prompt_format: optional("The prompt; {prompt} and {system} are replaced (preference data)."),
  chosen_format: optional("The better answer; {chosen} is replaced (preference data)."),
  rejected_format: optional("The worse answer; {rejected} is replaced (preference data)."),
  completion_format: optional("The answer; {completion} is replaced (KTO data)."),
} satisfies Record<string, WorkingKey>;

const ownFormat = z.object(schemas(OWN_FORMAT_KEYS));

/** Keys of one entry of `datasets` and `test_datasets`. */
export const DATASET_KEYS = {
  path: {
    schema: text,
    description: "A file, a folder, a glob, a URL, or the name of a data set on the hub.",
  },
  name: {
    schema: textOrTexts.optional(),
    description: "The configuration (subset) of a data set on the hub.",
  },
  split: {
    schema: text.optional(),
    description: "The named split, with slices such as train[:10%].",
    default: "train; test for test_datasets",
  },
  type: {
    schema: z.union([text, ownFormat], {
      error: "the name of a format, or a mapping that describes your own",
    }).optional(),
    description: "The format of the rows; unset for rows that hold input_ids and labels.",
  },
  ds_type: {
    schema: oneOf("json", "arrow", "parquet", "text", "csv").optional(),
    description: "The kind of file.",
    default: "by the file's extension, else json",
  },
  data_files: {
    schema: z.union([text, texts], { error: "a file name or a list of them" }).optional(),
    description: "Files within `path` to read, instead of all.",
  },
  shards: { schema: integer(1).optional(), description: "Cut the data set into so many parts." },
  shards_idx: {
    schema: integer(0).optional(),
    description: "Which of the parts to use, from 0.",
    default: "0",
  },
  preprocess_shards: {
    schema: integer(1).optional(),
    description: "Read the data set in so many parts, one after another; all are used.",
  },
  revision: {
    schema: text.optional(),
    description: "The commit, tag or branch of a data set on the hub.",
  },
  trust_remote_code: {
    schema: flag.default(false),
    description: "Eft never runs code from a data set; true changes nothing.",
  },
  field: { schema: text.default("text"), description: "The column with the text (completion)." },

  conversation: optional(
    "The FastChat template of sharegpt data: vicuna_v1.1, llama-2, chatml, ...",
    "vicuna_v1.1",
  ),
  field_human: optional("The role name of the human (sharegpt).", "human"),
  field_model: optional("The role name of the model (sharegpt).", "gpt"),
  strict: {
    schema: flag.default(true),
    description: "Take only the usual role names (sharegpt); false takes more of them.",
  },
  roles: {
    schema: z.record(z.string(), textOrTexts, {
      error: "a mapping like {assistant: [gpt, assistant]}",
    }).optional(),
    description: "For each role of the template, the names it has in the data.",
    default: "user: [human, user], assistant: [gpt, assistant], system: [system], tool: [tool]",
  },
  chat_template: {
    schema: chatTemplate.optional(),
    description: "The chat template of this data set.",
    default: "the top-level chat_template, else tokenizer_default",
  },
  chat_template_jinja: optional("A Jinja template, or the file that holds it."),
  field_messages: optional("The column of the messages.", "messages; conversations for sharegpt"),
  field_tools: optional("The column of the tools.", "tools"),
  field_thinking: optional("The field of a message with its reasoning.", "reasoning_content"),
  template_thinking_key: optional(
    "The name under which the template wants the reasoning.",
    "reasoning_content",
  ),
  split_thinking: {
    schema: flag.optional(),
    description: "Take reasoning between tags out of the content.",
    default: "false",
  },
  message_property_mappings: {
    schema: z.record(z.string(), text, { error: "a mapping like {role: from, content: value}" })
      .optional(),
    description: "For each property that the template wants, the field of a message that holds it.",
    default: "role: role, content: content",
  },
  message_field_role: optional("Old form of message_property_mappings.role."),
  message_field_content: optional("Old form of message_property_mappings.content."),
  message_field_training: optional("The field of a message that says whether to train on it."),
  message_field_training_detail: optional(
    "The field of a message that lists the parts to train on, by character offsets.",
  ),
  roles_to_train: {
    schema: texts.optional(),
    description: "The roles whose turns are trained on.",
    default: "[assistant]",
  },
  train_on_eos: {
    schema: trainOn.optional(),
    description: "Which end-of-sequence tokens are trained on.",
    default: "turn",
  },
  train_on_eot: {
    schema: trainOn.optional(),
    description: "Which end-of-turn tokens are trained on.",
    default: "as train_on_eos",
  },
  drop_system_message: {
    schema: flag.default(false),
    description: "Leave the data's system turn out.",
  },

  field_system: optional("The column of the system text.", "system"),
  field_instruction: optional("The column of the instruction.", "instruction"),
  field_input: optional("The column of the input.", "input"),
  field_output: optional("The column of the response.", "output"),
  system_prompt: optional("The system text of rows without one."),
  system_format: optional("How the system text is written; {system} is replaced."),
  format: optional("The prompt; {instruction} and {input} are replaced."),
  no_input_format: optional("The prompt of rows without input."),
  field_chosen: optional("The column of the better answer (preference data)."),
  field_rejected: optional("The column of the worse answer (preference data)."),

  step_separator: optional("The text after each step (stepwise_supervised).", '"\\n"'),
  max_completion_length: {
    schema: integer(1).optional(),
    description: "Steps are cut to so many tokens (stepwise_supervised).",
  },
  train_on_last_step_only: {
    schema: flag.default(false),
    description: "Label only the last step (stepwise_supervised).",
  },

  length: { schema: integer(1).default(1000), description: "Rows to make (_synthetic)." },
  sequence_length: {
    schema: integer(1).optional(),
    description: "Tokens of a made row (_synthetic).",
    default: "sequence_len",
  },
  min_input_id: { schema: integer(0).default(100), description: "Least token (_synthetic)." },
  max_input_id: {
    schema: integer(1).optional(),
    description: "Token ids are below this (_synthetic).",
    default: "the size of the vocabulary",
  },
  seed: {
    schema: integer(0).optional(),
    description: "The seed of made rows (_synthetic).",
    default: "the run's seed",
  },
} satisfies Record<string, WorkingKey>;

const dataset = z.object(schemas(DATASET_KEYS), {
  error: "an entry like {path: data.jsonl, type: alpaca}",
});
export const datasets = z.array(dataset, { error: "a list of entries like {path: data.jsonl}" })
  .min(1, { error: "a list with at least one data set" });

/** Keys of one entry of `pretraining_dataset`. */
export const PRETRAINING_KEYS = {
  path: { schema: text, description: "A file, a folder, a URL, or a data set on the hub." },
  name: { schema: textOrTexts.optional(), description: "The configuration on the hub." },
  split: { schema: text.default("train"), description: "The named split." },
  text_column: { schema: text.default("text"), description: "The column with the text." },
  type: { schema: text.default("pretrain"), description: "The format of the rows." },
  ds_type: DATASET_KEYS.ds_type,
  data_files: DATASET_KEYS.data_files,
  revision: DATASET_KEYS.revision,
  trust_remote_code: DATASET_KEYS.trust_remote_code,
  skip: { schema: integer(0).default(0), description: "Rows to leave out at the beginning." },
} satisfies Record<string, WorkingKey>;

export const pretrainingDatasets = z.array(
  z.object(schemas(PRETRAINING_KEYS), { error: "an entry like {path: data.jsonl}" }),
  { error: "a path, or a list of entries like {path: data.jsonl}" },
).min(1, { error: "at least one data set" });

export const SPECIAL_TOKEN_KEYS = {
  bos_token: { schema: text.optional(), description: "Begins a sequence." },
  eos_token: { schema: text.optional(), description: "Ends a sequence." },
  pad_token: { schema: text.optional(), description: "Fills up rows." },
  unk_token: { schema: text.optional(), description: "Stands for what the vocabulary lacks." },
  additional_special_tokens: {
    schema: texts.optional(),
    description: "Special tokens that have none of these roles.",
  },
} satisfies Record<string, WorkingKey>;

export const specialTokens = z.object(schemas(SPECIAL_TOKEN_KEYS), {
  error: "a mapping like {pad_token: ...}",
});
