// The memory plan: which activations share which buffer, and how many bytes everything takes.
// Needs no device, so that the same figures can be printed before anything is allocated.

import { assert, EftError } from "../errors.ts";
import type { Dispatch, Node, Role, Tensor } from "./graph.ts";
import { bytesOf, Graph, isTransient } from "./graph.ts";
import { withHalves } from "./half.ts";
import type { Limits } from "./limits.ts";

/** A graph with its kernels chosen and its transient tensors assigned to slots. */
export interface Plan {
  readonly name: string;
  readonly graph: Graph;
  /** In order; replaced as a whole when other kernels are chosen. */
  dispatches: Dispatch[];
  /** Slot of each transient tensor. */
  readonly slots: ReadonlyMap<Tensor, number>;
  /** Bytes of each slot. */
  readonly slotBytes: number[];
  /** Tensors that live on between runs. */
  readonly lasting: Tensor[];
  readonly flops: number;
}

/** Orders, assigns and lowers a graph. Throws an EftError when a tensor cannot fit the device. */
export function plan(name: string, graph: Graph, limits: Limits): Plan {
  graph.prune();
  const { slots, slotBytes } = assignSlots(graph, limits);
  const dispatches = lowerGraph(graph, limits);
  const lasting = new Set<Tensor>();
  for (const dispatch of dispatches) {
    for (const { tensor } of dispatch.bindings) if (!isTransient(tensor)) lasting.add(tensor);
  }
  const flops = dispatches.reduce((sum, dispatch) => sum + (dispatch.flops ?? 0), 0);
  return { name, graph, dispatches, slots, slotBytes, lasting: [...lasting], flops };
}

/** A plan of given kernels over lasting tensors, for measuring. */
export function dispatchesOnly(name: string, dispatches: Dispatch[]): Plan {
  const lasting = dispatches.flatMap(({ bindings }) => bindings.map(({ tensor }) => tensor));
  return {
    name,
    graph: new Graph(),
    dispatches,
    slots: new Map(),
    slotBytes: [],
    lasting,
    flops: 0,
  };
}

/** The kernels of a planned graph; asked for again when other kernels have been chosen. */
export function lowerGraph(graph: Graph, limits: Limits): Dispatch[] {
  return graph.nodes.flatMap((node) => lower(node, limits));
}

function lower(node: Node, limits: Limits): Dispatch[] {
  const dispatches = node.operation.lower(node, limits).map((dispatch) => ({
    ...dispatch,
    source: withHalves(dispatch.source, dispatch.bindings),
  }));
  for (const { label, workgroups, bindings } of dispatches) {
    assert(workgroups.every((count) => count <= 65535), `${label}: too many workgroups`);
    for (const { tensor, bytes } of bindings) {
      const bound = bytes ?? bytesOf(tensor);
      if (bound > limits.maxBinding) throw tooLarge(tensor, bound, limits);
    }
  }
  return dispatches;
}

function tooLarge(tensor: Tensor, bytes: number, limits: Limits): EftError {
  const mib = (value: number) => `${(value / 2 ** 20).toFixed(1)} MiB`;
  const remedy = isTransient(tensor)
    ? "Lower micro_batch_size or sequence_len."
    : "Use a smaller model or a device with larger buffers.";
  return new EftError(
    "device",
    `${tensor.name} needs ${mib(bytes)} in one piece, more than the ` +
      `${mib(limits.maxBinding)} that a kernel can be given. ${remedy}`,
  );
}

/** A stretch of memory that one tensor, or a chain of them that overwrite each other, needs. */
interface Stretch {
  bytes: number;
  /** Node indices of the first write and the last use. */
  first: number;
  last: number;
}

/**
 * Buffers by lifetime, the largest first: tensors share a slot when they are never alive together.
 * Going by size keeps small long-lived tensors (checkpoints) out of slots for large short-lived ones.
 */
