// Keys of how a model is trained: what is accepted, what is refused with which words, what is said.

import assert from "node:assert/strict";
import { parseConfig } from "../../src/config/config.ts";
import { VALUES_NOT_YET } from "../../src/config/names.ts";
import { EftError } from "../../src/errors.ts";
import { optimizerArguments, OPTIMIZERS } from "../../src/train/optimizers/names.ts";
import { scheduleNames } from "../../src/train/schedule.ts";

const BASE = "base_model: m\ndatasets: [{path: d.jsonl, type: alpaca}]\nlearning_rate: 2e-4\n";
const lora = "adapter: lora\nlora_r: 8\nlora_alpha: 16\nlora_target_linear: true\n";
const parse = (more: string) => parseConfig(BASE + more, "c.yml");

function fails(more: string, text: RegExp): void {
  assert.throws(
    () => parse(more),
    (error) => error instanceof EftError && text.test(error.message),
  );
}

Deno.test("every optimizer of Axolotl runs, or is refused by name", () => {
  const axolotl = `adamw_torch adamw_torch_fused adamw_torch_4bit adamw_torch_8bit adamw_bnb_8bit
    adamw_8bit adamw_apex_fused adamw_anyprecision adafactor adagrad sgd rmsprop rmsprop_bnb
    rmsprop_bnb_8bit rmsprop_bnb_32bit lion_32bit lion_8bit paged_adamw_32bit paged_adamw_8bit
    paged_lion_32bit paged_lion_8bit ademamix ademamix_8bit paged_ademamix_32bit paged_ademamix_8bit
    galore_adamw galore_adamw_8bit galore_adafactor lomo adalomo grokadamw schedule_free_adamw
    schedule_free_sgd schedule_free_radam apollo_adamw stable_adamw optimi_adamw ao_adamw_4bit
    ao_adamw_8bit ao_adamw_fp8 adopt_adamw came_pytorch muon dion sinkgd q_galore_adamw8bit
    flash_adamw flash_adam flash_sgd flash_sgdw flash_lion adamw_hf lion_pytorch`;
  for (const name of axolotl.trim().split(/\s+/)) {
    const refused = VALUES_NOT_YET.optimizer!.has(name);
    assert.notEqual(refused, name in OPTIMIZERS, name);
    if (refused) {
      fails(`optimizer: ${name}`, new RegExp(`${name}\`: this optimizer is not offered; `));
    } else {
      const { config, notes } = parse(`optimizer: ${name}\nlr_scheduler: constant`);
      assert.equal(config.optimizer, name);
      assert.equal(notes.length, OPTIMIZERS[name]!.note ? 1 : 0);
    }
  }
  assert.match(
    parse("optimizer: paged_adamw_8bit").notes[0]!,
    /^optimizer: paged_adamw_8bit: nothing is paged/,
  );
  fails("optimizer: adamw_bnb_8bits", /Did you mean `adamw_bnb_8bit`/);
});

Deno.test("arguments of optimizers", () => {
  assert.deepEqual(optimizerArguments("sgd", "momentum=0.9, nesterov=True"), {
    momentum: 0.9,
    nesterov: true,
  });
  assert.deepEqual(optimizerArguments("rmsprop", { alpha: 0.9 }), { alpha: 0.9 });
  assert.deepEqual(optimizerArguments("adamw_torch", undefined), {});
  fails(
    "optimizer: sgd\noptim_args: {momentun: 0.9}",
    /`sgd` has no argument `momentun`; it takes momentum,/,
  );
  fails("optim_args: {a: 1}", /has no argument `a`; it takes none/);
  fails("optimizer: sgd\noptim_args: {momentum: high}", /`momentum` is high, expected a number/);
  fails("optimizer: sgd\noptim_args: nesterov=true", /`nesterov` needs a `momentum`/);
  fails("optim_args: 3", /expected a mapping like/);
});

