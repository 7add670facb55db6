// The model and the step of bench/step.ts written in jax-js, as its own examples write a model. jax-js
// counts references: a use of an array that is not its last one says `.ref`.

import {
  blockUntilReady,
  defaultDevice,
  type Device,
  jit,
  nn,
  numpy as np,
  valueAndGrad,
} from "@jax-js/jax";
import { ropeTable } from "../../src/model/architecture.ts";
import {
  batch,
  length,
  lora,
  optimizer,
  shape,
  type Start,
  type StepContestant,
} from "../step_settings.ts";
import { array, useJax } from "./jax.ts";

type Weights = Record<string, np.Array>;
/** A batch, and what is constant for all steps. */
type Batch = {
  tokens: np.Array;
  targets: np.Array;
  /** One where a target counts, else zero: the wasm backend's oneHot fails on negative ones. */
  counted: np.Array;
  cosines: np.Array;
  sines: np.Array;
};
type Moments = { first: Weights; second: Weights };
/** Learning rate and the bias corrections of the two moments. */
type Scalars = { rate: np.Array; bias1: np.Array; bias2: np.Array };

const { width, heads, headWidth, normEpsilon, vocabulary } = shape;

export async function jaxStep(device: Device, start: Start): Promise<StepContestant> {
  await useJax(device);
  const arrays = (values: Start["frozen"]): Weights =>
    Object.fromEntries(
      [...values].map(([name, { shape, values }]) => [name, array(values, [...shape])]),
    );
  const zeros = () =>
    Object.fromEntries([...start.trained].map(([name, { shape }]) => [name, np.zeros([...shape])]));
  const frozen = arrays(start.frozen);
  const constants = batchOf(start);
  let trained = arrays(start.trained);
  let moments: Moments = { first: zeros(), second: zeros() };
  let steps = 0;
  const compiled = jit(trainingStep);

  const step = async (): Promise<np.Array> => {
    steps++;
    const scalars: Scalars = {
      rate: np.array(optimizer.learningRate),
      bias1: np.array(1 - optimizer.beta1 ** steps),
      bias2: np.array(1 - optimizer.beta2 ** steps),
    };
    const result = compiled(trained, moments, shared(frozen), shared(constants), scalars);
    [trained, moments] = [result.trained, result.moments];
    // One step at a time: running ahead makes jax-js slower (its issue 151).
    await blockUntilReady([result.loss, ...Object.values(trained)]);
    return result.loss;
  };
  return {
    name: `jax-js ${device}`,
    async run(count) {
      defaultDevice(device);
      for (let i = 0; i < count; i++) (await step()).dispose();
    },
    async firstLosses(count) {
      const losses: number[] = [];
      for (let i = 0; i < count; i++) losses.push((await (await step()).data())[0]);
      return losses;
    },
    release() {
      const { first, second } = moments;
      for (const group of [trained, first, second, frozen, constants]) {
        for (const value of Object.values(group)) value.dispose();
      }
      compiled.dispose();
    },
  };
}

/** Another reference to every array. */
function shared<Group extends Record<string, np.Array>>(group: Group): Group {
  return Object.fromEntries(
    Object.entries(group).map(([name, value]) => [name, value.ref]),
  ) as Group;
}

function batchOf({ tokens, targets }: Start): Batch {
  const half = headWidth / 2;
  const table = ropeTable(shape, length);
  // The halves of a head as an axis of two: y = x·cos + flip(x)·(−sin, sin).
  const cosines = new Float32Array(length * half);
  const sines = new Float32Array(length * 2 * half);
  for (let t = 0; t < length; t++) {
    for (let i = 0; i < half; i++) {
      cosines[t * half + i] = table[t * headWidth + i];
      const sine = table[t * headWidth + half + i];
      sines[t * 2 * half + i] = -sine;
      sines[t * 2 * half + half + i] = sine;
    }
  }
  return {
    tokens: np.array(Int32Array.from(tokens)).reshape([batch, length]),
    targets: np.array(targets.map((target) => Math.max(target, 0))).reshape([batch, length]),
    counted: array(Float32Array.from(targets, (target) => target < 0 ? 0 : 1), [batch, length, 1]),
    cosines: array(cosines, [1, length, 1, 1, half]),
    sines: array(sines, [1, length, 1, 2, half]),
  };
}

