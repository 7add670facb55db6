// Twin of src/graph/operations/dropout.ts.

import { stepWords } from "../../src/graph/step_scalars.ts";
import { philox } from "../../src/random.ts";
import { type Dense, dense } from "./dense.ts";

/** (x [any], step) to x with elements dropped and the rest scaled by 1 / (1 − p). */
export function dropout(
  [x, step]: Dense[],
  { probability, salt }: { probability: number; salt: number },
): [Dense] {
  const key = [step.data[stepWords.SEED_LOW], step.data[stepWords.SEED_HIGH]] as const;
  const microStep = step.data[stepWords.MICRO_STEP];
  const y = x.data.map((value, i) => {
    const words = philox([Math.floor(i / 4), salt, microStep, 0], key);
    return words[i % 4] / 2 ** 32 >= probability ? value / (1 - probability) : 0;
  });
  return [dense(x.shape, y)];
}
