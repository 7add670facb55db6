// What a finished run writes: the adapter as PEFT reads it, or the whole model as transformers
// reads it (ReLoRA's too, merged), with the tokenizer beside it.

import type { Trainer } from "../train/trainer.ts";
import type { Host } from "../host/host.ts";
import { writeAdapter } from "./peft.ts";
import { writeModel } from "./model.ts";

/** Writes the adapter or the model, and its tokenizer, into a folder. */
export async function writeModelFiles(host: Host, folder: string, trainer: Trainer): Promise<void> {
  const { loaded, config, tokenizer } = trainer.session;
  trainer.relora?.finish();
  if (loaded.lora && !trainer.relora) {
    await writeAdapter(host, folder, trainer.memory, loaded.lora, config);
  } else {
    await writeModel(host, folder, trainer.memory, loaded, config, trainer.relora?.quantized);
  }
  for (const path of tokenizer.files) {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const text = tokenizer.rewritten.get(name) ?? await host.readText(path);
    await host.write(`${folder}/${name}`, text);
  }
}
