// What a base model is quantized with: what its folder says, what the configuration asks for, and
// whether the two agree. Everything here is known before a weight is read.

import type { Config } from "../config/config.ts";
import { EftError } from "../errors.ts";
import type { SafetensorsSet, TensorEntry } from "../files/safetensors.ts";
import type { Host } from "../host/host.ts";
import { type FourBit, groupsOf, type QuantFormat, wordsPerRow } from "./format.ts";

/** Where the parts of a quantized weight come from. */
export type Source =
  | "weights" // quantized while it is loaded
  | "bitsandbytes" // saved by bitsandbytes in 4 bits
  | "int8" // saved by bitsandbytes in 8 bits
  | "gptq"
  | "gptq_v2" // zeros are stored as they are
  | "awq";

export interface BaseQuantization {
  source: Source;
  /** The form of a linear layer's weight; undefined for one that stays as it is. */
  format(name: string, shape: readonly number[], files: SafetensorsSet): QuantFormat | undefined;
}

/** Linear layers of the blocks: what transformers quantizes; embeddings, norms and head stay. */
const quantizable = /\.layers\.\d+\..*_proj\.weight$/;

type Json = Record<string, unknown>;

/** The settings of load_in_4bit with bnb_config_kwargs. */
export function fourBitFormat(config: Pick<Config, "bnb_config_kwargs">): FourBit {
  const { bnb_4bit_quant_type: kind = "nf4", bnb_4bit_use_double_quant: nested = true } =
    config.bnb_config_kwargs ?? {};
  return { kind, block: 64, nested };
}

/**
 * Reads how the model of `folder` is quantized, or is to be. Throws an EftError when the folder and
 * the configuration disagree, or for what Eft cannot read.
 */
export async function readBaseQuantization(
  host: Host,
  folder: string,
  config: Config,
  purpose: "train" | "infer",
): Promise<BaseQuantization | undefined> {
  const { settings, file } = await readSettings(host, folder);
  const asked = config.gptq
    ? "gptq"
    : config.load_in_4bit
    ? "load_in_4bit"
    : config.load_in_8bit
    ? "load_in_8bit"
    : undefined;
  if (!settings) {
    if (config.gptq) {
      throw new EftError(
        "config",
        `gptq: true, but the model at ${folder} is not quantized (no quantization_config). ` +
          "Make a quantized copy with `eft quantize`, or use load_in_4bit.",
      );
    }
    return asked && fromKeys(config);
  }
  const method = settings.quant_method ?? settings.method ?? (settings.bits ? "gptq" : undefined);
  const refuse = (message: string) => new EftError("model", message, { file });
  const eight = settings.load_in_8bit === true;
  const kind = method === "bitsandbytes" ? (eight ? "load_in_8bit" : "load_in_4bit") : method;
  const key = kind === "awq" ? undefined : kind;
  if (!["gptq", "awq", "load_in_4bit", "load_in_8bit"].includes(String(kind))) {
    throw refuse(
      `This model is quantized with ${JSON.stringify(method)}, which Eft cannot read. ` +
        "It reads gptq, awq and bitsandbytes.",
    );
  }
  if (asked !== key) {
    const found = method === "bitsandbytes" ? `bitsandbytes (${key})` : String(method);
    throw refuse(
      asked
        ? `This model is quantized with ${found}; \`${asked}: true\` does not fit it. ` +
          (key ? `Write \`${key}: true\` instead.` : "Remove the line.")
        : `This model is quantized with ${found}; add \`${key}: true\`.`,
    );
  }
  if (config.adapter === undefined && purpose === "train") {
    throw refuse("A quantized model trains with an adapter only; add `adapter: lora`.");
  }
  switch (kind) {
    case "gptq":
      return gptq(settings, refuse);
    case "awq":
      return awq(settings, refuse);
    default:
      return bitsandbytes(settings, eight);
  }
}

/** What the folder itself says about its quantization, unchecked, and in which file. */
export async function readSettings(
  host: Host,
  folder: string,
): Promise<{ settings?: Json; file: string }> {
  const file = `${folder}/config.json`;
  const inside = JSON.parse(await host.readText(file)).quantization_config as Json | undefined;
  if (inside) return { settings: inside, file };
  for (const name of ["quantize_config.json", "quant_config.json"]) {
    const path = `${folder}/${name}`;
    if (await host.kind(path) !== "file") continue;
    try {
      return { settings: JSON.parse(await host.readText(path)), file: path };
    } catch (cause) {
      const message = `This is not JSON: ${(cause as Error).message}`;
      throw new EftError("model", message, { file: path });
    }
  }
  return { file };
}

function fromKeys(config: Config): BaseQuantization {
  const format: QuantFormat = config.load_in_4bit ? fourBitFormat(config) : { kind: "int8" };
  const skipped = config.bnb_config_kwargs?.llm_int8_skip_modules ?? [];
  return {
    source: "weights",
    format: (name) => quantizable.test(name) && !isSkipped(name, skipped) ? format : undefined,
  };
}

function isSkipped(name: string, skipped: readonly string[]): boolean {
  const path = name.replace(/\.weight$/, "");
  return skipped.some((part) => path === part || path.split(".").includes(part));
}

