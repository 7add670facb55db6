// What would make a run take less memory: a few changes of keys, each really planned, so that the
// figures are those of the run that would follow.

import { type Config, type Override, parseConfig } from "../config/config.ts";
import { withoutNetwork } from "../data/hub/settings.ts";
import { EftError } from "../errors.ts";
import type { Limits } from "../graph/limits.ts";
import type { MemoryReport } from "../graph/plan.ts";
import type { Host } from "../host/host.ts";
import { prepareSession, type Session } from "./session.ts";

export interface Saving {
  /** The keys to set. */
  changes: Override[];
  memory: MemoryReport;
}

/** A configuration, and its session where it can be planned. */
export interface Planned {
  configText: string;
  configFile: string;
  overrides?: Override[];
  session?: Session;
}

/** Changes that are offered at most. */
const mostSavings = 3;
/** A change that saves a smaller share is not worth a word. */
const leastShare = 0.02;

/** The changes that save most, the best first; those that cannot be planned either are left out. */
export async function findSavings(
  host: Host,
  { configText, configFile, overrides = [], session }: Planned,
  limits: Limits,
  signal?: AbortSignal,
): Promise<Saving[]> {
  const { config } = parseConfig(configText, configFile, overrides);
  const offline = withoutNetwork(host); // the plan before has fetched what there is
  const most = session ? session.memory.total * (1 - leastShare) : Infinity;
  const savings: Saving[] = [];
  for (const changes of candidates(config)) {
    signal?.throwIfAborted();
    try {
      const changed = parseConfig(configText, configFile, [...overrides, ...changes]).config;
      const sameData = changes.every(({ key }) => key !== "sequence_len");
      const known = sameData ? session : undefined;
      const other = await prepareSession(offline, changed, limits, undefined, known);
      other.loaded.files?.close();
      other.loaded.earlier?.files.close();
      if (other.memory.total <= most) savings.push({ changes, memory: other.memory });
    } catch (error) {
      if (!(error instanceof EftError)) throw error; // this change does not go with the others
    }
  }
  savings.sort((a, b) => a.memory.total - b.memory.total);
  return savings.slice(0, mostSavings);
}

/** The changes that are tried: each keeps the batch of a step and the scale of an adapter. */
function candidates(config: Config): Override[][] {
  const found: Override[][] = [];
  const add = (keys: Record<string, unknown>) =>
    found.push(Object.entries(keys).map(([key, value]) => ({ key, value: String(value) })));
  const { adapter, micro_batch_size, gradient_accumulation_steps, lora_r, lora_alpha } = config;
  const quantized = config.load_in_4bit || config.gptq;
  if (!config.gradient_checkpointing) add({ gradient_checkpointing: true });
  if (micro_batch_size > 1) {
    add({
      micro_batch_size: Math.ceil(micro_batch_size / 2),
      ...(micro_batch_size % 2 === 0
        ? { gradient_accumulation_steps: gradient_accumulation_steps * 2 }
        : {}),
    });
  }
  if (config.sequence_len >= 256) add({ sequence_len: config.sequence_len / 2 | 0 });
  if (adapter && !quantized) {
    add({ adapter: "qlora", ...(config.load_in_8bit ? { load_in_8bit: false } : {}) });
  }
  if (!adapter) add({ adapter: "lora", lora_r: 16, lora_alpha: 32, lora_target_linear: true });
  if (adapter && lora_r && lora_r >= 8) {
    add({ lora_r: lora_r / 2 | 0, ...(lora_alpha ? { lora_alpha: lora_alpha / 2 } : {}) });
  }
  if (/^(paged_)?adamw|^optimi_adamw/.test(config.optimizer) && !/8bit/.test(config.optimizer)) {
    add({ optimizer: "adamw_bnb_8bit" });
  }
  return found;
}
