// A plan made into something that can be replayed: pipelines and bind groups are made once, a run is
// one compute pass and one submit (a few, where a single one would hold the device for too long).

import { assert } from "../errors.ts";
import type { Dispatch, Tensor } from "../graph/graph.ts";
import { bytesOf, isTransient } from "../graph/graph.ts";
import { type Plan, poolOrder, sharedSlotBytes } from "../graph/plan.ts";
import type { Device } from "./device.ts";

const usage = {
  MAP_READ: 0x0001,
  COPY_SRC: 0x0004,
  COPY_DST: 0x0008,
  STORAGE: 0x0080,
  QUERY_RESOLVE: 0x0200,
};
const storage = usage.STORAGE | usage.COPY_SRC | usage.COPY_DST;

/** Where tensors live on a device: one buffer per lasting tensor, one pool for everything else. */
export class Memory {
  readonly device: Device;
  readonly #lasting = new Map<Tensor, GPUBuffer>();
  #pool: GPUBuffer[] = [];
  readonly #programs = new Set<Program>();

  constructor(device: Device) {
    this.device = device;
  }

  /** The buffer of a lasting tensor and the byte offset in it; made on first use. */
  place(tensor: Tensor): { buffer: GPUBuffer; offset: number } {
    assert(
      !isTransient(tensor) && !tensor.quantized,
      `${tensor.name} has no place of its own`,
    );
    if (tensor.view) {
      const { buffer, offset } = this.place(tensor.view.of);
      return { buffer, offset: offset + tensor.view.offset };
    }
    let buffer = this.#lasting.get(tensor);
    if (!buffer) {
      buffer = this.device.buffer(tensor.name, bytesOf(tensor), storage);
      this.#lasting.set(tensor, buffer);
    }
    return { buffer, offset: 0 };
  }

