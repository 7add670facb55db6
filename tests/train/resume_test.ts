// Every method and every optimizer, killed at random file operations and gone on with, ends in the
// bytes of a run that was left alone.

import assert from "node:assert/strict";
import { RandomStream } from "../../src/random.ts";
import { runTraining } from "../../src/train/run.ts";
import { type OptimizerKind, OPTIMIZERS } from "../../src/train/optimizers/names.ts";
import { Killed, mortalHost } from "../mortal_host.ts";
import { json, result, seed } from "./result.ts";
import { configText, lora, sanitize, tinyFolder } from "./tiny.ts";

type Keys = Record<string, unknown>;

const few = { lora_target_linear: false, lora_target_modules: ["q_proj", "down_proj"] };
const methods: Record<string, Keys> = {
  "QLoRA NF4": { ...lora, adapter: "qlora" },
  "LoRA on 8 bits": { ...lora, load_in_8bit: true },
  "LoRA on GPTQ": { ...lora, gptq: true },
  "LoRA on AWQ": lora,
  "DoRA with dropout": { ...lora, peft_use_dora: true, lora_dropout: 0.2 },
  "rsLoRA and LoRA+": { ...lora, peft_use_rslora: true, loraplus_lr_ratio: 4 },
  OLoRA: { ...lora, peft_init_lora_weights: "olora", ...few },
  "LoRA of the embedding and the head": {
    ...lora,
    lora_target_modules: ["embed_tokens", "lm_head", "q_proj"],
    lora_dropout: 0.2,
  },
  "new tokens and modules_to_save": {
    ...lora,
    tokens: ["<zig>"],
    lora_modules_to_save: ["embed_tokens", "lm_head", "norm"],
  },
  "trained token rows": { ...lora, peft_trainable_token_indices: [40, 41, 42] },
  NEFTune: { neftune_noise_alpha: 5 },
  LISA: { lisa_n_layers: 1, lisa_step_interval: 2, optimizer: "schedule_free_adamw" },
  "unfrozen parameters": {
    unfrozen_parameters: ["^model.embed_tokens.weight$[100:120]", "layers.1.mlp.up_proj"],
  },
  "accumulation and packing": {
    gradient_accumulation_steps: 2,
    micro_batch_size: 1,
    sample_packing: true,
    sequence_len: 40,
    logging_steps: 2,
  },
};

/** One name for each kind of optimizer, and those with arguments that add state. */
const kinds = new Map<OptimizerKind, string>();
for (const [name, { kind }] of Object.entries(OPTIMIZERS)) {
  if (!kinds.has(kind)) kinds.set(kind, name);
}
const optimizers: Record<string, Keys> = {
  ...Object.fromEntries([...kinds.values()].map((optimizer) => [optimizer, { optimizer }])),
  "sgd with momentum": { optimizer: "sgd", optim_args: "momentum=0.9,nesterov=true" },
  "rmsprop with momentum": { optimizer: "rmsprop", optim_args: "momentum=0.9" },
};

/** A schedule that remembers evaluations, and a best model that is not the last. */
const watched: Keys = {
  max_steps: 4,
  save_steps: 1,
  val_set_size: 2,
  eval_steps: 1,
  lr_scheduler: "reduce_lr_on_plateau",
  lr_scheduler_kwargs: { factor: 0.5, patience: 0 },
  load_best_model_at_end: true,
  auto_resume_from_checkpoints: true,
};

for (const [i, [name, keys]] of Object.entries({ ...methods, ...optimizers }).entries()) {
  Deno.test(`killed and gone on: ${name}`, sanitize, async () => {
    const format = /GPTQ|AWQ/.exec(name)?.[0].toLowerCase() as "gptq" | "awq" | undefined;
    const folder = tinyFolder(format && `quant/base-${format}`);
    const random = new RandomStream(seed, i);
    const drawn: number[] = [];
    try {
      const run = async (output: string, operations = Infinity) => {
        const host = mortalHost(".", operations);
        const text = configText(folder, { ...watched, ...keys, output_dir: output });
        await runTraining(host, { configText: text, configFile: "test.yml" });
        return host.changes;
      };
      const changes = await run(`${folder}/alone`);
      const kills = random.uniform() < 0.7 ? 1 : 2;
      while (drawn.length < kills) {
        drawn.push(Math.floor(random.uniform() * changes));
        await run(`${folder}/out`, drawn.at(-1)).catch((error) => {
          if (!(error instanceof Killed)) throw error;
        });
      }
      await run(`${folder}/out`);
      const [found, expected] = [result(`${folder}/out`), result(`${folder}/alone`)];
      assert.deepEqual(found, expected);
      assert.ok(Number.isFinite(json(`${folder}/out/trainer_state.json`).best_metric));
    } catch (error) {
      console.log(`EFT_SEED=${seed}: killed before changes ${drawn.join(" and ")}`);
      throw error;
    }
    Deno.removeSync(folder, { recursive: true });
  });
}
