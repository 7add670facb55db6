// A device for tests, opened once per process, and a way to run a graph on plain arrays.

import { f16ToF32 } from "../src/files/dtype.ts";
import { denoHost } from "../src/host/deno.ts";
import { type Device, openDevice } from "../src/gpu/device.ts";
import { Memory } from "../src/gpu/program.ts";
import { Graph, sizeOf, type Tensor, tensor } from "../src/graph/graph.ts";
import { plan } from "../src/graph/plan.ts";

let opened: Promise<Device> | undefined;

export function testDevice(): Promise<Device> {
  opened ??= openDevice(denoHost()).then((device) => {
    // Given back while its threads can still be joined, not when the process is being torn down.
    addEventListener("unload", () => device.destroy());
    return device;
  });
  return opened;
}

export type Values = Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;

/** Builds a graph over the given tensors' values, runs it once, and reads the named results. */
export async function runGraph(
  values: Map<Tensor, Values>,
  build: (graph: Graph) => Tensor[],
  overrides: Partial<Device["limits"]> = {},
): Promise<Float32Array[]> {
  const device = await testDevice();
  const memory = new Memory(device);
  try {
    const graph = new Graph();
    const results = build(graph);
    for (const result of results) {
      if (result.role === "activation") graph.result(result);
    }
    const [program] = await memory.compile([
      plan("test", graph, { ...device.limits, ...overrides }),
    ]);
    for (const [target, data] of values) memory.write(target, data);
    program.run();
    const bytes = await memory.read(results.map((result) => ({ tensor: result, program })));
    device.check();
    return bytes.map((piece, i) =>
      results[i].dtype === "f16"
        ? f16ToF32(new Uint16Array(piece, 0, sizeOf(results[i])))
        : new Float32Array(piece, 0, sizeOf(results[i]))
    );
  } finally {
    memory.destroy();
  }
}

/** A trained tensor with a gradient of its own, not in any group. */
export function trainedTensor(name: string, shape: number[]): Tensor {
  const made = tensor(name, shape, "f32", "trained");
  made.gradient = tensor(`${name} gradient`, shape, "f32", "gradient");
  return made;
}
