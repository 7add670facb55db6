// Taking the loss scale out of gradients; see shaders/unscale.wgsl.

import source from "../../../shaders/unscale.wgsl" with { type: "text" };
import { type Operation, sizeOf, type Tensor } from "../graph.ts";
import { rowShards } from "../limits.ts";
import { linearDispatch, read, widthOf, write } from "./kernel.ts";

/** (norm, as `gradientNorm` with a scaler makes it) applied to the gradients `into` [N]. */
export const unscale: Operation<{ into: Tensor }> = {
  name: "unscale",
  infer(_, { into }) {
    return [{ name: into.name, shape: into.shape, into }];
  },
  lower({ inputs: [norm], outputs: [gradient] }, limits) {
    return rowShards(sizeOf(gradient), 4, limits).map(({ rows: N, offset, bytes }) => {
      const WIDTH = widthOf(N);
      const bindings = [read(norm), write(gradient, offset, bytes)];
      return linearDispatch("unscale", source, N / WIDTH, bindings, { N, WIDTH });
    });
  },
};