/** Forward, backward, clipping by the global norm, AdamW. */
function trainingStep(
  trained: Weights,
  { first, second }: Moments,
  frozen: Weights,
  constants: Batch,
  { rate, bias1, bias2 }: Scalars,
) {
  const loss = (values: Weights) => modelLoss(values, frozen, constants);
  const [value, gradients] = valueAndGrad(loss)(shared(trained)) as [np.Array, Weights];
  const norm = np.sqrt(
    Object.values(gradients).map((gradient) => np.square(gradient.ref).sum()).reduce(
      (sum, square) => sum.add(square),
    ),
  );
  const clip = np.minimum(np.array(optimizer.maxGradNorm).div(norm.add(1e-6)), 1);
  const { beta1, beta2, epsilon, weightDecay } = optimizer;
  const next = { trained: {} as Weights, first: {} as Weights, second: {} as Weights };
  for (const name of Object.keys(trained)) {
    const gradient = gradients[name].mul(clip.ref);
    const moment1 = first[name].mul(beta1).add(gradient.ref.mul(1 - beta1));
    const moment2 = second[name].mul(beta2).add(np.square(gradient).mul(1 - beta2));
    const corrected = np.sqrt(moment2.ref.div(bias2.ref)).add(epsilon);
    const change = moment1.ref.div(bias1.ref).div(corrected);
    const decayed = trained[name].mul(np.array(1).sub(rate.ref.mul(weightDecay)));
    next.trained[name] = decayed.sub(change.mul(rate.ref));
    next.first[name] = moment1;
    next.second[name] = moment2;
  }
  for (const scalar of [clip, rate, bias1, bias2]) scalar.dispose();
  const moments = { first: next.first, second: next.second };
  return { loss: value, trained: next.trained, moments };
}

/** Mean cross entropy of the next tokens. */
function modelLoss(trained: Weights, frozen: Weights, constants: Batch): np.Array {
  const { tokens, targets, counted, cosines, sines } = constants;
  const linear = (x: np.Array, path: string): np.Array => {
    const down = trained[`base_model.model.${path}.lora_A.weight`];
    const up = trained[`base_model.model.${path}.lora_B.weight`];
    const y = np.matmul(x.ref, np.transpose(frozen[`${path}.weight`].ref));
    const low = np.matmul(np.matmul(x, np.transpose(down)), np.transpose(up));
    return y.add(low.mul(lora.alpha / lora.rank));
  };
  const norm = (x: np.Array, name: string): np.Array => {
    const square = np.square(x.ref).mean(-1, { keepdims: true });
    return x.div(np.sqrt(square.add(normEpsilon))).mul(frozen[name].ref);
  };
  const rotate = (x: np.Array): np.Array => {
    const halves = x.reshape([batch, length, heads, 2, headWidth / 2]);
    const turned = np.flip(halves.ref, 3).mul(sines.ref).add(halves.mul(cosines.ref));
    return turned.reshape([batch, length, heads, headWidth]);
  };

  const table = frozen["model.embed_tokens.weight"];
  let x = np.take(table.ref, tokens.ref, 0);
  for (let layer = 0; layer < shape.layers; layer++) {
    const path = `model.layers.${layer}`;
    const attention = `${path}.self_attn`;
    const normed = norm(x.ref, `${path}.input_layernorm.weight`);
    const split = (name: string) =>
      linear(normed.ref, `${attention}.${name}`).reshape([batch, length, heads, headWidth]);
    const [q, k, v] = [rotate(split("q_proj")), rotate(split("k_proj")), split("v_proj")];
    normed.dispose();
    const attended = nn.dotProductAttention(q, k, v, { isCausal: true });
    x = x.add(linear(attended.reshape([batch, length, width]), `${attention}.o_proj`));
    const hidden = norm(x.ref, `${path}.post_attention_layernorm.weight`);
    const gate = nn.silu(linear(hidden.ref, `${path}.mlp.gate_proj`));
    const gated = gate.mul(linear(hidden, `${path}.mlp.up_proj`));
    x = x.add(linear(gated, `${path}.mlp.down_proj`));
  }
  const logits = np.matmul(norm(x, "model.norm.weight"), np.transpose(table.ref));
  const wanted = nn.oneHot(targets.ref, vocabulary).mul(counted.ref);
  return nn.logSoftmax(logits).mul(wanted).sum().mul(-1 / (batch * (length - 1)));
}
