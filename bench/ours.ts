// Our side of a contest: a graph planned and compiled as a training run does it.

import type { Device } from "../src/gpu/device.ts";
import { Memory } from "../src/gpu/program.ts";
import { Graph, sizeOf, type Tensor } from "../src/graph/graph.ts";
import { plan } from "../src/graph/plan.ts";
import { RandomStream } from "../src/random.ts";
import type { Contestant } from "./timing.ts";

/** A contestant whose result can be looked at. */
export interface Readable extends Contestant {
  /** The result of the last run. */
  read(): Promise<Float32Array>;
}

/** A graph of which `build` returns the tensor to look at; `values` fills its inputs. */
export async function graphContestant(
  device: Device,
  name: string,
  build: (graph: Graph) => Tensor,
  values: ReadonlyMap<Tensor, ArrayBufferView<ArrayBuffer>>,
): Promise<Readable> {
  const memory = new Memory(device);
  const graph = new Graph();
  const result = build(graph);
  if (result.role === "activation") graph.result(result);
  const [program] = await memory.compile([plan(name, graph, device.limits)]);
  for (const [tensor, data] of values) memory.write(tensor, data);
  return {
    name,
    async run(count) {
      for (let i = 0; i < count; i++) program.run();
      await device.gpu.queue.onSubmittedWorkDone();
      device.check();
    },
    async read() {
      const [bytes] = await memory.read([{ tensor: result, program }]);
      return new Float32Array(bytes, 0, sizeOf(result));
    },
    release: () => memory.destroy(),
  };
}

/** Normal numbers, the same in every run. */
export function normals(count: number, stream: number): Float32Array<ArrayBuffer> {
  const random = new RandomStream(1, stream);
  return Float32Array.from({ length: count }, () => random.normal());
}
