// Twins of src/graph/operations/token_rows.ts, and of the head's variants in head_loss.ts.

import { type Dense, dense } from "./dense.ts";
import { headLoss } from "./head_loss.ts";

/** (x [M, C], rows [n, C], tokens [M], slots [V]) to x, with the rows of tokens that have one. */
export function replaceRows([x, rows, tokens, slots]: Dense[], _: unknown): [Dense] {
  const C = x.shape[1];
  const y = dense(x.shape, x.data);
  for (let m = 0; m < x.shape[0]; m++) {
    const slot = slots.data[tokens.data[m]];
    if (slot >= rows.shape[0]) continue;
    for (let c = 0; c < C; c++) y.data[m * C + c] = rows.data[slot * C + c];
  }
  return [y];
}

/** `headLoss` of logits hidden·headᵀ + narrow·upᵀ. */
export function headLossLowRank(
  [hidden, head, targets, step, narrow, up]: Dense[],
  _: unknown,
): [Dense] {
  const wide = (left: Dense, right: Dense) => {
    const [M, C] = left.shape;
    const R = right.shape[1];
    const both = dense([M, C + R]);
    for (let m = 0; m < M; m++) {
      both.data.set(left.data.subarray(m * C, (m + 1) * C), m * (C + R));
      both.data.set(right.data.subarray(m * R, (m + 1) * R), m * (C + R) + C);
    }
    return both;
  };
  return headLoss([wide(hidden, narrow), wide(head, up), targets, step], {});
}

/** `headLoss` with some rows of the head replaced. */
export function headLossRows(
  [hidden, head, targets, step, rows, index]: Dense[],
  _: unknown,
): [Dense] {
  const C = head.shape[1];
  const whole = dense(head.shape, head.data);
  index.data.forEach((token, i) =>
    whole.data.set(rows.data.subarray(i * C, (i + 1) * C), token * C)
  );
  return headLoss([hidden, whole, targets, step], {});
}
