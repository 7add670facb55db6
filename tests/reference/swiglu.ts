// Twin of src/graph/operations/swiglu.ts.

import { type Dense, dense } from "./dense.ts";

/** (gate, up) of equal shapes to gate·sigmoid(gate)·up. */
export function swiglu([gate, up]: Dense[], _: unknown): [Dense] {
  return [dense(gate.shape, gate.data.map((g, i) => g / (1 + Math.exp(-g)) * up.data[i]))];
}
