// What a finished run writes: the adapter as PEFT reads it, or the whole model as transformers
// reads it, with the tokenizer beside it.

import type { Trainer } from "../train/trainer.ts";
import type { Host } from "../host/host.ts";
import { writeAdapter } from "./peft.ts";
import { writeModel } from "./model.ts";

/** Writes the adapter or the model, and its tokenizer, into a folder. */
export async function writeModelFiles(host: Host, folder: string, trainer: Trainer): Promise<void> {
  const { loaded, config, tokenizer } = trainer.session;
  if (loaded.lora) await writeAdapter(host, folder, trainer.memory, loaded.lora, config);
  else await writeModel(host, folder, trainer.memory, loaded, config);
  for (const path of tokenizer.files) {
    const name = path.slice(path.lastIndexOf("/") + 1);
    await host.write(`${folder}/${name}`, await host.readText(path));
  }
}
