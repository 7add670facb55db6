import {
  describe,
  type DeviceProfile,
  type KernelChoice,
  matmulCandidates,
  matmulKernel,
  type MatmulShape,
} from "../../src/graph/matmul.ts";
import { EftError } from "../../src/errors.ts";

const rows: KernelChoice = {
  orientation: "rows",
  lanesM: 8,
  lanesN: 1,
  rows: 4,
  columns: 4,
  depth: 4,
};
const columns: KernelChoice = { ...rows, lanesM: 2, lanesN: 4, columns: 8 };
const tile: KernelChoice = { ...rows, orientation: "tile", lanesN: 8, depth: 8 };

const adapter = await navigator.gpu?.requestAdapter();
const f16 = adapter?.features.has("shader-f16") ?? false;
const device = await adapter?.requestDevice({ requiredFeatures: f16 ? ["shader-f16"] : [] });
const software: DeviceProfile = {
  software: true,
  f16,
  maxWorkgroupStorage: 16384,
  maxInvocations: 256,
  maxWorkgroupSizeX: 256,
  adapter: "test",
};
const graphics: DeviceProfile = { ...software, software: false };

/** Same numbers in every run. */
function numbers(count: number, seed: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    // Exact in f16 and bf16 as well.
    out[i] = ((seed >>> 24) - 128) / 64;
  }
  return out;
}

/** C in f64; `c` holds the old contents. */
function matmul(
  shape: MatmulShape,
  a: Float32Array,
  b: Float32Array,
  bias: Float32Array,
  c: Float32Array,
): Float64Array {
  const { m, n, k, transposeA, transposeB, accumulate, alpha = 1, aOffset = 0, cOffset = 0 } =
    shape;
  const { lda = transposeA ? m : k, ldc = n } = shape;
  const out = Float64Array.from(c);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) {
        const left = a[aOffset + (transposeA ? l * lda + i : i * lda + l)]!;
        sum += left * b[transposeB ? j * k + l : l * n + j]!;
      }
      const at = cOffset + i * ldc + j;
      out[at] = alpha * sum + (shape.bias ? bias[j]! : 0) + (accumulate ? c[at]! : 0);
    }
  }
  return out;
}

function encode(values: Float32Array<ArrayBuffer>, type: MatmulShape["bType"]): Uint8Array {
  const bytes = Math.ceil(values.length / 2) * 4;
  if (type === "f16") {
    const out = new Float16Array(bytes / 2);
    out.set(values);
    return new Uint8Array(out.buffer);
  }
  if (type === "bf16") {
    const out = new Uint16Array(bytes / 2);
    new Uint32Array(values.buffer).forEach((bits, i) => out[i] = bits >>> 16);
    return new Uint8Array(out.buffer);
  }
  return new Uint8Array(values.buffer);
}

async function run(shape: MatmulShape, profile: DeviceProfile, choice?: KernelChoice) {
  const { m, n, k, transposeA, aOffset = 0, cOffset = 0, ldc = n } = shape;
  const { lda = transposeA ? m : k } = shape;
  const a = numbers(aOffset + lda * (transposeA ? k : m), 1);
  const b = numbers(k * n, 2);
  const bias = numbers(n, 3);
  const c = numbers(cOffset + ldc * m, 4);
  const kernel = matmulKernel(shape, profile, choice);

  const gpu = device!;
  gpu.pushErrorScope("validation");
  const inputs = [new Uint8Array(a.buffer), encode(b, shape.bType)];
  if (shape.bias) inputs.push(new Uint8Array(bias.buffer));
  inputs.push(new Uint8Array(c.buffer));
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffers = inputs.map((bytes) => {
    const buffer = gpu.createBuffer({ size: bytes.length, usage });
    gpu.queue.writeBuffer(buffer, 0, bytes as Uint8Array<ArrayBuffer>);
    return buffer;
  });
  const result = gpu.createBuffer({
    size: c.byteLength,
    usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  });
  const pipeline = gpu.createComputePipeline({
    layout: "auto",
    compute: { module: gpu.createShaderModule({ code: kernel.source }) },
  });
  const encoder = gpu.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
  pass.setBindGroup(
    0,
    gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }),
  );
  pass.dispatchWorkgroups(...kernel.workgroups);
  pass.end();
  encoder.copyBufferToBuffer(buffers.at(-1)!, 0, result, 0, c.byteLength);
  gpu.queue.submit([encoder.finish()]);
  const error = await gpu.popErrorScope();
  if (error) throw new Error(`${kernel.label}: ${error.message}\n${kernel.source}`);
  await result.mapAsync(GPUMapMode.READ);
  const actual = new Float32Array(result.getMappedRange().slice(0));
  for (const buffer of [...buffers, result]) buffer.destroy();
  return { label: kernel.label, actual, expected: matmul(shape, a, b, bias, c) };
}

