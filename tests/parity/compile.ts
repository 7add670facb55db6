// Compiles every kernel that eft-tiny's plans use, for a CPU adapter and for a GPU, and every matrix
// product that a tuner may choose, on one engine: `deno run -A compile.ts --engine wgpu|dawn`. Prints
// one line of JSON: how many compiled, and what did not. Nothing is run but the quantizing of weights.
// With --half these are the kernels for activations in f16, which SwiftShader does not have: on any
// other adapter for wgpu, and for Dawn on its null backend, which has every feature and runs nothing.

import { type Merged, mergePlan } from "../../src/adapter/merge_kernel.ts";
import { parseConfig } from "../../src/config/config.ts";
import { type Device, openDevice } from "../../src/gpu/device.ts";
import { type Memory, Memory as RealMemory } from "../../src/gpu/program.ts";
import { type Binding, type Dispatch, tensor } from "../../src/graph/graph.ts";
import { withHalves } from "../../src/graph/half.ts";
import type { Limits } from "../../src/graph/limits.ts";
import { matmulCandidates, matmulKernel, type MatmulShape } from "../../src/graph/matmul.ts";
import type { Plan } from "../../src/graph/plan.ts";
import { denoHost } from "../../src/host/deno.ts";
import type { EngineName, Host } from "../../src/host/host.ts";
import { Generator } from "../../src/infer/generator.ts";
import type { QuantFormat } from "../../src/quant/format.ts";
import { Quantizer, quantizingScratch } from "../../src/quant/quantize.ts";
import { quantizedTensor } from "../../src/quant/tensor.ts";
import { OPTIMIZERS } from "../../src/train/optimizers/names.ts";
import { prepareSession } from "../../src/train/session.ts";

const host = denoHost();
const engine = Deno.args[Deno.args.indexOf("--engine") + 1] as EngineName;
const half = Deno.args.includes("--half");
const kept: unknown[] = []; // an instance of Dawn that is collected takes its devices with it
const device = await openDevice(half && engine === "dawn" ? await nullDawn() : host, engine);
const failures: { label: string; message: string }[] = [];
const sources = new Set<string>();

for (const software of [true, false]) {
  const limits = { ...device.limits, software };
  for (const plan of await plans(limits)) {
    for (const dispatch of plan.dispatches) {
      // SwiftShader takes a second for an unrolled product, and the runs compile those they use.
      if (dispatch.matmul) await parse(dispatch.label, dispatch.source);
      else await compile(dispatch);
    }
  }
  for (const shape of awkwardProducts()) {
    for (const choice of matmulCandidates(shape, limits)) {
      const { source, label } = matmulKernel(shape, limits, choice);
      await parse(label, half ? fromHalfToHalf(source) : source);
    }
  }
}
for (const kind of ["linear", "embedding"] as const) {
  for (const dtype of ["f32", "f16", "bf16"] as const) await merging(kind, dtype);
}
if (!half) await quantize();
const control = await findsMistakes(device);
const count = sources.size;
const halves = [...sources].filter((source) => source.includes("enable f16;")).length;
const adapter = device.summary.name;
console.log(
  JSON.stringify({ engine, adapter, f16: device.limits.f16, count, halves, failures, control }),
);
if (half) Deno.exit(); // the null backend keeps the process

/** Training with LoRA and of all weights, evaluation, prefill and decode. */
async function plans(limits: Limits): Promise<Plan[]> {
  const found: Plan[] = [];
  for (const name of ["lora", "full"]) {
    const file = `tests/parity/${name}.yml`;
    const overrides = half ? [{ key: "fp16", value: "true" }] : [];
    const { config } = parseConfig(await host.readText(file), file, overrides);
    const session = await prepareSession(host, config, limits);
    if (name === "full") found.push(...await updates(file, limits));
    const batches = [...session.microSteps.values(), ...session.evaluations.values()];
    found.push(...batches.map(({ plan }) => plan), session.update);
    const vocabulary = session.loaded.model.shape.vocabulary;
    const memory = planCollector(limits, found, vocabulary);
    const generator = new Generator(memory, session.loaded.model, { batch: 1, context: 64 });
    await generator.feed([[1, 2, 3]]);
    await generator.feed([[4]]);
  }
  return found;
}

async function nullDawn(): Promise<Host> {
  await host.engines("dawn"); // declares its globals
  const { create } = await import("webgpu" as string);
  const engines = [{ name: "dawn", gpu: create(["backend=null"]) } as const];
  kept.push(engines);
  return { ...host, engines: () => Promise.resolve(engines) };
}

/** A product's kernel for A and C in f16. */
function fromHalfToHalf(source: string): string {
  const last = source.match(/@binding/g)!.length - 1;
  const bindings = Array.from({ length: last + 1 }, (_, i): Binding => ({
    tensor: tensor("matrix", [1], i === 0 || i === last ? "f16" : "f32", "activation"),
    access: i === last ? "write" : "read",
  }));
  return withHalves(source, bindings);
}

