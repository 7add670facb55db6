// The trained tensors as a few flat groups, so that one kernel updates all tensors of a group:
// values, gradients and elementwise state of a group have the same layout. An optimizer that looks
// at whole matrices gets a group for each tensor.

import { bytesOf, sizeOf, type Tensor, tensor } from "../graph/graph.ts";
import type { Limits } from "../graph/limits.ts";
import type { StepState } from "./graphs.ts";
import type { Optimizer } from "./optimizers/optimizer.ts";

/** How a tensor is to be updated; tensors with equal rules share groups. */
export interface ParameterRule {
  optimizer: Optimizer;
  weightDecay: number;
  /** Its learning rate over the run's. */
  rateScale: number;
  /** For LISA: the block it belongs to, which may rest for a while. */
  block?: number;
}

/** Trained tensors that are updated together. */
export interface ParameterGroup extends ParameterRule {
  name: string;
  /** Its row of the scalars. */
  row: number;
  value: Tensor;
  gradient: Tensor;
  /** What the optimizer keeps, by name. */
  state: Record<string, Tensor>;
  /** What lies in it, and where: byte offsets. */
  members: { name: string; tensor: Tensor; offset: number }[];
}

type Member = [name: string, tensor: Tensor];

/**
 * Lays trained tensors out in groups of at most one binding each (a larger tensor gets a group of
 * its own) and gives each tensor its gradient.
 */
export function groupParameters(
  trained: ReadonlyMap<string, Tensor>,
  ruleOf: (name: string, tensor: Tensor) => ParameterRule,
  limits: Limits,
): ParameterGroup[] {
  const kinds = new Map<string, { rule: ParameterRule; members: Member[] }>();
  for (const member of trained) {
    const rule = ruleOf(...member);
    const { optimizer, weightDecay, rateScale, block } = rule;
    const key = [optimizer.name, weightDecay, rateScale, block].join();
    const kind = kinds.get(key);
    if (kind) kind.members.push(member);
    else kinds.set(key, { rule, members: [member] });
  }
  const groups: ParameterGroup[] = [];
  for (const { rule, members } of kinds.values()) {
    const { grouping, alignment } = rule.optimizer;
    let pending: Member[] = [];
    let bytes = 0;
    const close = () => {
      if (pending.length > 0) groups.push(makeGroup(groups.length, pending, rule));
      pending = [];
      bytes = 0;
    };
    for (const member of members) {
      const size = aligned(member[1], alignment);
      if (bytes > 0 && (grouping === "tensor" || bytes + size > limits.maxBinding)) close();
      pending.push(member);
      bytes += size;
    }
    close();
  }
  return groups;
}

/** What the optimizer remembers of a group, by the names it has in a checkpoint. */
export function optimizerState(group: ParameterGroup): [string, Tensor][] {
  return Object.entries(group.state);
}

/**
 * Every tensor on the device that a run needs to go on, by a name that stands in no need of the
 * grouping: trained values, what the optimizer remembers of each, and the loss scale. State of another
 * layout than the values (quantized moments, a group's scalars) goes as it is, by the group.
 */
export function runTensors(
  trained: ReadonlyMap<string, Tensor>,
  groups: readonly ParameterGroup[],
  { scaler }: StepState,
): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  if (scaler) tensors.set(scaler.name, scaler);
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

function makeGroup(row: number, tensors: Member[], rule: ParameterRule): ParameterGroup {
  const { grouping, alignment } = rule.optimizer;
  let bytes = 0;
  const members = tensors.map(([name, member]) => {
    const offset = bytes;
    bytes += grouping === "tensor" ? bytesOf(member) : aligned(member, alignment);
    return { name, tensor: member, offset };
  });
  const name = grouping === "tensor" ? tensors[0][0] : `group ${row}`;
  const shape = grouping === "tensor" ? tensors[0][1].shape : [bytes / 4];
  const group: ParameterGroup = {
    ...rule,
    name,
    row,
    value: tensor(`${name} values`, [bytes / 4], "f32", "trained"),
    gradient: tensor(`${name} gradients`, [bytes / 4], "f32", "gradient"),
    state: rule.optimizer.state({ name, size: bytes / 4, shape }),
    members,
  };
  for (const { tensor: member, offset } of members) {
    member.view = { of: group.value, offset };
    member.gradient = tensor(`${member.name} gradient`, member.shape, "f32", "gradient");
    member.gradient.view = { of: group.gradient, offset };
  }
  return group;
}

function aligned(member: Tensor, alignment: number): number {
  return Math.ceil(bytesOf(member) / alignment) * alignment;
}

/** Whether weight decay applies, as in the Hugging Face Trainer: not to biases and norms. */
export function decays(name: string): boolean {
  return !/bias|layernorm|rmsnorm|(^|\.)norm($|\.)|_norm($|\.)/.test(name.toLowerCase());
}