  /** Compiles plans that share one pool of activation buffers; they must never run at once. */
  async compile(plans: readonly Plan[]): Promise<Program[]> {
    const existing = [...this.#programs].map((program) => program.plan);
    const bytes = sharedSlotBytes([...existing, ...plans]);
    const grown = bytes.some((size, i) => size > (this.#pool[i]?.size ?? 0));
    if (grown) {
      for (const buffer of this.#pool) this.device.release(buffer);
      this.#pool = bytes.map((size, i) => this.device.buffer(`activations ${i}`, size, storage));
      for (const program of this.#programs) await program.bind(this.#pool);
    }
    const programs = plans.map((plan) => new Program(this, plan));
    for (const program of programs) {
      await program.bind(this.#pool);
      this.#programs.add(program);
    }
    return programs;
  }

  /** Forgets programs whose plans are no longer needed. */
  forget(programs: readonly Program[]): void {
    for (const program of programs) this.#programs.delete(program);
  }

  /** Gives back the buffers of lasting tensors that nothing uses any more. */
  release(tensors: readonly Tensor[]): void {
    for (const tensor of tensors) {
      const buffer = this.#lasting.get(tensor);
      if (buffer) this.device.release(buffer);
      this.#lasting.delete(tensor);
    }
  }

  write(tensor: Tensor, data: ArrayBufferView<ArrayBuffer>, byteOffset = 0): void {
    const { buffer, offset } = this.place(tensor);
    this.device.gpu.queue.writeBuffer(
      buffer,
      offset + byteOffset,
      data.buffer,
      data.byteOffset,
      data.byteLength,
    );
  }

  /** Fills a lasting tensor with zeros. */
  clear(tensor: Tensor): void {
    const { buffer, offset } = this.place(tensor);
    const encoder = this.device.gpu.createCommandEncoder();
    encoder.clearBuffer(buffer, offset, bytesOf(tensor));
    this.device.gpu.queue.submit([encoder.finish()]);
  }

  /** Copies bytes of tensors back to the host, all in one wait. */
  async read(
    ranges: readonly { tensor: Tensor; offset?: number; bytes?: number; program?: Program }[],
  ): Promise<ArrayBuffer[]> {
    const { device } = this;
    const sources = ranges.map(({ tensor, offset = 0, bytes, program }) => {
      const place = isTransient(tensor) ? program!.place(tensor) : this.place(tensor);
      return {
        buffer: place.buffer,
        offset: place.offset + offset,
        bytes: bytes ?? bytesOf(tensor) - offset,
      };
    });
    const total = sources.reduce((sum, { bytes }) => sum + Math.ceil(bytes / 4) * 4, 0);
    const staging = device.buffer("readback", total, usage.MAP_READ | usage.COPY_DST);
    const encoder = device.gpu.createCommandEncoder();
    let at = 0;
    for (const { buffer, offset, bytes } of sources) {
      const size = Math.ceil(bytes / 4) * 4;
      encoder.copyBufferToBuffer(buffer, offset, staging, at, size);
      at += size;
    }
    device.gpu.queue.submit([encoder.finish()]);
    try {
      await staging.mapAsync(1);
      device.check();
      const all = staging.getMappedRange().slice(0);
      staging.unmap();
      let from = 0;
      return sources.map(({ bytes }) => {
        const piece = all.slice(from, from + bytes);
        from += Math.ceil(bytes / 4) * 4;
        return piece;
      });
    } catch (error) {
      device.check();
      throw error;
    } finally {
      device.release(staging);
    }
  }

  destroy(): void {
    for (const buffer of [...this.#lasting.values(), ...this.#pool]) this.device.release(buffer);
    this.#lasting.clear();
    this.#pool = [];
    this.#programs.clear();
  }
}

/** Floating point operations after which a real GPU gets the next submit (a watchdog ends long ones). */
const flopsPerSubmit = 2e11;

interface Step {
  dispatch: Dispatch;
  pipeline: GPUComputePipeline;
  group: GPUBindGroup;
}

export class Program {
  readonly plan: Plan;
  readonly memory: Memory;
  #pool: GPUBuffer[] = [];
  #order: number[];
  #steps: Step[] = [];

  constructor(memory: Memory, plan: Plan) {
    this.memory = memory;
    this.plan = plan;
    this.#order = poolOrder(plan);
  }

  /** The buffer behind any tensor of this program. */
  place(tensor: Tensor): { buffer: GPUBuffer; offset: number } {
    if (!isTransient(tensor)) return this.memory.place(tensor);
    const slot = this.plan.slots.get(tensor);
    assert(slot !== undefined, `${tensor.name} is not part of program ${this.plan.name}`);
    return { buffer: this.#pool[this.#order[slot]], offset: 0 };
  }

  /** Makes pipelines and bind groups over the given activation buffers. */
  async bind(pool: GPUBuffer[]): Promise<void> {
    this.#pool = pool;
    const { device } = this.memory;
    const compiled = this.plan.dispatches.map(({ label, source, bindings }) =>
      device.pipeline(label, source, bindings.map(({ access }) => access))
    );
    const pipelines = await Promise.all(compiled);
    this.#steps = this.plan.dispatches.map((dispatch, i) => ({
      dispatch,
      pipeline: pipelines[i],
      group: device.gpu.createBindGroup({
        label: dispatch.label,
        layout: device.layout(dispatch.bindings.map(({ access }) => access)),
        entries: dispatch.bindings.map(({ tensor, offset = 0, bytes }, binding) => {
          const place = this.place(tensor);
          const size = bytes ?? bytesOf(tensor);
          return {
            binding,
            resource: { buffer: place.buffer, offset: place.offset + offset, size },
          };
        }),
      }),
    }));
    device.check();
  }

  /** Submits one kernel of the plan, for finding faults. */
  runOne(index: number): void {
    const { dispatch, pipeline, group } = this.#steps[index];
    const encoder = this.memory.device.gpu.createCommandEncoder({ label: dispatch.label });
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...dispatch.workgroups);
    pass.end();
    this.memory.device.gpu.queue.submit([encoder.finish()]);
  }

  /** Fills the activation buffers with zeros. */
  clearPool(): void {
    const encoder = this.memory.device.gpu.createCommandEncoder();
    for (const buffer of this.#pool) encoder.clearBuffer(buffer);
    this.memory.device.gpu.queue.submit([encoder.finish()]);
  }

  /** Submits one run; returns at once, the device works on. */
  run(): void {
    const { gpu, limits } = this.memory.device;
    let encoder = gpu.createCommandEncoder({ label: this.plan.name });
    let pass = encoder.beginComputePass();
    let flops = 0;
    for (const { dispatch, pipeline, group } of this.#steps) {
      if (flops > flopsPerSubmit && !limits.software) {
        pass.end();
        gpu.queue.submit([encoder.finish()]);
        encoder = gpu.createCommandEncoder({ label: this.plan.name });
        pass = encoder.beginComputePass();
        flops = 0;
      }
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...dispatch.workgroups);
      flops += dispatch.flops ?? 0;
    }
    pass.end();
    gpu.queue.submit([encoder.finish()]);
    this.memory.device.check();
  }

  /**
   * Runs once with a timestamp around every kernel; milliseconds by label, the longest first.
   * Needs the feature `timestamp-query`.
   */
  async profile(): Promise<{ label: string; milliseconds: number; flops: number }[]> {
    const { device } = this.memory;
    const found = new Map<string, { milliseconds: number; flops: number }>();
    const perSet = 2048; // queries in a set are limited to 4096, two to a kernel
    for (let first = 0; first < this.#steps.length; first += perSet) {
      const steps = this.#steps.slice(first, first + perSet);
      const set = device.gpu.createQuerySet({ type: "timestamp", count: steps.length * 2 });
      const resolved = device.buffer(
        "timestamps",
        steps.length * 16,
        usage.QUERY_RESOLVE | usage.COPY_SRC,
      );
      const staging = device.buffer(
        "timestamps",
        steps.length * 16,
        usage.MAP_READ | usage.COPY_DST,
      );
      const encoder = device.gpu.createCommandEncoder();
      steps.forEach(({ dispatch, pipeline, group }, i) => {
        const pass = encoder.beginComputePass({
          timestampWrites: {
            querySet: set,
            beginningOfPassWriteIndex: 2 * i,
            endOfPassWriteIndex: 2 * i + 1,
          },
        });
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(...dispatch.workgroups);
        pass.end();
      });
      encoder.resolveQuerySet(set, 0, steps.length * 2, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, steps.length * 16);
      device.gpu.queue.submit([encoder.finish()]);
      await staging.mapAsync(1);
      const times = new BigUint64Array(staging.getMappedRange().slice(0));
      steps.forEach(({ dispatch }, i) => {
        const entry = found.get(dispatch.label) ?? { milliseconds: 0, flops: 0 };
        entry.milliseconds += Number(times[2 * i + 1] - times[2 * i]) / 1e6;
        entry.flops += dispatch.flops ?? 0;
        found.set(dispatch.label, entry);
      });
      device.release(staging);
      device.release(resolved);
      set.destroy();
    }
    const rows = [...found].map(([label, entry]) => ({ label, ...entry }));
    return rows.sort((a, b) => b.milliseconds - a.milliseconds);
  }
}
