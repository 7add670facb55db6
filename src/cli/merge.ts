// `eft merge-lora CONFIG`: base model and adapter as one model in output_dir/merged.

import { adapterRows, openAdapter } from "../adapter/load.ts";
import { reloraSettings } from "../adapter/relora.ts";
import { parseConfig } from "../config/config.ts";
import { configuredTokenizer } from "../data/tokenizer.ts";
import { EftError } from "../errors.ts";
import { mergedTensors } from "../export/merge.ts";
import { describe } from "../export/model.ts";
import { writeSafetensors } from "../files/safetensors.ts";
import { leastLimits } from "../graph/limits.ts";
import type { Host } from "../host/host.ts";
import { loadModel } from "../train/session.ts";
import type { Arguments } from "./arguments.ts";
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
  const settings = { ...config, adapter: undefined, reinit_weights: false };
  const { model, files } = await loadModel(
    host,
    settings,
    leastLimits,
    1,
    "infer",
    () => adapterRows(host, adapterFolder),
  );
  const adapter = await openAdapter(host, adapterFolder, model, files);
  const partial = `${target}.partial`;
  await host.remove(partial);
  try {
    await writeSafetensors(
      host,
      `${partial}/model.safetensors`,
      mergedTensors(model, files!, adapter),
    );
    const tokenizer = await configuredTokenizer(host, config);
    const rewritten = (name: string, text: string) =>
      tokenizer.rewritten.get(name) ?? describe(name, text, model);
    const names = ["config.json", "generation_config.json"].map((n) => `${config.base_model}/${n}`);
    for (const path of [...names, ...tokenizer.files]) {
      if (await host.kind(path) !== "file") continue;
      const name = path.slice(path.lastIndexOf("/") + 1);
      await host.write(`${partial}/${name}`, rewritten(name, await host.readText(path)));
    }
    await host.rename(partial, target);
  } catch (error) {
    await host.remove(partial);
    throw error;
  }
  files!.close();
  adapter.files.close();
  terminal.say(`merged ${config.base_model} and ${adapterFolder} into ${target}`);
  terminal.event({ event: "end", output_dir: target });
}
