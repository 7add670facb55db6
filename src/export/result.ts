// What a finished run writes: the adapter as PEFT reads it, or the whole model as transformers
// reads it (ReLoRA's too, merged), with the tokenizer beside it.

import type { Trainer } from "../train/trainer.ts";
import type { OutputFolder } from "../train/output_folder.ts";
import type { Host } from "../host/host.ts";
import { writeAdapter } from "./peft.ts";
import { writeModel } from "./model.ts";

/** Fills the output folder with everything but its last file. */
export async function writeResult(
  host: Host,
  output: OutputFolder,
  trainer: Trainer,
): Promise<void> {
  const { loaded, config, tokenizer } = trainer.session;
  trainer.relora?.finish();
  if (loaded.lora && !trainer.relora) {
    await writeAdapter(host, output.folder, trainer.memory, loaded.lora, config);
  } else await writeModel(host, output.folder, trainer.memory, loaded, config);
  for (const path of tokenizer.files) {
    const name = path.slice(path.lastIndexOf("/") + 1);
    await output.write(name, tokenizer.rewritten.get(name) ?? await host.readText(path));
  }
}
