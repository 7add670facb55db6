// `eft merge-lora CONFIG`: base model and adapter as one model in output_dir/merged.

import { reloraSettings } from "../adapter/relora.ts";
import { type Config, parseConfig } from "../config/config.ts";
import { EftError } from "../errors.ts";
import { openMergedModel } from "../export/merged_model.ts";
import { openDevice } from "../gpu/device.ts";
import type { Host } from "../host/host.ts";
import { meanLoss, sampleBatches } from "../infer/loss.ts";
import { openInference } from "../infer/session.ts";
import { type Arguments, engineOf } from "./arguments.ts";
import { readConfig } from "./config_file.ts";
import type { Terminal } from "./terminal.ts";

export async function mergeLora(host: Host, args: Arguments, terminal: Terminal): Promise<void> {
  const { file, text } = await readConfig(host, args);
  const { config } = parseConfig(text, file, args.overrides);
  const adapterFolder = args.flags.get("lora-model-dir") ?? config.output_dir;
  if (config.adapter === undefined || reloraSettings(config)) {
    terminal.say(`${config.output_dir} is a whole model already; there is nothing to merge.`);
    terminal.event({ event: "end", output_dir: config.output_dir });
    return;
  }
  const target = `${config.output_dir}/merged`;
  if (await host.kind(target) !== undefined) {
    throw new EftError("output", `${target} exists. Remove it to merge again.`);
  }
  const merged = await openMergedModel(host, config, adapterFolder);
  const partial = `${target}.partial`;
  await host.remove(partial);
  try {
    for (const { name, content } of merged.files) {
      await host.write(`${partial}/${name}`, content());
    }
    await host.rename(partial, target);
  } catch (error) {
    await host.remove(partial);
    throw error;
  } finally {
    merged.close();
  }
  terminal.say(`merged ${config.base_model} and ${adapterFolder} into ${target}`);
  const losses = merged.quantized && await compareLosses(host, config, args, adapterFolder, target);
  if (losses) {
    terminal.say(
      `loss ${losses.before.toFixed(4)} with the quantized base and the adapter, ` +
        `${losses.merged.toFixed(4)} merged`,
    );
  }
  terminal.event({ event: "end", output_dir: target, ...losses });
}

/** Batches that the losses are measured on, at most. */
const measuredBatches = 8;

/** The loss before and after merging, on the configuration's data. */
async function compareLosses(
  host: Host,
  config: Config,
  args: Arguments,
  adapter: string,
  merged: string,
): Promise<{ before: number; merged: number }> {
  const device = await openDevice(host, engineOf(args.flags));
  try {
    const measure = async (settings: Config, adapterFolder?: string) => {
      const session = await openInference(host, settings, device, { adapterFolder });
      const batches = await sampleBatches(host, config, session.tokenizer, measuredBatches);
      const loss = await meanLoss(session, batches);
      session.memory.destroy();
      return loss;
    };
    const before = await measure(config, adapter);
    const plain = {
      adapter: undefined,
      load_in_4bit: false,
      load_in_8bit: false,
      bnb_config_kwargs: undefined,
    };
    return { before, merged: await measure({ ...config, ...plain, base_model: merged }) };
  } finally {
    device.destroy();
  }
}
