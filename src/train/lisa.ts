// LISA (Pan et al. 2024, arXiv:2403.17919): full fine-tuning of a few blocks at a time. Embeddings,
// the last norm and the head always train; which blocks train beside them is drawn anew every
// `lisa_step_interval` steps, from the seed and the number of the step alone.
//
// A step computes gradients of the active blocks only: its programs are made again when others are
// chosen, from kernels that are compiled already. A resting block keeps its optimizer's state and
// count of steps, as in PyTorch.

import { RandomStream } from "../random.ts";

/** Streams of random numbers for the choices begin here; see `RandomStream`. */
const firstStream = 0x4000;

export interface LisaSettings {
  layers: number;
  interval: number;
  seed: number;
}

/** The blocks, rising, that train in optimizer step `step` (from 0) of a model of `blocks`. */
export function activeBlocks(step: number, blocks: number, settings: LisaSettings): number[] {
  const random = new RandomStream(
    settings.seed,
    firstStream + Math.floor(step / settings.interval),
  );
  const order = random.shuffle(Array.from({ length: blocks }, (_, i) => i));
  return order.slice(0, settings.layers).sort((a, b) => a - b);
}

/** The block that a tensor of a model file belongs to. */
export function blockOf(name: string): number | undefined {
  const match = /^model\.layers\.(\d+)\./.exec(name);
  return match ? Number(match[1]) : undefined;
}
