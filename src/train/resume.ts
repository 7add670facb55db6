// Whether a run may go on from a checkpoint: what it was made with is compared with what it would go
// on with.

import type { Config } from "../config/config.ts";
import type { Sample } from "../data/sample.ts";
import { EftError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { type Checkpoint, newestCheckpoint, readCheckpoint } from "./checkpoint.ts";

/** The checkpoint that the configuration asks to go on from, if any. */
export async function findCheckpoint(
  host: Host,
  config: Config,
  report: (text: string) => void,
): Promise<Checkpoint | undefined> {
  const wanted = config.resume_from_checkpoint;
  if (typeof wanted === "string") return await readCheckpoint(host, wanted);
  if (!wanted && !config.auto_resume_from_checkpoints) return undefined;
  const folder = config.output_dir.replace(/\/+$/, "");
  const found = await newestCheckpoint(host, folder, report);
  if (!found && wanted) {
    throw new EftError(
      "output",
      `resume_from_checkpoint: there is no whole checkpoint in ${folder}. Name a folder, or use ` +
        "`auto_resume_from_checkpoints: true`, which starts anew when there is none.",
    );
  }
  return found;
}

/** Keys that fix what the next batch is and what the tensors mean. */
const fixed: (keyof Config)[] = [
  "seed",
  "micro_batch_size",
  "gradient_accumulation_steps",
  "sequence_len",
  "sample_packing",
  "pad_to_sequence_len",
  "adapter",
  "lora_r",
  "lora_rank_pattern",
  "lora_modules_to_save",
  "peft_use_dora",
  "peft_init_lora_weights",
  "peft",
  "peft_trainable_token_indices",
  "relora",
  "relora_steps",
  "jagged_restart_steps",
  "tokens",
  "mean_resizing_embeddings",
  "lora_target_modules",
  "lora_target_linear",
  "optimizer",
  "fp16",
  "float16",
];

/** Keys that may change without a word: they say what is watched, kept and written, and where. */
const free = new RegExp(
  "^(output_dir|strict|batch_size|datasets|test_datasets|val_set_size|logging_steps|" +
    "(eval|evals|save|saves|generation|num_generation|generate|early_stopping|load_best|metric_for" +
    "|greater_is|resume_from|auto_resume|wandb|hub)_.*)$",
);

/**
 * Compares a checkpoint with the run that would go on from it. Returns notes about settings that
 * have changed; throws an EftError for those that must not.
 */
export function checkResume(checkpoint: Checkpoint, config: Config, data: string): string[] {
  const { path } = checkpoint;
  const was = checkpoint.config as unknown as Record<string, unknown>;
  const is = config as unknown as Record<string, unknown>;
  const changed = [...new Set([...Object.keys(was), ...Object.keys(is)])].filter((key) =>
    !free.test(key) && JSON.stringify(was[key]) !== JSON.stringify(is[key])
  );
  const show = (key: string) => `${key} was ${text(was[key])} and is ${text(is[key])}`;
  // What OLoRA takes out of the base depends on the scale.
  const scale = String(was.peft_init_lora_weights).toLowerCase() === "olora"
    ? ["lora_alpha", "lora_alpha_pattern", "peft_use_rslora"]
    : [];
  const refused = changed.filter((key) => [...fixed, ...scale].includes(key));
  if (refused.length > 0) {
    throw new EftError(
      "output",
      `${path} cannot be gone on from: ${
        refused.map(show).join("; ")
      }. Set it back, or start anew ` +
        "without resume_from_checkpoint.",
    );
  }
  if (checkpoint.data !== data) {
    throw new EftError(
      "output",
      `${path} cannot be gone on from: the training data is not what it was, so the place in it ` +
        "means nothing. Bring the data back, or start anew without resume_from_checkpoint.",
    );
  }
  return changed.map((key) => `since ${path}, ${show(key)}`);
}

function text(value: unknown): string {
  return value === undefined ? "unset" : JSON.stringify(value);
}

/** Bytes that are digested at once. */
const blockBytes = 4 * 2 ** 20;

/** A fingerprint of samples in their order, in hexadecimal: a chain of SHA-256 over their tokens. */
export async function fingerprint(samples: readonly Sample[]): Promise<string> {
  const block = new Int32Array(blockBytes / 4);
  let filled = 8; // the digest of what came before
  let total = 0;
  let digest = new Uint8Array(32);
  const close = async () => {
    new Uint8Array(block.buffer).set(digest);
    digest = new Uint8Array(
      await crypto.subtle.digest("SHA-256", new Uint8Array(block.buffer, 0, filled * 4)),
    );
    filled = 8;
  };
  const put = async (values: ArrayLike<number>) => {
    for (let i = 0; i < values.length; i++) {
      if (filled === block.length) await close();
      block[filled++] = values[i];
    }
  };
  for (const { tokens, labels } of samples) {
    await put([tokens.length]);
    await put(tokens);
    await put(labels);
    total += tokens.length;
  }
  await put([samples.length, total]);
  await close();
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
