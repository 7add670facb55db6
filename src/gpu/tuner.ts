// Measuring which matrix product kernel is fastest for each shape of a run on this device. All
// choices of one shape give the same bits (see src/graph/matmul.ts), so tuning changes only speed.

import { type Dispatch, type DType, tensor } from "../graph/graph.ts";
import type { KernelChoices } from "../graph/limits.ts";
import { withHalves } from "../graph/half.ts";
import { matmulCandidates, matmulKernel, type MatmulShape, shapeKey } from "../graph/matmul.ts";
import { dispatchesOnly } from "../graph/plan.ts";
import { partSpecs } from "../quant/format.ts";
import type { Device } from "./device.ts";
import { Memory, Program } from "./program.ts";

/** Milliseconds that one candidate is measured for. */
const perCandidate = 8;

/**
 * Measures the candidates of every distinct matrix product in `dispatches`, the costliest first,
 * until `budget` milliseconds are spent. Returns the choices that beat the untuned one.
 */
export async function tune(
  device: Device,
  dispatches: readonly Dispatch[],
  budget: number,
): Promise<KernelChoices> {
  const shapes = new Map<string, { shape: MatmulShape; flops: number }>();
  for (const { matmul: shape, flops = 0 } of dispatches) {
    if (!shape) continue;
    const entry = shapes.get(shapeKey(shape)) ?? { shape, flops: 0 };
    entry.flops += flops;
    shapes.set(shapeKey(shape), entry);
  }
  const ordered = [...shapes].sort((a, b) => b[1].flops - a[1].flops);
  const choices: KernelChoices = {};
  const end = performance.now() + budget;
  for (const [key, { shape }] of ordered) {
    if (performance.now() > end) break;
    const [first, ...others] = matmulCandidates(shape, device.limits);
    const bench = new Bench(device, shape);
    let best = { choice: first, milliseconds: await bench.measure(first) };
    for (const choice of others) {
      if (performance.now() > end) break;
      const milliseconds = await bench.measure(choice);
      // A clear lead only: a measurement wavers by a few percent.
      if (milliseconds < 0.95 * best.milliseconds) best = { choice, milliseconds };
    }
    bench.destroy();
    if (best.choice !== first) choices[key] = best.choice;
  }
  return choices;
}

/** The parts of a quantized B; further parts are those of the whole weight, `bRow` rows more. */
function parts({ n, k, transposeB, bFormat, bRow = 0 }: MatmulShape) {
  const [rows, columns] = transposeB ? [n, k] : [k, n];
  return partSpecs(bFormat!, rows + bRow, columns);
}

/** Buffers of one shape's size, on which candidates run. */
class Bench {
  readonly #memory: Memory;
  readonly #shape: MatmulShape;
  readonly #bindings: Dispatch["bindings"];

  constructor(device: Device, shape: MatmulShape) {
    this.#memory = new Memory(device);
    this.#shape = shape;
    const { m, n, k, transposeA, bType = "f32", bFormat, bias, aOffset = 0, cOffset = 0 } = shape;
    const lines = transposeA ? k : m;
    const lda = shape.lda ?? (transposeA ? m : k);
    const ldc = shape.ldc ?? n;
    const buffer = (name: string, elements: number, dtype: DType = "f32") =>
      tensor(name, [elements], dtype, "state");
    const tensors = [
      buffer("a", Math.max(lines * lda, aOffset + lines * lda), shape.aType),
      ...(bFormat ? parts(shape).map((part) => buffer(part.name, part.words, part.dtype)) : [
        buffer("b", n * k, bType),
      ]),
      ...(bias ? [buffer("bias", n)] : []),
    ];
    const c = buffer("c", Math.max(m * ldc, cOffset + m * ldc), shape.cType);
    this.#bindings = [
      ...tensors.map((tensor) => ({ tensor, access: "read" as const })),
      { tensor: c, access: "write" as const },
    ];
  }

  /** Milliseconds of one product: the best of a few rounds. */
  async measure(choice: KernelChoices[string]): Promise<number> {
    const kernel = matmulKernel(
      this.#shape,
      this.#memory.device.limits,
      choice,
    );
    const { workgroups, label } = kernel;
    const source = withHalves(kernel.source, this.#bindings);
    const dispatch = { label, source, workgroups, bindings: this.#bindings };
    const program = new Program(this.#memory, dispatchesOnly(label, [dispatch]));
    await program.bind([]);
    const { queue } = this.#memory.device.gpu;
    program.run();
    await queue.onSubmittedWorkDone();
    const start = performance.now();
    program.run();
    await queue.onSubmittedWorkDone();
    const once = performance.now() - start;
    const runs = Math.max(1, Math.min(64, Math.round(perCandidate / once)));
    let best = Infinity;
    for (let round = 0; round < 3; round++) {
      const from = performance.now();
      for (let i = 0; i < runs; i++) program.run();
      await queue.onSubmittedWorkDone();
      best = Math.min(best, (performance.now() - from) / runs);
    }
    return best;
  }

  destroy(): void {
    this.#memory.destroy();
  }
}
