// The sampler against its definitions.

import assert from "node:assert/strict";
import { greedy, sample } from "../../src/infer/sampler.ts";
import { RandomStream } from "../../src/random.ts";

const logits = Float32Array.from([0, 2, 1, 2, -1]);

/** How often each token is drawn in `rounds`. */
function counts(sampling: Parameters<typeof sample>[1], rounds = 4000): number[] {
  const random = new RandomStream(7, 0);
  const found = new Array(logits.length).fill(0);
  for (let i = 0; i < rounds; i++) found[sample(logits, sampling, random)]++;
  return found;
}

Deno.test("greedy takes the best, the first of equals", () => {
  assert.equal(sample(logits, greedy, new RandomStream(1, 0)), 1);
});

Deno.test("temperature alone draws in proportion to exp(logit / T)", () => {
  const found = counts({ temperature: 2, topK: 0, topP: 1 });
  const weights = [...logits].map((l) => Math.exp(l / 2));
  const total = weights.reduce((a, b) => a + b);
  weights.forEach((weight, i) => {
    assert.ok(Math.abs(found[i] / 4000 - weight / total) < 0.03, `token ${i}: ${found}`);
  });
});

Deno.test("top-k and top-p keep the most probable", () => {
  const topTwo = counts({ temperature: 1, topK: 2, topP: 1 });
  assert.deepEqual(topTwo.map((n) => n > 0), [false, true, false, true, false]);
  const nucleus = counts({ temperature: 1, topK: 0, topP: 0.7 });
  assert.deepEqual(nucleus.map((n) => n > 0), [false, true, false, true, false]);
  const one = counts({ temperature: 1, topK: 0, topP: 1e-9 });
  assert.deepEqual(one.map((n) => n > 0), [false, true, false, false, false]);
});
