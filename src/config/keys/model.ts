// Keys of the model, its tokenizer, and the precision of its weights.
import { z } from "zod";
import { automatic, flag, oneOf, schemas, text, texts, type WorkingKey } from "../values.ts";
import { specialTokens } from "./datasets.ts";
import { type Group, known } from "./known.ts";

const AUTOMATIC = "Eft finds this out from the model";
const NOT_PYTHON = "it concerns Python libraries that Eft does not use";
const PRECISION = "weights stay in the type they are stored in, and sums are in 32-bit floats";
const LOADING = "Eft reads weights as it needs them and plans the memory itself (eft plan)";
const TOKENS = "the vocabulary can only be added to so far; see `tokens`";
const LOCAL = "use a local folder with the files that you want";
const TEXT_ONLY = "Eft trains on text only; remove the line";

/** Keys of `bnb_config_kwargs`. */
export const BNB_KEYS = {
  load_in_4bit: { schema: flag.optional(), description: "As the key outside." },
  load_in_8bit: { schema: flag.optional(), description: "As the key outside." },
  bnb_4bit_quant_type: {
    schema: oneOf("nf4", "fp4").optional(),
    description: "The 4-bit type.",
    default: "nf4",
  },
  bnb_4bit_use_double_quant: {
    schema: flag.optional(),
    description: "Quantize the scales as well.",
    default: "true",
  },
  llm_int8_skip_modules: {
    schema: texts.optional(),
    description: "Names of linear layers that stay as they are.",
  },
} satisfies Record<string, WorkingKey>;

const works = {
  base_model: {
    schema: text,
    description: "The model to fine-tune: a folder, or a name on the hub.",
  },
  model_revision: {
    schema: text.optional(),
    description: "The commit, tag or branch of a model on the hub.",
    default: "main",
  },
  tokenizer_config: {
    schema: text.optional(),
    description: "The folder of the tokenizer, when it is not the model's.",
    default: "base_model",
  },
  special_tokens: {
    schema: specialTokens.optional(),
    description: "Special tokens by their text; those that are new are added.",
  },
  tokens: {
    schema: z.array(text, { error: "a list of texts (bos_token and such are special_tokens)" })
      .optional(),
    description: "Texts that are added as tokens.",
  },
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
  load_in_4bit: {
    schema: flag.optional(),
    description: "Hold the base model in 4 bits (NF4 or FP4).",
    default: "true with `adapter: qlora`",
  },
  load_in_8bit: { schema: flag.optional(), description: "Hold the base model in 8 bits." },
  gptq: { schema: flag.optional(), description: "The base model is quantized with GPTQ." },
  bnb_config_kwargs: {
    schema: z.object(schemas(BNB_KEYS), { error: "a mapping like {bnb_4bit_quant_type: nf4}" })
      .optional(),
    description: "Settings of load_in_4bit and load_in_8bit, as transformers names them.",
  },
  float32: { schema: flag.default(false), description: "Keep the weights in 32-bit floats." },
  bf16: {
    schema: automatic.optional(),
    description: "Half precision; see the note at the start of a run.",
  },
  fp16: {
    schema: automatic.optional(),
    description:
      "Store activations in 16 bits, with loss scaling, where the device has shader-f16.",
  },
  tf32: { schema: automatic.optional(), description: "Has no meaning in WebGPU." },
  bfloat16: { schema: flag.optional(), description: "As bf16." },
  float16: { schema: flag.optional(), description: "As fp16." },
} satisfies Record<string, WorkingKey>;

