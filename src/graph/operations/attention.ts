// Flash attention, forward and backward; see shaders/attention.wgsl.

import source from "../../../shaders/attention.wgsl" with { type: "text" };
import { assert, EftError } from "../../errors.ts";
import type { Dispatch, Operation } from "../graph.ts";
import type { Limits } from "../limits.ts";
import { expandWgsl } from "../wgsl.ts";
import { linearDispatch, literal, read, write } from "./kernel.ts";

export interface Attention {
  batch: number;
  heads: number;
  /** Key/value heads; divides `heads`. */
  keyHeads: number;
  /** Keys and values are a cache, and `bounds` holds positions instead of segment starts. */
  cached?: boolean;
}

/** (q [B·T, H·D], k, v [B·S, K·D], bounds [B·T]) to (o [B·T, H·D], lse [B·T, H]). */
export const attention: Operation<Attention> = {
  name: "attention",
  infer([q, k, v], { batch, heads, keyHeads }) {
    const width = q.shape[1] / heads;
    if (width % 4 !== 0) {
      throw new EftError("model", `Head width ${width} is not a multiple of 4.`);
    }
    assert(heads % keyHeads === 0, "attention: heads must be a multiple of key/value heads");
    assert(k.shape[1] === keyHeads * width && v.shape[1] === k.shape[1], "attention: key width");
    assert(q.shape[0] % batch === 0 && k.shape[0] % batch === 0, "attention: batch");
    return [
      { name: "attended", shape: q.shape, dtype: q.dtype },
      { name: "lse", shape: [q.shape[0], heads] },
    ];
  },
  gradient(context) {
    const inputs = [
      ...[0, 1, 2, 3].map(context.input),
      context.output(0),
      context.output(1),
      context.outputGradient(0)!,
    ];
    const gradients = context.graph.add(attentionBackward, inputs, context.attributes);
    for (const i of [0, 1, 2]) if (context.needs(i)) context.contribute(i, gradients[i]);
  },
  lower({ inputs: [q, k, v, bounds], outputs: [o, lse], attributes }, limits) {
    const shape = shapeOf(q.shape, k.shape, attributes);
    const bindings = [read(q), read(k), read(v), read(bounds), write(o), write(lse)];
    return [attentionDispatch("forward", shape, limits, bindings, 4)];
  },
};

/** (q, k, v, bounds, o, lse, dO) to (dQ, dK, dV). */
const attentionBackward: Operation<Attention> = {
  name: "attentionBackward",
  infer([q, k, v], { heads, cached }) {
    assert(!cached, "attention over a cache has no gradient");
    return [
      { name: "dq", shape: q.shape, dtype: q.dtype },
      { name: "dk", shape: k.shape, dtype: k.dtype },
      { name: "dv", shape: v.shape, dtype: v.dtype },
      // The log-sum-exp and delta of each row side by side: kernels get along with eight bindings.
      { name: "attentionRows", shape: [q.shape[0], heads, 2], role: "workspace" },
    ];
  },
  lower({ inputs: [q, k, v, bounds, o, lse, dout], outputs, attributes }, limits) {
    const [dq, dk, dv, rows] = outputs;
    const shape = shapeOf(q.shape, k.shape, attributes);
    const { B, T, H } = shape;
    const common = [read(q), read(k), read(v), read(bounds), read(rows), read(dout)];
    const delta = [read(o), read(dout), read(lse), write(rows)];
    return [
      linearDispatch("attentionDelta", source, B * T * H, delta, {
        ...shape,
        KERNEL: "delta",
      }),
      attentionDispatch("queries", shape, limits, [...common, write(dq)], 6),
      attentionDispatch("keys", shape, limits, [...common, write(dk), write(dv)], 8),
    ];
  },
};

function shapeOf(q: readonly number[], k: readonly number[], attributes: Attention) {
  const { batch: B, heads: H, keyHeads: K, cached: CACHED = false } = attributes;
  return { B, T: q[0] / B, S: k[0] / B, H, K, D: q[1] / H, CACHED };
}

function attentionDispatch(
  KERNEL: "forward" | "queries" | "keys",
  shape: ReturnType<typeof shapeOf>,
  limits: Limits,
  bindings: Dispatch["bindings"],
  flopsPerPair: number,
): Dispatch {
  const { B, T, S, H, K, D } = shape;
  const STAGE = !limits.software;
  const LANES = limits.software ? 8 : 64;
  // On a CPU adapter a load costs far more than the arithmetic on it, so a thread reads a key (or a
  // query) once for several rows of its own. Workgroup memory is no faster than a buffer there, and
  // the time to compile grows with loads times live values: fewer rows of a wide head, chunks of one.
  const rowsPerThread = D <= 32 ? 4 : 2;
  const rows = KERNEL === "keys" ? S : T;
  const ROWS = STAGE ? 1 : Math.min(rowsPerThread, Math.ceil(rows / LANES));
  const CHUNK = STAGE ? 4 : 1;
  const room = Math.floor(limits.maxWorkgroupStorage / (2 * D * 4));
  const TILE = STAGE ? Math.max(CHUNK, Math.min(32, room - room % CHUNK)) : 8;
  const heads = KERNEL === "keys" ? K : H;
  const SCALE = literal(1 / Math.sqrt(D));
  return {
    label: `attention.${KERNEL}`,
    source: expandWgsl(source, { ...shape, KERNEL, STAGE, LANES, TILE, CHUNK, ROWS, SCALE }),
    workgroups: [Math.ceil(rows / (LANES * ROWS)), heads, B],
    bindings,
    flops: flopsPerPair * B * H * T * S * D / (shape.CACHED ? 1 : 2),
  };
}
