// What a plan must know of a device. A plan for "any machine" uses the values every WebGPU device
// must offer, so the memory it prints is what the narrowest device would need.

import { EftError } from "../errors.ts";
import type { KernelChoice } from "./matmul.ts";

export interface Limits {
  /** A CPU adapter: kernels keep loads uniform across lanes instead of using workgroup memory. */
  software: boolean;
  /** `shader-f16` is there. */
  f16: boolean;
  /** Bytes of one storage binding. */
  maxBinding: number;
  /** Bytes of one buffer. */
  maxBuffer: number;
  /** Bytes of workgroup memory. */
  maxWorkgroupStorage: number;
  /** Invocations of one workgroup. */
  maxInvocations: number;
  /** Size of a workgroup along x. */
  maxWorkgroupSizeX: number;
  /** Alignment of a binding's offset in bytes. */
  offsetAlignment: number;
  /** Name of the adapter, for choices that were measured on it. */
  adapter: string;
  /** Kernel choices that were measured or given, in place of the untuned ones. */
  kernels?: KernelChoices;
}

/** Choice of each matrix product by its shape; see `shapeKey` in matmul.ts. */
export type KernelChoices = Record<string, KernelChoice>;

/**
 * What decides the order of every sum of a run, as it is written into kernels.json: with the same
 * record, another device of the same kind repeats the run.
 */
export interface KernelRecord {
  adapter: string;
  /** Whether rows are summed by one thread (a CPU adapter) or by a group. */
  software: boolean;
  /** Bytes of one binding: where large matrices are cut. */
  maxBinding: number;
  offsetAlignment: number;
  kernels: KernelChoices;
}

export const leastLimits: Limits = {
  software: false,
  f16: false,
  maxBinding: 128 * 2 ** 20,
  maxBuffer: 256 * 2 ** 20,
  maxWorkgroupStorage: 16384,
  maxInvocations: 256,
  maxWorkgroupSizeX: 256,
  offsetAlignment: 256,
  adapter: "any",
};

/** What nearly every GPU has, for plans that are made without one. */
export const usualLimits: Limits = {
  ...leastLimits,
  f16: true,
  maxBuffer: 2 ** 31,
  maxBinding: 2 ** 30,
};

/** A part of a matrix [rows, columns] that fits one binding: whole rows, aligned. */
export interface RowShard {
  row: number;
  rows: number;
  offset: number;
  bytes: number;
}

/**
 * Cuts a row-major matrix into bindings of at most `limits.maxBinding` bytes. `beside` is the bytes
 * per row of a vector that is cut at the same rows. Throws an EftError when one aligned step of rows
 * is too large.
 */
export function rowShards(
  rows: number,
  bytesPerRow: number,
  limits: Limits,
  beside = 0,
): RowShard[] {
  const total = rows * bytesPerRow;
  if (total <= limits.maxBinding) return [{ row: 0, rows, offset: 0, bytes: total }];
  // A shard must start at an aligned offset: find the least row count whose bytes are aligned.
  const aligned = (bytes: number) => bytes % limits.offsetAlignment === 0;
  let step = 1;
  while (!aligned(step * bytesPerRow) || !aligned(step * beside)) step++;
  const perShard = Math.floor(limits.maxBinding / (step * bytesPerRow)) * step;
  if (perShard === 0) {
    throw new EftError(
      "device",
      `A matrix with rows of ${bytesPerRow} bytes cannot be cut into pieces of at most ` +
        `${limits.maxBinding} bytes, which is what this device binds.`,
    );
  }
  const shards: RowShard[] = [];
  for (let row = 0; row < rows; row += perShard) {
    const count = Math.min(perShard, rows - row);
    shards.push({ row, rows: count, offset: row * bytesPerRow, bytes: count * bytesPerRow });
  }
  return shards;
}
