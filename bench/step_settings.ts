// What both sides of the step contest share: the model, the batch size, the settings of the optimizer.

import type { ModelShape } from "../src/model/architecture.ts";
import type { Contestant } from "./timing.ts";

export const shape: ModelShape = {
  architecture: "LlamaForCausalLM",
  vocabulary: 1024,
  width: 256,
  layers: 4,
  heads: 8,
  keyHeads: 8,
  headWidth: 32,
  feedForward: 688,
  normEpsilon: 1e-5,
  rope: { theta: 10000, scaling: { kind: "none" } },
  tied: true,
  biases: { qkv: false, output: false, feedForward: false },
  positions: 256,
  initializerRange: 0.02,
  endTokens: [],
};
export const batch = 2;
export const length = 256;
export const lora = { rank: 8, alpha: 16, dropout: 0, targets: [] as string[], allLinear: true };
export const optimizer = {
  learningRate: 1e-3,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.01,
  maxGradNorm: 1,
};

/** What a step starts from, by the names that the tensors have in a model file or in PEFT's. */
export interface Start {
  frozen: Map<string, { shape: readonly number[]; values: Float32Array<ArrayBuffer> }>;
  trained: Start["frozen"];
  /** [batch · length] each. */
  tokens: Uint32Array<ArrayBuffer>;
  targets: Int32Array<ArrayBuffer>;
}

/** A contestant that takes training steps. */
export interface StepContestant extends Contestant {
  /** Losses of the first `count` steps after the start. */
  firstLosses(count: number): Promise<number[]>;
}
