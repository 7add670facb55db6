// Two operations for tests of gradients: `variable` gives an activation whose gradient can be read,
// and `seedGradient` starts the backward pass with any output gradient. Together with them an operation
// is differentiated as the engine does it.

import type { Dispatch, DType, Operation, Tensor } from "../../../src/graph/graph.ts";
import { sizeOf } from "../../../src/graph/graph.ts";
import { linearDispatch, read, write } from "../../../src/graph/operations/kernel.ts";

const source = `
@group(0) @binding(0) var<storage, read> x: array<f32, $N>;
@group(0) @binding(1) var<storage, read_write> y: array<f32, $N>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * \${GROUPS_X}u + group.x) * 64u + local;
  if (i < \${N}u) { y[i] = \${FORMER}x[i]; }
}
`;

function copy(x: Tensor, y: Tensor, accumulate: boolean): Dispatch[] {
  const values = { N: sizeOf(x), FORMER: accumulate ? "y[i] + " : "" };
  return [linearDispatch("copy", source, sizeOf(x), [read(x), write(y)], values)];
}

/** (trained value) to an activation of equal content; its gradient is added to the value's. */
export const variable: Operation<{ dtype?: DType }> = {
  name: "variable",
  infer: ([value], { dtype }) => [{ name: `${value.name} activation`, shape: value.shape, dtype }],
  gradient(context) {
    const into = context.destination(0)!;
    context.graph.add(addInto, [context.outputGradient(0)!], { into });
  },
  lower: ({ inputs: [value], outputs: [y] }) => copy(value, y, false),
};

const addInto: Operation<{ into: Tensor }> = {
  name: "addInto",
  infer: (_, { into }) => [{ name: into.name, shape: into.shape, into }],
  lower: ({ inputs: [x], outputs: [y] }) => copy(x, y, true),
};

/** (y, gradient): the loss sum(y·gradient), whose gradient by y is the second input. */
export const seedGradient: Operation<Record<never, never>> = {
  name: "seedGradient",
  startsGradient: true,
  infer: ([y]) => [{ name: `${y.name} seed`, shape: y.shape, dtype: y.dtype }],
  gradient: (context) => context.contribute(0, context.output(0)),
  lower: ({ inputs: [, gradient], outputs: [y] }) => copy(gradient, y, false),
};
