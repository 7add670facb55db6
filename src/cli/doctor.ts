// `eft doctor`: which adapter, what it allows, and how fast it multiplies and copies.

import { Memory } from "../gpu/program.ts";
import { openDevice } from "../gpu/device.ts";
import { Graph, tensor } from "../graph/graph.ts";
import { add } from "../graph/operations/add.ts";
import { linear } from "../graph/operations/matmul.ts";
import { plan } from "../graph/plan.ts";
import type { Host } from "../host/host.ts";
import { type Arguments, engineOf } from "./arguments.ts";
import { bytes, type Terminal } from "./terminal.ts";

export async function doctor(host: Host, args: Arguments, terminal: Terminal): Promise<void> {
  const device = await openDevice(host, engineOf(args.flags));
  const { summary, limits } = device;
  terminal.say(
    `adapter   ${summary.name}${summary.software ? "  (SOFTWARE: runs on the CPU)" : ""}`,
  );
  terminal.say(`engine    ${summary.engine}`);
  terminal.say(`features  ${summary.features.join(", ")}`);
  terminal.say(`binding   ${bytes(limits.maxBinding)}   buffer ${bytes(limits.maxBuffer)}`);
  terminal.say(
    `workgroup ${limits.maxInvocations} invocations, ${limits.maxWorkgroupStorage} bytes`,
  );
  const size = summary.software ? 512 : 2048;
  const memory = new Memory(device);
  const square = (name: string) => tensor(name, [size, size], "f32", "weight");
  const [a, b] = [square("a"), square("b")];

  const product = new Graph();
  product.result(product.call(linear, [a, b], {}));
  const sum = new Graph();
  sum.result(sum.call(add, [a, b], {}));
  const programs = await memory.compile([
    plan("product", product, limits),
    plan("sum", sum, limits),
  ]);
  const [productSeconds, sumSeconds] = [
    await seconds(memory, programs[0]),
    await seconds(memory, programs[1]),
  ];
  const fmaRate = 2 * size ** 3 / productSeconds;
  const copyRate = 3 * 4 * size ** 2 / sumSeconds;
  terminal.say(`matmul    ${(fmaRate / 1e9).toFixed(1)} GFLOP/s (f32, ${size}x${size}x${size})`);
  terminal.say(`memory    ${(copyRate / 1e9).toFixed(1)} GB/s (sum of two arrays)`);
  terminal.event({
    event: "end",
    adapter: summary.name,
    engine: summary.engine,
    software: summary.software,
    features: summary.features,
    limits,
    matmul_flops_per_second: fmaRate,
    copy_bytes_per_second: copyRate,
  });
  memory.destroy();
  device.destroy();
}

/** Seconds of one run: the best of a few rounds, each long enough for the clock. */
async function seconds(
  memory: Memory,
  program: { run(): void },
): Promise<number> {
  const { queue } = memory.device.gpu;
  program.run();
  await queue.onSubmittedWorkDone();
  let best = Infinity;
  for (let round = 0; round < 3; round++) {
    const start = performance.now();
    let runs = 0;
    do {
      for (let i = 0; i < 8; i++) program.run();
      runs += 8;
      await queue.onSubmittedWorkDone();
    } while (performance.now() - start < 300);
    best = Math.min(best, (performance.now() - start) / 1000 / runs);
  }
  return best;
}
