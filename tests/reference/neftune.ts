// Twin of src/graph/operations/neftune.ts.

import { stepWords } from "../../src/graph/step_scalars.ts";
import { philox } from "../../src/random.ts";
import { type Dense, dense } from "./dense.ts";

/** (x [M, C], step) to x with uniform noise of at most `size`. */
export function neftune([x, step]: Dense[], { size }: { size: number }): [Dense] {
  const { MICRO_STEP, SEED_LOW, SEED_HIGH } = stepWords;
  const key: [number, number] = [step.data[SEED_LOW], step.data[SEED_HIGH]];
  const y = x.data.map((value, i) => {
    const words = philox([Math.floor(i / 4), 0, step.data[MICRO_STEP], 1], key);
    return value + size * ((words[i % 4] >>> 8) * 2 ** -23 - 1);
  });
  return [dense(x.shape, y)];
}