function gptq(settings: Json, refuse: (message: string) => EftError): BaseQuantization {
  const bits = settings.bits as number;
  if (bits !== 2 && bits !== 3 && bits !== 4 && bits !== 8) {
    throw refuse(`GPTQ with ${JSON.stringify(bits)} bits is not supported; 2, 3, 4 and 8 are.`);
  }
  const layout = settings.checkpoint_format ?? settings.format ?? "gptq";
  if (layout !== "gptq" && layout !== "gptq_v2") {
    throw refuse(
      `The GPTQ layout ${JSON.stringify(layout)} is not supported; gptq and gptq_v2 are.`,
    );
  }
  const size = groupSize(settings.group_size, refuse);
  return {
    source: layout,
    format(name, [, columns], files) {
      const path = name.replace(/\.weight$/, "");
      if (!files.tensors.has(`${path}.qweight`)) return undefined;
      const scales = files.tensors.get(`${path}.scales`)?.dtype;
      return {
        kind: "grouped",
        bits,
        group: size === -1 ? columns : size,
        ordered: settings.desc_act === true,
        scales: scales === "BF16" ? "bf16" : "f16",
      };
    },
  };
}

function awq(settings: Json, refuse: (message: string) => EftError): BaseQuantization {
  const version = String(settings.version ?? "gemm").toLowerCase();
  if ((settings.bits ?? settings.w_bit ?? 4) !== 4 || version !== "gemm") {
    throw refuse(
      `AWQ with ${settings.bits ?? settings.w_bit} bits in the layout "${version}" is not ` +
        'supported; 4 bits in "gemm" are.',
    );
  }
  const size = groupSize(settings.group_size ?? settings.q_group_size ?? 128, refuse);
  return {
    source: "awq",
    format(name, [, columns], files) {
      const path = name.replace(/\.weight$/, "");
      if (!files.tensors.has(`${path}.qweight`)) return undefined;
      const scales = files.tensors.get(`${path}.scales`)?.dtype;
      return {
        kind: "grouped",
        bits: 4,
        group: size === -1 ? columns : size,
        ordered: false,
        scales: scales === "BF16" ? "bf16" : "f16",
      };
    },
  };
}

function groupSize(value: unknown, refuse: (message: string) => EftError): number {
  if (value === -1 || (typeof value === "number" && Number.isInteger(value) && value > 0)) {
    return value;
  }
  throw refuse(`group_size is ${JSON.stringify(value)}, expected -1 or a number above 0.`);
}

function bitsandbytes(settings: Json, eight: boolean): BaseQuantization {
  const four: FourBit = {
    kind: settings.bnb_4bit_quant_type === "nf4" ? "nf4" : "fp4",
    block: 64,
    nested: settings.bnb_4bit_use_double_quant === true,
  };
  return {
    source: eight ? "int8" : "bitsandbytes",
    format(name, _, files) {
      const marker = eight
        ? name.replace(/\.weight$/, ".SCB")
        : `${name}.quant_state.bitsandbytes__${four.kind}`;
      return files.tensors.has(marker) ? eight ? { kind: "int8" } : four : undefined;
    },
  };
}

/** The tensors that a saved weight consists of, checked. Throws an EftError. */
export function savedParts(
  files: SafetensorsSet,
  name: string,
  shape: readonly number[],
  format: QuantFormat,
  source: Source,
): Record<string, TensorEntry> {
  const path = name.replace(/\.weight$/, "");
  const [rows, columns] = shape;
  const find = (label: string, elements: number, optional = false): TensorEntry | undefined => {
    const entry = files.tensors.get(label);
    const found = entry?.shape.reduce((product, size) => product * size, 1);
    if (entry && found === elements) return entry;
    if (!entry && optional) return undefined;
    throw new EftError(
      "model",
      entry
        ? `The tensor ${label} has shape [${entry.shape.join(", ")}]; a weight of ` +
          `[${rows}, ${columns}] in this form has ${elements} elements there.`
        : `The tensor ${label} is missing from the model's weights.`,
      { file: files.files[0] },
    );
  };
  const parts: Record<string, TensorEntry | undefined> = {};
  if (format.kind === "int8") {
    parts.codes = find(name, rows * columns);
    parts.maxima = find(`${path}.SCB`, rows);
  } else if (format.kind === "grouped") {
    const groups = groupsOf(format, columns);
    const awq = source === "awq";
    if (awq && rows % 8 !== 0) {
      throw new EftError("model", `${path} has ${rows} outputs; AWQ packs them in eights.`);
    }
    parts.qweight = find(
      `${path}.qweight`,
      awq ? columns * rows / 8 : wordsPerRow(format, columns) * rows,
    );
    parts.qzeros = find(`${path}.qzeros`, groups * Math.ceil(rows * format.bits / 32));
    parts.scales = find(`${path}.scales`, groups * rows);
    if (!awq) parts.g_idx = find(`${path}.g_idx`, columns, !format.ordered);
    const { dtype } = parts.scales!;
    if (dtype !== "F16" && dtype !== "BF16") {
      throw new EftError("model", `${path}.scales is ${dtype}; supported are F16 and BF16.`);
    }
  } else {
    const blocks = Math.ceil(rows * columns / format.block);
    const codes = files.tensors.get(name);
    if (!codes || codes.bytes !== Math.ceil(rows * columns / 2)) find(name, -1);
    parts.codes = codes;
    parts.state = files.tensors.get(`${name}.quant_state.bitsandbytes__${format.kind}`);
    parts.maxima = find(`${name}.absmax`, blocks);
    if (format.nested) {
      parts.outer = find(`${name}.nested_absmax`, Math.ceil(blocks / 256));
      parts.map = find(`${name}.nested_quant_map`, 256);
    }
  }
  return Object.fromEntries(Object.entries(parts).filter(([, entry]) => entry)) as Record<
    string,
    TensorEntry
  >;
}
