// One measured step, and the changes that make a run smaller, against runs that really have them.

import assert from "node:assert/strict";
import { parseConfig } from "../../src/config/config.ts";
import { openDevice } from "../../src/gpu/device.ts";
import { usualLimits } from "../../src/graph/limits.ts";
import { measureStep } from "../../src/train/measure.ts";
import { findSavings } from "../../src/train/savings.ts";
import { prepareSession } from "../../src/train/session.ts";
import { configText, host, lora, only, sanitize, tinyFolder, train } from "./tiny.ts";

Deno.test("a measured step is the first step of the run", sanitize, async () => {
  const folder = tinyFolder();
  const { config } = parseConfig(configText(folder, lora), "test.yml");
  const device = await openDevice(host);
  const session = await prepareSession(host, config, device.limits);
  const measured = await measureStep(session, device);
  assert.equal(device.allocatedBytes, 0, "everything is given back");
  device.destroy();
  assert.ok(measured.seconds_per_step > 0 && measured.tokens_per_second > 0);
  assert.equal(measured.seconds_in_all, measured.seconds_per_step * measured.steps);
  const { total, readback } = session.memory; // nothing is written, so nothing large is read back
  assert.equal(measured.planned_gpu_bytes, total);
  const off = measured.peak_gpu_bytes / (total - readback) - 1;
  assert.ok(Math.abs(off) < 0.05, `${off}`);
  const [first] = only(await train(folder, { ...lora, logging_steps: 1 }), "step");
  assert.equal(measured.loss, first.loss);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("savings are what the changed configuration is planned with", sanitize, async () => {
  const folder = tinyFolder();
  const text = configText(folder, { ...lora, sequence_len: 512, sample_packing: true });
  const planned = async (overrides: { key: string; value: string }[]) => {
    const { config } = parseConfig(text, "test.yml", overrides);
    const session = await prepareSession(host, config, usualLimits);
    session.loaded.files?.close();
    return session;
  };
  const session = await planned([]);
  const savings = await findSavings(
    host,
    { configText: text, configFile: "test.yml", session },
    usualLimits,
  );
  assert.equal(savings.length, 3);
  assert.ok(savings.some(({ changes }) => changes[0].key === "gradient_checkpointing"));
  let before = 0;
  for (const { changes, memory } of savings) {
    assert.ok(memory.total < session.memory.total && memory.total >= before);
    assert.deepEqual(memory, (await planned(changes)).memory, changes[0].key);
    before = memory.total;
  }
  // Where the whole cannot be planned, the changes that can are found all the same.
  const largest = [...session.microSteps.values()].map(({ plan }) => Math.max(...plan.slotBytes));
  const tight = { ...usualLimits, maxBuffer: Math.max(...largest) * 0.75 };
  const { config } = parseConfig(text, "test.yml");
  await assert.rejects(prepareSession(host, config, tight), /in one piece/);
  const rescue = await findSavings(host, { configText: text, configFile: "test.yml" }, tight);
  assert.ok(rescue.length > 0);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("a device without memory says so in a sentence", sanitize, async () => {
  const folder = tinyFolder();
  const { config } = parseConfig(configText(folder, lora), "test.yml");
  const device = await openDevice(host);
  const session = await prepareSession(host, config, device.limits);
  const { gpu } = device;
  const make = gpu.createBuffer.bind(gpu);
  gpu.createBuffer = (descriptor) => {
    const error = new GPUOutOfMemoryError("no room");
    gpu.dispatchEvent(Object.assign(new Event("uncapturederror"), { error }));
    return make(descriptor);
  };
  await assert.rejects(measureStep(session, device), /The GPU has no memory left at .* MiB/);
  device.destroy();
  Deno.removeSync(folder, { recursive: true });
});
