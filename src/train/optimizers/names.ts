// Names of optimizers: those of Axolotl and what runs for each. Nothing but names, so that the
// configuration can read it.

export type OptimizerKind =
  | "adamw"
  | "adamw_8bit"
  | "lion"
  | "lion_8bit"
  | "sgd"
  | "adagrad"
  | "rmsprop"
  | "adafactor"
  | "muon"
  | "stable_adamw"
  | "adopt"
  | "schedule_free_adamw";

interface Named {
  kind: OptimizerKind;
  /** What a person should know who asked for this name. */
  note?: string;
}

const FUSED = "every optimizer is one fused kernel here; this is AdamW";
const PAGED = "nothing is paged here, WebGPU has no unified memory; the numbers are the same";
const PRECISE = "its moments are kept in 32-bit floats, which makes it AdamW";
const SAME_MATH = "this is AdamW, computed in the order of PyTorch's";
const FLOAT_32 = "it iterates in 32-bit floats, where PyTorch uses bf16";
const TORCHAO = "its 8-bit moments are those of bitsandbytes here, in blocks of 256";

/** Every name that works. */
export const OPTIMIZERS: Record<string, Named> = {
  adamw_torch: { kind: "adamw" },
  adamw_torch_fused: { kind: "adamw" },
  adamw_hf: { kind: "adamw" },
  adamw_apex_fused: { kind: "adamw", note: FUSED },
  adamw_torch_xla: { kind: "adamw", note: SAME_MATH },
  adamw_torch_npu_fused: { kind: "adamw", note: FUSED },
  adamw_anyprecision: { kind: "adamw", note: PRECISE },
  optimi_adamw: { kind: "adamw", note: SAME_MATH },
  paged_adamw_32bit: { kind: "adamw", note: PAGED },
  adamw_bnb_8bit: { kind: "adamw_8bit" },
  adamw_8bit: { kind: "adamw_8bit" },
  paged_adamw_8bit: { kind: "adamw_8bit", note: PAGED },
  adamw_torch_8bit: { kind: "adamw_8bit", note: TORCHAO },
  ao_adamw_8bit: { kind: "adamw_8bit", note: TORCHAO },
  lion_32bit: { kind: "lion" },
  lion_pytorch: { kind: "lion" },
  paged_lion_32bit: { kind: "lion", note: PAGED },
  lion_8bit: { kind: "lion_8bit" },
  paged_lion_8bit: { kind: "lion_8bit", note: PAGED },
  sgd: { kind: "sgd" },
  adagrad: { kind: "adagrad" },
  rmsprop: { kind: "rmsprop" },
  rmsprop_bnb: { kind: "rmsprop" },
  rmsprop_bnb_32bit: { kind: "rmsprop" },
  adafactor: { kind: "adafactor" },
  muon: { kind: "muon", note: FLOAT_32 },
  stable_adamw: { kind: "stable_adamw" },
  adopt_adamw: { kind: "adopt" },
  schedule_free_adamw: { kind: "schedule_free_adamw" },
};

export const optimizerNames = Object.keys(OPTIMIZERS);

/** Arguments of their own, which `optim_args` gives. */
const ARGUMENTS: Partial<Record<OptimizerKind, Record<string, "number" | "boolean">>> = {
  sgd: { momentum: "number", dampening: "number", nesterov: "boolean" },
  adagrad: { lr_decay: "number", eps: "number" },
  rmsprop: { alpha: "number", eps: "number", momentum: "number" },
  schedule_free_adamw: { weight_lr_power: "number", r: "number" },
  muon: { momentum: "number" },
};

/** `optim_args` as a checked mapping, or what is wrong with them. */
export function optimizerArguments(
  name: string,
  given: string | Record<string, unknown> | undefined,
): Record<string, number | boolean> | string {
  const kind = OPTIMIZERS[name].kind;
  const known = ARGUMENTS[kind] ?? {};
  const pairs = typeof given === "string"
    ? given.split(",").filter((pair) => pair.trim()).map((pair) => {
      const [key, value = ""] = pair.split("=");
      return [key.trim(), value.trim()];
    })
    : Object.entries(given ?? {});
  const args: Record<string, number | boolean> = {};
  for (const [key, value] of pairs as [string, unknown][]) {
    const wanted = Object.hasOwn(known, key) ? known[key] : undefined;
    if (!wanted) {
      const names = Object.keys(known);
      const has = names.length > 0 ? `it takes ${names.join(", ")}` : "it takes none";
      return `\`${name}\` has no argument \`${key}\`; ${has}.`;
    }
    const word = String(value).toLowerCase();
    const number = Number(value);
    if (wanted === "boolean" && /^(true|false|yes|no|1|0)$/.test(word)) {
      args[key] = /^(true|yes|1)$/.test(word);
    } else if (wanted === "number" && word !== "" && Number.isFinite(number) && number >= 0) {
      args[key] = number;
    } else return `\`${key}\` is ${value}, expected a ${wanted === "number" ? "number" : "flag"}.`;
  }
  if (kind === "sgd" && args.nesterov && (!args.momentum || args.dampening)) {
    return "`nesterov` needs a `momentum`, and no `dampening`.";
  }
  return args;
}
