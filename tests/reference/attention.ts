// Twin of src/graph/operations/attention.ts: softmax attention with the whole score row at once.

import { type Dense, dense } from "./dense.ts";

/**
 * (q [B·T, H·D], k, v [B·S, K·D], bounds [B·T]) to (o [B·T, H·D], lse [B·T, H]). Query t sees the
 * keys bounds_t .. t of its batch row, or with `cached` the keys 0 .. bounds_t.
 */
export function attention(
  [q, k, v, bounds]: Dense[],
  { batch, heads, keyHeads, cached }: {
    batch: number;
    heads: number;
    keyHeads: number;
    cached?: boolean;
  },
): [Dense, Dense] {
  const T = q.shape[0] / batch;
  const S = k.shape[0] / batch;
  const D = q.shape[1] / heads;
  const o = dense(q.shape);
  const lse = dense([q.shape[0], heads]);
  for (let row = 0; row < batch * T; row++) {
    const base = Math.floor(row / T) * S;
    const first = cached ? 0 : bounds.data[row];
    const last = cached ? bounds.data[row] : row % T;
    for (let h = 0; h < heads; h++) {
      const keyHead = Math.floor(h / (heads / keyHeads));
      const at = (row * heads + h) * D;
      const key = (j: number) => ((base + j) * keyHeads + keyHead) * D;
      const scores: number[] = [];
      for (let j = first; j <= last; j++) {
        let dot = 0;
        for (let d = 0; d < D; d++) dot += q.data[at + d] * k.data[key(j) + d];
        scores.push(dot / Math.sqrt(D));
      }
      const top = Math.max(...scores);
      const sum = scores.reduce((total, score) => total + Math.exp(score - top), 0);
      lse.data[row * heads + h] = top + Math.log(sum);
      scores.forEach((score, index) => {
        const p = Math.exp(score - top) / sum;
        for (let d = 0; d < D; d++) o.data[at + d] += p * v.data[key(first + index) + d];
      });
    }
  }
  return [o, lse];
}
