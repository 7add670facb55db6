// Choosing the next token from logits: greedy, or drawn after temperature, top-k and top-p.

import type { RandomStream } from "../random.ts";

export interface Sampling {
  /** 0 is greedy. */
  temperature: number;
  /** Keep the k most probable tokens; 0 keeps all. */
  topK: number;
  /** Keep the most probable tokens that together reach this probability; 1 keeps all. */
  topP: number;
}

export const greedy: Sampling = { temperature: 0, topK: 0, topP: 1 };

/** Index of the chosen token. Ties go to the lower index, so that greedy is reproducible. */
export function sample(logits: Float32Array, sampling: Sampling, random: RandomStream): number {
  if (sampling.temperature <= 0) return argmax(logits);
  const order = Uint32Array.from(logits, (_, i) => i);
  order.sort((a, b) => logits[b] - logits[a] || a - b);
  const kept = sampling.topK > 0 ? Math.min(sampling.topK, order.length) : order.length;
  const top = logits[order[0]];
  const weights = new Float64Array(kept);
  let total = 0;
  for (let i = 0; i < kept; i++) {
    total += weights[i] = Math.exp((logits[order[i]] - top) / sampling.temperature);
  }
  // The nucleus: the shortest head of the ranking whose probability reaches topP.
  let nucleus = 0;
  let count = 0;
  while (count < kept && nucleus < sampling.topP * total) nucleus += weights[count++];
  let at = random.uniform() * nucleus;
  for (let i = 0; i < count; i++) {
    at -= weights[i];
    if (at < 0) return order[i];
  }
  return order[count - 1];
}

function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}