async function check(shape: MatmulShape, profile: DeviceProfile, choice?: KernelChoice) {
  const { label, actual, expected } = await run(shape, profile, choice);
  // Products are exact (multiples of 2^-12), so only sums beyond 24 bits and alpha round.
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    if (!(error <= 1e-5 * Math.max(1, Math.abs(expected[i]!)))) {
      throw new Error(`${label}: element ${i} is ${actual[i]}, not ${expected[i]}`);
    }
  }
}

/** [m, n, k]: primes; multiples of four that no tile divides; whole tiles. */
const SIZES: [number, number, number][] = [[37, 13, 19], [36, 44, 20], [64, 32, 16]];

const test = (name: string, body: () => Promise<void>) =>
  Deno.test({
    name: `matmul: ${name}`,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: body,
  });

for (const [name, choice] of Object.entries({ rows, columns, tile })) {
  for (const transposeA of [false, true]) {
    for (const transposeB of [false, true]) {
      const letters = (transposeA ? "T" : "N") + (transposeB ? "T" : "N");
      test(`${name} ${letters}`, async () => {
        for (const [m, n, k] of SIZES) {
          await check({ m, n, k, transposeA, transposeB }, software, choice);
        }
        // Ranges of wider matrices, once aligned and once not.
        for (const pad of [3, 4]) {
          const lda = (transposeA ? 36 : 20) + 2 * pad;
          const ranges = { lda, aOffset: pad, ldc: 44 + 2 * pad, cOffset: pad, accumulate: true };
          const shape = { m: 36, n: 44, k: 20, transposeA, transposeB, bType: "bf16" } as const;
          await check({ ...shape, ...ranges }, software, choice);
        }
      });
    }
  }
}

test("element types, bias and accumulation in every combination", async () => {
  for (const bType of f16 ? ["f32", "f16", "bf16"] as const : ["f32", "bf16"] as const) {
    for (const bias of [false, true]) {
      for (const accumulate of [false, true]) {
        const shape = { m: 9, n: 4, k: 8, transposeB: true, bType, bias, accumulate };
        await check(shape, software, rows);
      }
    }
    const unaligned = { m: 9, n: 3, k: 5, bType, bias: true, accumulate: true, alpha: -2 };
    await check(unaligned, software, rows);
  }
});

test("one element", async () => {
  for (const choice of [rows, tile]) {
    await check({ m: 1, n: 1, k: 1, alpha: 0.5 }, software, choice);
  }
});

test("default choices", async () => {
  for (const [m, n, k] of [[130, 8, 64], [8, 130, 64]]) {
    for (const profile of [software, graphics]) {
      await check({ m: m!, n: n!, k: k!, transposeB: true }, profile);
    }
  }
});

test("every choice gives the same bits", async () => {
  const shape: MatmulShape = { m: 70, n: 66, k: 50, transposeB: true, alpha: 0.3 };
  const results = new Set<string>();
  for (const choice of [rows, columns, tile]) {
    const { actual } = await run(shape, software, choice);
    results.add(new Uint32Array(actual.buffer).join());
  }
  if (results.size !== 1) throw new Error("the bits differ");
});

Deno.test("matmul: candidates fit the adapter, dispatches stay below the limit", () => {
  const shapes: MatmulShape[] = [
    { m: 1, n: 1, k: 1 },
    { m: 5_000_000, n: 8, k: 64, transposeA: true },
    { m: 2048, n: 151_936, k: 896, transposeB: true },
    { m: 8, n: 256, k: 512, transposeA: true },
  ];
  const small = { ...graphics, maxWorkgroupStorage: 0, maxInvocations: 64, maxWorkgroupSizeX: 64 };
  for (const shape of shapes) {
    for (const profile of [software, graphics, small]) {
      const candidates = matmulCandidates(shape, profile);
      if (candidates.length === 0) throw new Error("no candidates");
      for (const choice of candidates) {
        const { workgroups } = matmulKernel(shape, profile, choice);
        const [x, y, z] = workgroups;
        const tileM = choice.lanesM * choice.rows;
        if (x > 65535 || y > 65535 || x * z * tileM < shape.m) {
          throw new Error(`${describe(choice)}: ${workgroups}`);
        }
      }
    }
  }
});

Deno.test("matmul: refuses what it cannot compute", () => {
  const wrong: [MatmulShape, KernelChoice?][] = [
    [{ m: 0, n: 1, k: 1 }],
    [{ m: 1, n: 8, k: 1, ldc: 7 }],
    [{ m: 1, n: 8, k: 1, bType: "f16" }],
    [{ m: 64, n: 64, k: 64 }, { ...tile, lanesM: 32, lanesN: 32 }],
    [{ m: 64, n: 64, k: 64 }, { ...tile, rows: 3 }],
  ];
  for (const [shape, choice] of wrong) {
    try {
      matmulKernel(shape, { ...software, f16: false }, choice);
    } catch (error) {
      if (error instanceof EftError) continue;
      throw error;
    }
    throw new Error("no error");
  }
});
