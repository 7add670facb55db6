// `eft plan` against what runs then allocate, and that it never opens a GPU.

import assert from "node:assert/strict";
import { parse } from "yaml";
import { parseConfig } from "../../src/config/config.ts";
import { showPlan } from "../../src/cli/plan.ts";
import { Terminal } from "../../src/cli/terminal.ts";
import { parseArguments } from "../../src/cli/arguments.ts";
import type { Measurement } from "../../src/train/measure.ts";
import { prepareSession } from "../../src/train/session.ts";
import { testDevice } from "../device.ts";
import { configText, host, lora, only, sanitize, tinyFolder, train } from "../train/tiny.ts";

/** The files of the disk and no GPU. */
const withoutGpu = {
  ...host,
  engines: () => Promise.reject(new Error("the plan opened a GPU")),
};

/** What `eft plan --json` says last. */
async function planned(folder: string, keys: Record<string, unknown>, ...flags: string[]) {
  const file = `${folder}/plan.yml`;
  Deno.writeTextFileSync(file, configText(folder, keys));
  const terminal = new Terminal(true);
  const events: Record<string, unknown>[] = [];
  const silent = Object.assign(Object.create(Terminal.prototype), {
    json: terminal.json,
    say: () => {},
    event: (event: Record<string, unknown>) => events.push(event),
  });
  const args = ["plan", file, "--json", ...flags];
  await showPlan(flags.length > 0 ? host : withoutGpu, parseArguments(args), silent);
  const end = events.at(-1)!;
  assert.equal(end.event, "end");
  return end as unknown as End;
}

interface End {
  bytes: Record<string, number>;
  savings: { set: { key: string; value: string }[]; total: number }[];
  measured?: Measurement;
}

for (const method of ["lora", "lora in f16", "full"]) {
  Deno.test(`planned bytes are those of the run: ${method}`, sanitize, async () => {
    const fp16 = method === "lora in f16";
    if (fp16 && !(await testDevice()).limits.f16) return;
    const folder = tinyFolder();
    const totals = new Map<string, number>();
    const [short, long] = fp16 ? [32, 64] : [64, 512]; // lavapipe converts f16 slowly
    for (const length of [short, long]) {
      for (const checkpointing of [false, true]) {
        const keys = {
          ...(method === "full" ? {} : lora),
          fp16,
          micro_batch_size: 1,
          sequence_len: length,
          sample_packing: true,
          gradient_checkpointing: checkpointing,
          max_steps: 1,
          val_set_size: 2,
          eval_steps: 1,
        };
        const { total, ...lines } = (await planned(folder, keys)).bytes;
        assert.equal(total, Object.values(lines).reduce((sum, bytes) => sum + bytes, 0));
        totals.set(`${length} ${checkpointing}`, total);
        const [end] = only(await train(folder, keys), "end");
        const off = (total - end.peak_gpu_bytes) / end.peak_gpu_bytes;
        const itsOwn = (end.planned_gpu_bytes - end.peak_gpu_bytes) / end.peak_gpu_bytes;
        console.log(
          `${method}, ${length} tokens${checkpointing ? ", recomputed" : ""}: ` +
            `planned ${total}, allocated ${end.peak_gpu_bytes}: ${(100 * off).toFixed(2)} %, ` +
            `planned with the device's limits ${(100 * itsOwn).toFixed(2)} %`,
        );
        assert.ok(Math.abs(off) < 0.02, `planned ${total}, allocated ${end.peak_gpu_bytes}`);
        assert.ok(Math.abs(itsOwn) < 0.02);
      }
      assert.ok(totals.get(`${length} true`)! < totals.get(`${length} false`)!);
    }
    assert.ok(totals.get(`${short} false`)! < totals.get(`${long} false`)!);
    Deno.removeSync(folder, { recursive: true });
  });
}

Deno.test("a plan with this device's limits equals one for any device", sanitize, async () => {
  const folder = tinyFolder("base-qwen2");
  const device = await testDevice();
  const { config } = parseConfig(configText(folder), "test.yml");
  const session = await prepareSession(host, config, device.limits);
  session.loaded.files!.close();
  const { total } = (await planned(folder, {})).bytes;
  assert.ok(Math.abs(total / session.memory.total - 1) < 0.02);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test(
  "eft plan says what would take less, and with --measure how long a step takes",
  sanitize,
  async () => {
    const folder = tinyFolder();
    const { bytes, savings, measured } = await planned(folder, lora, "--measure");
    assert.ok(savings.length > 0);
    for (const { set, total } of savings) {
      const keys = Object.fromEntries(set.map(({ key, value }) => [key, parse(value)]));
      assert.equal((await planned(folder, { ...lora, ...keys })).bytes.total, total);
    }
    assert.ok(measured!.seconds_per_step > 0);
    assert.equal(measured!.planned_gpu_bytes, bytes.total);
    Deno.removeSync(folder, { recursive: true });
  },
);