function assignSlots(
  graph: Graph,
  limits: Limits,
): { slots: Map<Tensor, number>; slotBytes: number[] } {
  const lastUse = new Map<Tensor, number>();
  graph.nodes.forEach((node, index) => {
    for (const value of [...node.inputs, ...node.outputs]) lastUse.set(value, index);
  });
  for (const value of graph.results) lastUse.set(value, Infinity);

  const stretches = new Map<Tensor, Stretch>();
  graph.nodes.forEach((node, index) => {
    node.outputs.forEach((output, i) => {
      if (!isTransient(output) || stretches.has(output)) return;
      const bytes = bytesOf(output);
      if (bytes > limits.maxBuffer) throw tooLarge(output, bytes, limits);
      const last = lastUse.get(output)!;
      const shared = node.inPlace.find(([o]) => o === i);
      if (!shared) {
        stretches.set(output, { bytes, first: index, last });
        return;
      }
      const input = node.inputs[shared[1]];
      assert(
        lastUse.get(input) === index && isTransient(input) &&
          node.inputs.filter((other) => other === input).length === 1,
        `${node.operation.name} overwrites ${input.name}, which is read again`,
      );
      const stretch = stretches.get(input)!;
      stretch.last = last;
      stretches.set(output, stretch);
    });
  });

  const order = [...new Set(stretches.values())].sort((a, b) =>
    b.bytes - a.bytes || a.first - b.first
  );
  const slotOf = new Map<Stretch, number>();
  const slotBytes: number[] = [];
  const members: Stretch[][] = [];
  for (const stretch of order) {
    const fits = (others: Stretch[]) =>
      others.every((other) => other.last < stretch.first || stretch.last < other.first);
    // Slots only get smaller: the last one that is free is the one that wastes least.
    let slot = members.findLastIndex(fits);
    if (slot < 0) {
      slot = members.push([]) - 1;
      slotBytes.push(stretch.bytes);
    }
    members[slot].push(stretch);
    slotOf.set(stretch, slot);
  }
  const slots = new Map<Tensor, number>();
  for (const [value, stretch] of stretches) slots.set(value, slotOf.get(stretch)!);
  return { slots, slotBytes };
}

/** Bytes of one pool of slots that serves several plans, since they never run at once. */
export function sharedSlotBytes(plans: readonly Plan[]): number[] {
  const shared: number[] = [];
  for (const { slotBytes } of plans) {
    [...slotBytes].sort((a, b) => b - a).forEach((bytes, i) => {
      shared[i] = Math.max(shared[i] ?? 0, bytes);
    });
  }
  return shared;
}

/** The pool index of each slot of a plan: largest slot to largest pool buffer. */
export function poolOrder(plan: Plan): number[] {
  const order = plan.slotBytes.map((_, slot) => slot);
  order.sort((a, b) => plan.slotBytes[b] - plan.slotBytes[a] || a - b);
  const pool: number[] = [];
  order.forEach((slot, i) => pool[slot] = i);
  return pool;
}

/** The lines of the memory account, in bytes. */
export interface MemoryReport {
  weights: number;
  trained: number;
  gradients: number;
  optimizer: number;
  activations: number;
  inputs: number;
  state: number;
  /** The largest piece that is copied back to the host at once. */
  readback: number;
  total: number;
}

const lineOf: Partial<Record<Role, keyof MemoryReport>> = {
  weight: "weights",
  trained: "trained",
  gradient: "gradients",
  optimizer: "optimizer",
  input: "inputs",
  state: "state",
};

/** What the plans of one run take together. */
export function memoryReport(plans: readonly Plan[], readback = 0): MemoryReport {
  const report: MemoryReport = {
    weights: 0,
    trained: 0,
    gradients: 0,
    optimizer: 0,
    activations: sharedSlotBytes(plans).reduce((sum, bytes) => sum + bytes, 0),
    inputs: 0,
    state: 0,
    readback,
    total: 0,
  };
  const owners = new Set(plans.flatMap((plan) => plan.lasting.map((t) => t.view?.of ?? t)));
  for (const owner of owners) {
    const line = lineOf[owner.role];
    assert(line, `no line for ${owner.role}`);
    report[line] += bytesOf(owner);
  }
  report.total = Object.values(report).reduce((sum, bytes) => sum + bytes, 0);
  return report;
}
