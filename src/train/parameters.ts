// The trained tensors as a few flat groups, so that one kernel updates all tensors of a group:
// values, gradients and moments of a group have the same layout.

import { bytesOf, sizeOf, type Tensor, tensor } from "../graph/graph.ts";
import type { Limits } from "../graph/limits.ts";

/** A run of trained tensors that are updated with the same settings. */
export interface ParameterGroup {
  weightDecay: number;
  value: Tensor;
  gradient: Tensor;
  first: Tensor;
  second: Tensor;
}

/** Where each tensor begins in its group: bindings start at multiples of this many bytes. */
const alignment = 256;

/**
 * Lays trained tensors out in groups of at most one binding each (a larger tensor gets a group of
 * its own) and gives each tensor its gradient. Weight decay follows the Hugging Face Trainer: none
 * for biases and norms.
 */
export function groupParameters(
  trained: ReadonlyMap<string, Tensor>,
  weightDecay: number,
  limits: Limits,
): ParameterGroup[] {
  const kinds = [
    { decay: weightDecay, members: [...trained].filter(([name]) => decays(name)) },
    { decay: 0, members: [...trained].filter(([name]) => !decays(name)) },
  ];
  const groups: ParameterGroup[] = [];
  for (const { decay, members } of kinds) {
    let pending: Tensor[] = [];
    let bytes = 0;
    const close = () => {
      if (pending.length > 0) groups.push(makeGroup(`group ${groups.length}`, pending, decay));
      pending = [];
      bytes = 0;
    };
    for (const [, member] of members) {
      if (bytes > 0 && bytes + aligned(member) > limits.maxBinding) close();
      pending.push(member);
      bytes += aligned(member);
    }
    close();
  }
  return groups;
}

/** What the optimizer remembers of a group, by the names it has in a checkpoint. */
export function optimizerState(group: ParameterGroup): [string, Tensor][] {
  return [["first_moment", group.first], ["second_moment", group.second]];
}

/**
 * Every tensor on the device that a run needs to go on, by a name that stands in no need of the
 * grouping: trained values, and what the optimizer remembers of each. State of another layout than
 * the values (quantized moments, a group's scalars) goes as it is, by the group.
 */
export function runTensors(
  trained: ReadonlyMap<string, Tensor>,
  groups: readonly ParameterGroup[],
): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const [name, value] of trained) tensors.set(`value.${name}`, value);
  groups.forEach((group, i) => {
    for (const [kind, state] of optimizerState(group)) {
      if (state.dtype !== "f32" || sizeOf(state) !== sizeOf(group.value)) {
        tensors.set(`${kind}.group.${i}`, state);
        continue;
      }
      for (const [name, { shape, view }] of trained) {
        if (view?.of !== group.value) continue;
        const part = tensor(`${kind} of ${name}`, shape, "f32", state.role);
        part.view = { of: state, offset: view.offset };
        tensors.set(`${kind}.${name}`, part);
      }
    }
  });
  return tensors;
}

function makeGroup(name: string, members: Tensor[], weightDecay: number): ParameterGroup {
  const bytes = members.reduce((sum, member) => sum + aligned(member), 0);
  const flat = (part: string, role: "trained" | "gradient" | "optimizer") =>
    tensor(`${name} ${part}`, [bytes / 4], "f32", role);
  const group: ParameterGroup = {
    weightDecay,
    value: flat("values", "trained"),
    gradient: flat("gradients", "gradient"),
    first: flat("first moments", "optimizer"),
    second: flat("second moments", "optimizer"),
  };
  let offset = 0;
  for (const member of members) {
    member.view = { of: group.value, offset };
    member.gradient = tensor(`${member.name} gradient`, member.shape, "f32", "gradient");
    member.gradient.view = { of: group.gradient, offset };
    offset += aligned(member);
  }
  return group;
}

function aligned(member: Tensor): number {
  return Math.ceil(bytesOf(member) / alignment) * alignment;
}

function decays(name: string): boolean {
  return !/bias|layernorm|rmsnorm|(^|\.)norm($|\.)|_norm($|\.)/.test(name.toLowerCase());
}
