// TensorFlow.js with its WebGPU backend.

import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-webgpu";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { Readable } from "../ours.ts";

let started: Promise<WebGPUBackend> | undefined;

async function start(): Promise<WebGPUBackend> {
  if (!await tf.setBackend("webgpu")) throw new Error("tfjs has no webgpu backend here");
  await tf.ready();
  return tf.backend() as WebGPUBackend;
}

/** a·b, or a·bᵀ. */
export async function tfjsMatmul(
  a: Float32Array,
  b: Float32Array,
  size: number,
  transposed: boolean,
): Promise<Readable> {
  const backend = await (started ??= start());
  const left = tf.tensor2d(a, [size, size]);
  const right = tf.tensor2d(b, [size, size]);
  const multiply = () => tf.matMul(left, right, false, transposed);
  return {
    name: "tfjs",
    async run(count) {
      for (let i = 0; i < count; i++) multiply().dispose();
      backend.ensureCommandEncoderReady();
      backend.endComputePassEncoder();
      backend.submitQueue();
      await backend.device.queue.onSubmittedWorkDone();
    },
    async read() {
      const product = multiply();
      const values = await product.data<"float32">();
      product.dispose();
      return values;
    },
    release() {
      left.dispose();
      right.dispose();
    },
  };
}
