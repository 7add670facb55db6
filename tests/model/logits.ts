// All logits of a model as the ordinary path loads it, for comparison with golden files.

import { openAdapter } from "../../src/adapter/load.ts";
import { parseConfig } from "../../src/config/config.ts";
import { bytesToF32 } from "../../src/files/dtype.ts";
import { openSafetensors } from "../../src/files/safetensors.ts";
import { Memory } from "../../src/gpu/program.ts";
import { Graph } from "../../src/graph/graph.ts";
import { plan } from "../../src/graph/plan.ts";
import { denoHost } from "../../src/host/deno.ts";
import { logitsOf as logitNode } from "../../src/model/adapted.ts";
import { batchInputs, forward } from "../../src/model/forward.ts";
import type { Model } from "../../src/model/model.ts";
import { loadWeights } from "../../src/model/weights.ts";
import { loadModel } from "../../src/train/session.ts";
import { testDevice } from "../device.ts";

export const host = denoHost();

/** A model on the test device; `folder` is its Hugging Face folder. */
export async function openModel(
  folder: string,
  options: { adapter?: string; positions?: number; keys?: string } = {},
): Promise<{ model: Model; memory: Memory }> {
  const device = await testDevice();
  const { config } = parseConfig(
    `base_model: ${folder}\ndatasets: [{path: none, type: alpaca}]\nlearning_rate: 1\n` +
      (options.keys ?? ""),
    "test.yml",
  );
  const { model, files } = await loadModel(
    host,
    config,
    device.limits,
    options.positions ?? 128,
    "infer",
  );
  const memory = new Memory(device);
  const adapter = options.adapter
    ? await openAdapter(host, options.adapter, model, files)
    : undefined;
  await loadWeights(memory, model, files!);
  await adapter?.load(memory);
  files!.close();
  return { model, memory };
}

/** Logits [B·T·V] of plain rows of one length. */
export async function logitsOf(
  { model, memory }: { model: Model; memory: Memory },
  rows: number[][],
): Promise<Float32Array> {
  const length = rows[0].length;
  const graph = new Graph();
  const inputs = batchInputs(rows.length, length);
  const hidden = forward(graph, model, { inputs });
  const logits = graph.result(logitNode(graph, model, hidden));
  const [program] = await memory.compile([plan("logits", graph, memory.device.limits)]);
  const tokens = Uint32Array.from(rows.flat());
  memory.write(inputs.tokens, tokens);
  memory.write(inputs.positions, tokens.map((_, i) => i % length));
  memory.write(inputs.starts, new Uint32Array(tokens.length));
  program.run();
  const [bytes] = await memory.read([{ tensor: logits, program }]);
  memory.forget([program]);
  return new Float32Array(bytes);
}

/** `input_ids` [B, T] and `logits` of a golden file. */
export async function readExpected(
  path: string,
): Promise<{ rows: number[][]; logits: Float32Array }> {
  const files = await openSafetensors(host, path);
  const ids = files.tensors.get("input_ids")!;
  const flat = [...new BigInt64Array((await ids.read()).buffer)].map(Number);
  const [count, length] = ids.shape;
  const rows = Array.from(
    { length: count },
    (_, i) => flat.slice(i * length, (i + 1) * length),
  );
  const logits = files.tensors.get("logits")!;
  const values = bytesToF32(await logits.read(), logits.dtype);
  files.close();
  return { rows, logits: values };
}

/** The largest absolute difference. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i] - b[i]);
    if (!(difference <= worst)) worst = difference;
  }
  return worst;
}