Deno.test("schedules and their arguments", () => {
  for (const name of scheduleNames) {
    const needs = name.includes("min_lr")
      ? "{min_lr_rate: 0.1}"
      : name === "warmup_stable_decay"
      ? "{num_decay_steps: 5}"
      : "{}";
    const more = name === "reduce_lr_on_plateau" ? "\nval_set_size: 0.1" : "";
    parse(`lr_scheduler: ${name}\nlr_scheduler_kwargs: ${needs}${more}`);
  }
  const cases: [string, RegExp][] = [
    [
      "lr_scheduler: cosine_with_min_lr",
      /needs min_lr or min_lr_rate; add `lr_scheduler_kwargs: {min_lr_rate/,
    ],
    ["lr_scheduler: warmup_stable_decay", /needs num_decay_steps/],
    [
      "lr_scheduler: linear\nlr_scheduler_kwargs: {power: 2}",
      /`linear` has no argument `power`; it takes none/,
    ],
    ["lr_scheduler_kwargs: {num_cycles: two}", /`num_cycles` is "two", expected a number/],
    [
      "lr_scheduler: one_cycle\nlr_scheduler_kwargs: {anneal_strategy: cosine}",
      /expected cos or linear/,
    ],
    ["lr_scheduler: polynomial\nlr_scheduler_kwargs: {lr_end: 1}", /`lr_end` must be below/],
    ["lr_scheduler: reduce_lr_on_plateau", /follows the evaluation loss; add `val_set_size/],
    ["lr_scheduler: log_sweep", /this schedule is not offered/],
    ["cosine_min_lr_ratio: 2", /expected a number from 0 to 1/],
  ];
  for (const [more, text] of cases) fails(more, text);
  assert.match(
    parse("lr_scheduler: linear\ncosine_min_lr_ratio: 0.1").notes[0]!,
    /^cosine_min_lr_ratio: no effect with `lr_scheduler: linear`/,
  );
  assert.match(
    parse("optimizer: schedule_free_adamw").notes[0]!,
    /meant for `lr_scheduler: constant`/,
  );
});

Deno.test("rates, frozen parts, and what contradicts them", () => {
  const cases: [string, RegExp][] = [
    ["loraplus_lr_ratio: 16", /needs `adapter`; add `adapter: lora`/],
    [
      `${lora}loraplus_lr_ratio: 16\nlr_groups: [{name: a, modules: [q_proj], lr: 1e-5}]`,
      /exclude each other/,
    ],
    ["lr_groups: [{name: a, modules: [q_proj]}]", /lr_groups\.0\.lr` is missing/],
    ["embedding_lr: 1e-5\nembedding_lr_scale: 0.5", /say the same; keep one/],
    ['unfrozen_parameters: ["(a"]', /the pattern is not valid/],
    ["lisa_n_layers: 2", /needs `lisa_step_interval`; add `lisa_step_interval: 20`/],
    [
      `${lora}lisa_n_layers: 2\nlisa_step_interval: 5`,
      /`adapter` and `lisa_n_layers` exclude each other; LISA trains whole blocks/,
    ],
    ["bf16: true\nfp16: true", /only one of `bf16`, `fp16` can be set/],
    ["bf16: 3", /expected true, false or "auto"/],
    ["neftune_noise_alpha: 0", /expected a number above 0/],
  ];
  for (const [more, text] of cases) fails(more, text);
  const { notes } = parse("bf16: auto\ntf32: true\nfp16: false\ngradient_checkpointing: offload");
  assert.match(notes[0]!, /^gradient_checkpointing: offload becomes true: activations are recom/);
  assert.match(notes[1]!, /^bf16, tf32: frozen weights stay .* 32-bit floats/);
  assert.equal(parse("gradient_checkpointing: offload").config.gradient_checkpointing, true);
  assert.match(
    parse('unfrozen_parameters: ["embed[:9]"]\nweight_decay: 0.1').notes[0]!,
    /^weight_decay: acts on the frozen rows/,
  );
  assert.match(parse(`${lora}unfrozen_parameters: [a]`).notes[0]!, /no effect with an adapter/);
  fails("gradient_checkpointing_kwargs: {use_reentrent: 1}", /did you mean `use_reentrant`/);
  parse("gradient_checkpointing_kwargs: {use_reentrant: false}\nnoisy_embedding_alpha: 5");
});
