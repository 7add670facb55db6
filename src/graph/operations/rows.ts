// Moving rows: the last token of each prompt, and new keys and values into the cache.

import source from "../../../shaders/rows.wgsl" with { type: "text" };
import { type Operation, sizeOf, type Tensor } from "../graph.ts";
import { linearDispatch, read, write } from "./kernel.ts";

/** (x [M, C], index [R]) to the rows [R, C]. */
export const gatherRows: Operation<Record<never, never>> = {
  name: "gatherRows",
  infer([x, index]) {
    return [{ name: "gathered", shape: [index.shape[0], x.shape[1]] }];
  },
  lower({ inputs: [x, index], outputs: [y] }) {
    const [M, C] = x.shape;
    const R = index.shape[0];
    const values = { KERNEL: "gather", M, C, R, OUT: R * C, S: 0, T: 1 };
    return [linearDispatch("gatherRows", source, R * C, [read(x), read(index), write(y)], values)];
  },
};

/** (x [B·T, C], positions [B·T]) into rows of `into` [B·S, C]. */
export const writeCache: Operation<{ into: Tensor; batch: number }> = {
  name: "writeCache",
  infer(_, { into }) {
    return [{ name: into.name, shape: into.shape, into }];
  },
  lower({ inputs: [x, positions], outputs: [cache], attributes: { batch } }) {
    const [M, C] = x.shape;
    const values = {
      KERNEL: "cache",
      M,
      C,
      R: M,
      OUT: sizeOf(cache),
      S: cache.shape[0] / batch,
      T: M / batch,
    };
    const bindings = [read(x), read(positions), write(cache)];
    return [linearDispatch("writeCache", source, M * C, bindings, values)];
  },
};
