// Twins of src/graph/operations/head_loss.ts.

import { stepWords } from "../../src/graph/step_scalars.ts";
import { type Dense, dense, stepFloat } from "./dense.ts";
import { linear } from "./matmul.ts";

/** (hidden [M, C], head [V, C], targets [M], step) to the loss of each row [M], 0 without a target. */
export function headLoss([hidden, head, targets, _step]: Dense[], _: unknown): [Dense] {
  const [logits] = linear([hidden, head], {});
  const [M, V] = logits.shape;
  const loss = dense([M]);
  for (let m = 0; m < M; m++) {
    const t = targets.data[m];
    if (t < 0) continue;
    const row = logits.data.subarray(m * V, (m + 1) * V);
    const top = row.reduce((a, b) => Math.max(a, b), -Infinity);
    const sum = row.reduce((total, z) => total + Math.exp(z - top), 0);
    loss.data[m] = top + Math.log(sum) - row[t];
  }
  return [loss];
}

/** (loss [M], step): the statistics [rows, 4] with scale·sum added to column 0 of the step's row. */
export function lossSum([loss, step]: Dense[], { into }: { into: Dense }): [Dense] {
  const statistics = dense(into.shape, into.data);
  const sum = loss.data.reduce((a, b) => a + b, 0);
  statistics.data[4 * step.data[stepWords.SLOT]] += stepFloat(step, stepWords.LOSS_SCALE) * sum;
  return [statistics];
}