export const MODEL = {
  title: "Model, tokenizer, precision",
  works,
  others: {
    ...known(
      "no effect",
      AUTOMATIC,
      `
      model_type | text | AutoModelForCausalLM | The class of transformers that loads the model.
      tokenizer_type | text | AutoTokenizer | The class of transformers that loads the tokenizer.
      cls_model_config | text | | The class of transformers that reads config.json.
      tokenizer_use_fast | flag | true | Prefer the fast tokenizer.
      tokenizer_legacy | flag | true | The old handling of spaces in SentencePiece.
      is_llama_derived_model | flag | | The model is a kind of Llama.
      is_mistral_derived_model | flag | | The model is a kind of Mistral.
      is_falcon_derived_model | flag | | The model is a kind of Falcon.
      is_qwen_derived_model | flag | | The model is a kind of Qwen.
      `,
    ),
    ...known(
      "no effect",
      NOT_PYTHON,
      `
      trust_remote_code | flag | | Run Python code that comes with the model.
      tokenizer_save_jinja_files | flag | true | Write the chat template as a file of its own.
      remove_unused_columns | flag | | Drop columns that the model does not take.
      special_tokens_map | mapping | | Left over from older versions.
      torch_dtype | text | | Left over from older versions.
      base_model_ignore_patterns | texts or text | | Files of the hub to leave out (v0.4).
      full_finetune | flag | | Never read by Axolotl; an empty adapter trains the whole model.
      `,
    ),
    ...known(
      "no effect",
      LOADING,
      `
      device | text or integer | | The device to load on.
      device_map | text or mapping | auto | How layers are spread over devices.
      max_memory | mapping | | The most memory per device.
      gpu_memory_limit | integer or text | | The most GPU memory, in GiB.
      low_cpu_mem_usage | flag | | Load with little memory.
      experimental_skip_move_to_device | flag | true | Shard before moving to the device.
      `,
    ),
    ...known(
      "no effect",
      PRECISION,
      `
      fp8 | flag | | Compute in 8-bit floats.
      fp8_enable_fsdp_float8_all_gather | flag | | Gather 8-bit floats.
      fp32_norms | flag | | Keep normalisation layers in 32 bits.
      fp32_norm_classes | texts | | Which layers those are.
      embeddings_skip_upcast | flag | | Keep embeddings in low precision.
      `,
    ),
    ...known(
      "planned",
      TOKENS,
      `
      added_tokens_overrides | mapping | | New texts for reserved tokens, by id.
      shrink_embeddings | flag | | Cut embeddings to the size of the tokenizer.
      fix_untrained_tokens | integer or integers | | Begin untrained rows as the mean of the others.
      `,
    ),
    ...known(
      "planned",
      LOCAL,
      `
      base_model_config | text | base_model | Where config.json comes from.
      model_config | mapping | | Values that replace those of config.json.
      rope_scaling | mapping | | Old form of model_config.rope_scaling.
      model_kwargs | mapping | | Further arguments of from_pretrained.
      `,
    ),
    ...known(
      "no effect",
      "the quantized model says it, and Eft has kernels of its own",
      `
      gptq_groupsize | integer | 128 | The group size of GPTQ (v0.4).
      gptq_model_v1 | flag | false | The old layout of GPTQ (v0.4).
      gptq_disable_exllama | flag | | Turn a CUDA kernel off (v0.4).
      `,
    ),
    ...known(
      "no effect",
      "only weights are quantized, and sums are in 32-bit floats",
      `
      bnb_config_kwargs.bnb_4bit_compute_dtype | text | | The type to compute in.
      bnb_config_kwargs.bnb_4bit_quant_storage | text | | The type that packed weights pass as.
      bnb_config_kwargs.llm_int8_threshold | number | 6 | Activations above this stay in 16 bits.
      bnb_config_kwargs.llm_int8_has_fp16_weight | flag | false | Keep weights in 16 bits too.
      bnb_config_kwargs.llm_int8_enable_fp32_cpu_offload | flag | false | Keep layers on the CPU.
      `,
    ),
    ...known(
      "no effect",
      "it belongs to the command that quantizes a finished model",
      `
      quantization | mapping | | How the quantize command quantizes.
      quantization.weight_dtype | text | int8 | The type of weights.
      quantization.activation_dtype | text | | The type of activations.
      quantization.group_size | integer | 32 | Weights that share a scale.
      quantization.quantize_embedding | flag | | Quantize embeddings too.
      `,
    ),
    ...known(
      "refused",
      "training with simulated quantization is not part of Eft; train, then quantize the result",
      `
      qat | mapping | | Train with simulated quantization.
      qat.weight_dtype | text | int8 | The type of weights.
      qat.activation_dtype | text | | The type of activations.
      qat.group_size | integer | 32 | Weights that share a scale.
      qat.quantize_embedding | flag | false | Quantize embeddings too.
      qat.fake_quant_after_n_steps | integer | | When it begins.
      `,
    ),
    ...known(
      "refused",
      "such checkpoints are not read; use one in 16-bit or 32-bit floats",
      `
      model_quantization_config | "Mxfp4Config" or "FineGrainedFP8Config" | | The format of the base model.
      model_quantization_config_kwargs | mapping | | Details of that format.
      use_onebitllms | flag | | Train a model with ternary weights.
      quantize_moe_experts | flag | false | Quantize experts while loading.
      `,
    ),
    ...known(
      "refused",
      TEXT_ONLY,
      `
      processor_type | text | | The class that reads images and sound.
      processor_kwargs | mapping | | Its arguments.
      image_size | integer or integers | | The size that images get.
      image_resize_algorithm | text | | How images are resized.
      role_boundaries | list | | Where turns begin and end in multimodal data.
      freeze_mm_modules | flag | | Do not train encoders of images and sound.
      `,
    ),
    ...known(
      "refused",
      "Eft reads tokenizer.json; use a model folder that has one",
      `
      tokenizer_use_mistral_common | flag | | Use Mistral's own tokenizer library.
      `,
    ),
  },
} satisfies Group;
