// Model families as a table. A family that shares the Llama block (RMSNorm, rotary attention with
// grouped heads, SwiGLU) is one entry; what differs between models of a family comes from config.json.

import { EftError } from "../errors.ts";

/** Rotary frequencies beyond theta: none, divided by a factor, or Llama 3's blend of the two. */
export type RopeScaling =
  | { kind: "none" }
  | { kind: "linear"; factor: number }
  | {
    kind: "llama3";
    factor: number;
    lowFrequencyFactor: number;
    highFrequencyFactor: number;
    originalPositions: number;
  };

/** Everything the graph builder must know of a model. */
export interface ModelShape {
  /** "LlamaForCausalLM", as config.json says. */
  architecture: string;
  vocabulary: number;
  /** Model width C. */
  width: number;
  layers: number;
  heads: number;
  keyHeads: number;
  headWidth: number;
  /** Feed-forward width F. */
  feedForward: number;
  normEpsilon: number;
  rope: { theta: number; scaling: RopeScaling };
  /** The output head is the embedding table. */
  tied: boolean;
  /** Biases of q, k, v; of the attention output; of gate, up, down. */
  biases: { qkv: boolean; output: boolean; feedForward: boolean };
  /** Positions the model was trained for. */
  positions: number;
  /** Attention reaches back this many tokens; undefined for all. */
  slidingWindow?: number;
  /** Standard deviation of freshly drawn weights. */
  initializerRange: number;
  endTokens: number[];
}

interface Family {
  biases(config: Config): ModelShape["biases"];
  slidingWindow(config: Config): number | undefined;
}

type Config = Record<string, unknown>;

const families: Record<string, Family> = {
  // Llama 1-3, TinyLlama, SmolLM, SmolLM2, Vicuna, Yi, CodeLlama and their kin.
  LlamaForCausalLM: {
    biases: (config) => ({
      qkv: config.attention_bias === true,
      output: config.attention_bias === true,
      feedForward: config.mlp_bias === true,
    }),
    slidingWindow: () => undefined,
  },
  MistralForCausalLM: {
    biases: () => ({ qkv: false, output: false, feedForward: false }),
    slidingWindow: (config) => (config.sliding_window as number | null | undefined) ?? undefined,
  },
  // Qwen2 and Qwen2.5: biases on q, k, v without a key that says so.
  Qwen2ForCausalLM: {
    biases: () => ({ qkv: true, output: false, feedForward: false }),
    slidingWindow: (config) =>
      config.use_sliding_window === true ? config.sliding_window as number : undefined,
  },
};

/** Reads a model's config.json. Throws an EftError("model") for what Eft cannot build. */
export function readModelShape(text: string, file: string): ModelShape {
  let config: Config;
  try {
    config = JSON.parse(text);
  } catch (cause) {
    throw new EftError("model", `This is not JSON: ${(cause as Error).message}`, { file });
  }
  const refuse = (message: string) => new EftError("model", message, { file });
  const architecture = (config.architectures as string[] | undefined)?.[0] ?? "";
  const family = families[architecture];
  if (!family) {
    throw refuse(
      `The architecture ${architecture || "(none named)"} is not supported. ` +
        `Supported: ${Object.keys(families).join(", ")}.`,
    );
  }
  const number = (key: string, fallback?: number): number => {
    const value = config[key] ?? fallback;
    if (typeof value !== "number" || !(value > 0)) {
      throw refuse(`${key} must be a positive number, found ${JSON.stringify(config[key])}.`);
    }
    return value;
  };
  if ((config.hidden_act ?? "silu") !== "silu") {
    throw refuse(`hidden_act ${JSON.stringify(config.hidden_act)} is not supported, only "silu".`);
  }
  const width = number("hidden_size");
  const heads = number("num_attention_heads");
  const keyHeads = number("num_key_value_heads", heads);
  const headWidth = number("head_dim", width / heads);
  if (!Number.isInteger(headWidth) || headWidth % 4 !== 0) {
    throw refuse(`The head width ${headWidth} is not a multiple of 4.`);
  }
  if (heads % keyHeads !== 0) {
    throw refuse(`${heads} attention heads cannot share ${keyHeads} key/value heads evenly.`);
  }
  const end = config.eos_token_id as number | number[] | null | undefined;
  return {
    architecture,
    vocabulary: number("vocab_size"),
    width,
    layers: number("num_hidden_layers"),
    heads,
    keyHeads,
    headWidth,
    feedForward: number("intermediate_size"),
    normEpsilon: number("rms_norm_eps", 1e-6),
    rope: readRope(config, refuse),
    tied: config.tie_word_embeddings === true,
    biases: family.biases(config),
    positions: number("max_position_embeddings", 2048),
    slidingWindow: family.slidingWindow(config),
    initializerRange: number("initializer_range", 0.02),
    endTokens: end === null || end === undefined ? [] : [end].flat(),
  };
}

/** `rope_parameters` (newer files) or `rope_theta` with `rope_scaling` (older ones). */
function readRope(config: Config, refuse: (message: string) => EftError): ModelShape["rope"] {
  const newer = config.rope_parameters as Config | undefined;
  const scaling = (newer ?? config.rope_scaling ?? {}) as Config;
  const theta = (newer?.rope_theta ?? config.rope_theta ?? 10000) as number;
  const kind = scaling.rope_type ?? scaling.type ?? "default";
  const number = (key: string): number => {
    const value = scaling[key];
    if (typeof value !== "number") throw refuse(`rope scaling "${kind}" needs the number ${key}.`);
    return value;
  };
  switch (kind) {
    case "default":
      return { theta, scaling: { kind: "none" } };
    case "linear":
      return { theta, scaling: { kind: "linear", factor: number("factor") } };
    case "llama3":
      return {
        theta,
        scaling: {
          kind: "llama3",
          factor: number("factor"),
          lowFrequencyFactor: number("low_freq_factor"),
          highFrequencyFactor: number("high_freq_factor"),
          originalPositions: number("original_max_position_embeddings"),
        },
      };
    default:
      throw refuse(`rope scaling "${kind}" is not supported; supported: linear, llama3.`);
  }
}

/**
 * The table of rotary angles, [positions, D]: cosines of the D/2 frequencies, then their sines.
 * Frequencies and angles are rounded to f32 where transformers rounds them.
 */
export function ropeTable(shape: ModelShape, positions: number): Float32Array<ArrayBuffer> {
  const { headWidth: D, rope: { theta, scaling } } = shape;
  const table = new Float32Array(positions * D);
  for (let i = 0; i < D / 2; i++) {
    const frequency = scaleFrequency(Math.fround(1 / theta ** (2 * i / D)), scaling);
    for (let position = 0; position < positions; position++) {
      const angle = Math.fround(position * frequency);
      table[position * D + i] = Math.cos(angle);
      table[position * D + D / 2 + i] = Math.sin(angle);
    }
  }
  return table;
}

function scaleFrequency(frequency: number, scaling: RopeScaling): number {
  if (scaling.kind === "none") return frequency;
  if (scaling.kind === "linear") return Math.fround(frequency / scaling.factor);
  // Llama 3.1: long waves are slowed by `factor`, short ones stay, those between are blended.
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high } = scaling;
  const wavelength = 2 * Math.PI / frequency;
  const turns = scaling.originalPositions / wavelength;
  if (turns > high) return frequency;
  if (turns < low) return Math.fround(frequency / factor);
  const blend = (turns - low) / (high - low);
  return Math.fround((1 - blend) * frequency / factor + blend * frequency);
}
