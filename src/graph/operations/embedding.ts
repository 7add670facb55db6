// Token embedding and its gradient; see shaders/embedding.wgsl.

import source from "../../../shaders/embedding.wgsl" with { type: "text" };
import { bytesPerElement, type Operation, type Tensor } from "../graph.ts";
import { rowShards } from "../limits.ts";
import { linearDispatch, read, write } from "./kernel.ts";

interface Embedding {
  /** Positions sorted by token, [M], and the starts of their runs, [M + 1]: for the gradient. */
  sorted?: { order: Tensor; runs: Tensor };
}

/** (table [V, C], tokens [M]) to x [M, C]. */
export const embedding: Operation<Embedding> = {
  name: "embedding",
  infer([table, tokens]) {
    return [{ name: "embedded", shape: [tokens.shape[0], table.shape[1]] }];
  },
  gradient(context) {
    const into = context.destination(0)!;
    const { order, runs } = context.attributes.sorted!;
    const inputs = [context.input(1), order, runs, context.outputGradient(0)!];
    context.graph.add(embeddingBackward, inputs, { into });
  },
  lower({ inputs: [table, tokens], outputs: [x] }, limits) {
    const [V, C] = table.shape;
    const M = tokens.shape[0];
    const TABLE = table.dtype;
    return rowShards(V, C * bytesPerElement(table.dtype), limits).map((shard) => {
      const values = { KERNEL: "forward", TABLE, M, C, FIRST: shard.row, ROWS: shard.rows };
      const bindings = [read(table, shard.offset, shard.bytes), read(tokens), write(x)];
      return linearDispatch("embedding", source, M * C, bindings, values);
    });
  },
};

/** (tokens, order, runs, dx) added to the table's gradient `into`. */
const embeddingBackward: Operation<{ into: Tensor }> = {
  name: "embeddingBackward",
  infer(_, { into }) {
    return [{ name: into.name, shape: into.shape, into }];
  },
  lower({ inputs: [tokens, order, runs, dx], outputs: [gradient] }, limits) {
    const [V, C] = gradient.shape;
    const M = tokens.shape[0];
    return rowShards(V, C * 4, limits).map((shard) => {
      const values = { KERNEL: "backward", M, C, FIRST: shard.row, ROWS: shard.rows };
      const bindings = [read(tokens), read(order), read(runs), read(dx)];
      bindings.push(write(gradient, shard.offset, shard.bytes));
      return linearDispatch("embeddingBackward", source, M * C, bindings, values);
    });
  },
};