/** The updates of every kind of optimizer, and the ways between the weights that some have. */
async function updates(file: string, limits: Limits): Promise<Plan[]> {
  const kinds = new Map(Object.entries(OPTIMIZERS).map(([name, { kind }]) => [kind, name]));
  const found: Plan[] = [];
  for (const value of kinds.values()) {
    const { config } = parseConfig(await host.readText(file), file, [{ key: "optimizer", value }]);
    const { update, exchanges } = await prepareSession(host, config, limits);
    found.push(update, ...Object.values(exchanges ?? {}));
  }
  return found;
}

/** A stand-in for memory on a device that keeps the plans which it is given to compile. */
function planCollector(limits: Limits, into: Plan[], vocabulary: number): Memory {
  const stub = {
    device: { limits },
    compile: (plans: Plan[]) => {
      into.push(...plans);
      return Promise.resolve(plans.map(() => ({ run() {} })));
    },
    write() {},
    read: () => Promise.resolve([new ArrayBuffer(vocabulary * 4)]),
  };
  return stub as unknown as Memory;
}

/** Every layout and type of a matrix product, at sizes that leave a rest in each direction. */
function awkwardProducts(): MatmulShape[] {
  const sizes = [{ m: 256, n: 256, k: 64 }, { m: 67, n: 45, k: 35 }, { m: 1, n: 512, k: 128 }];
  const layouts: Partial<MatmulShape>[] = [
    { transposeB: true, bias: true },
    { transposeB: true, bType: "bf16", alpha: 2 },
    { accumulate: true },
    { bType: "bf16" },
    { transposeA: true, accumulate: true },
    ...(half ? [{ transposeA: true, accumulate: true, bType: "f16" as const }] : []),
  ];
  const quantized: QuantFormat[] = [
    { kind: "nf4", block: 64, nested: true },
    { kind: "fp4", block: 64, nested: false },
    { kind: "int8" },
    { kind: "grouped", bits: 3, group: 32, ordered: true, scales: "f16" },
    { kind: "grouped", bits: 4, group: 128, ordered: false, scales: "bf16" },
  ];
  layouts.push(...quantized.flatMap((bFormat) => [{ bFormat, transposeB: true }, { bFormat }]));
  return sizes.flatMap((size) => layouts.map((layout) => ({ ...size, ...layout })));
}

/** The kernels that quantize weights, by quantizing one of each stored type into each form. */
async function quantize(): Promise<void> {
  const memory = new RealMemory(device);
  const forms: QuantFormat[] = [
    { kind: "nf4", block: 64, nested: true },
    { kind: "fp4", block: 64, nested: false },
    { kind: "int8" },
  ];
  for (const format of forms) {
    for (const [dtype, bytes] of [["F32", 4], ["BF16", 2], ["F16", 2]] as const) {
      const name = `${dtype} to ${format.kind}`;
      const weight = quantizedTensor(name, [8, 65], format);
      const quantizer = new Quantizer(memory, quantizingScratch([weight]));
      const read = () => Promise.resolve(new Uint8Array(8 * 65 * bytes));
      try {
        await quantizer.quantize(weight, { name, dtype, read });
        sources.add(name);
      } catch (error) {
        failures.push({ label: name, message: (error as Error).message });
      }
    }
  }
  memory.destroy();
}

/** The kernel that merges for ReLoRA. */
async function merging(kind: Merged["kind"], dtype: "f32" | "f16" | "bf16"): Promise<void> {
  const lowRank = {
    down: tensor("down", kind === "linear" ? [2, 65] : [8, 2], "f32", "trained"),
    up: tensor("up", kind === "linear" ? [8, 2] : [65, 2], "f32", "trained"),
    scale: 2,
  };
  const module = { kind, rank: 2, lowRank, weight: tensor("weight", [8, 65], dtype, "weight") };
  for (const dispatch of mergePlan([module], device.limits).dispatches) await compile(dispatch);
}

/** All of the way to a pipeline. */
async function compile({ label, source, bindings }: Dispatch): Promise<void> {
  if (sources.has(source)) return;
  sources.add(source);
  try {
    await device.pipeline(label, source, bindings.map(({ access }) => access));
  } catch (error) {
    failures.push({ label, message: (error as Error).message });
  }
}

/** Only the language: parsed, typed, uniform where it must be. */
async function parse(label: string, source: string): Promise<void> {
  if (sources.has(source)) return;
  sources.add(source);
  const message = await mistakeIn(device, source);
  if (message) failures.push({ label, message });
}

async function mistakeIn({ gpu }: Device, code: string): Promise<string | undefined> {
  gpu.pushErrorScope("validation");
  gpu.createShaderModule({ code });
  return (await gpu.popErrorScope())?.message;
}

/** Whether the engine complains at all; a barrier in divergent flow is an error to Tint alone. */
async function findsMistakes(device: Device): Promise<{ types: boolean; uniformity: boolean }> {
  const kernel = (body: string) =>
    `@compute @workgroup_size(8) fn main(@builtin(local_invocation_index) i: u32) { ${body} }`;
  return {
    types: await mistakeIn(device, kernel("let x: f32 = 1u;")) !== undefined,
    uniformity: await mistakeIn(device, kernel("if (i < 4u) { workgroupBarrier(); }")) !==
      undefined,
  };
}
