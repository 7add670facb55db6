// Learning rate schedules, as factors of the configured rate; the formulas are those of
// transformers' optimization.py, so that step k of a run has the rate it has there.

/** Factor of the learning rate at optimizer step `step` (from 0) of `total`. */
export type Schedule = (step: number, total: number) => number;

const decays: Record<string, (progress: number) => number> = {
  cosine: (progress) => Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress))),
  linear: (progress) => Math.max(0, 1 - progress),
  constant: () => 1,
  constant_with_warmup: () => 1,
};

export const scheduleNames = Object.keys(decays);

/** A schedule by its YAML name, with a linear warmup in front (`constant` too, when it has one). */
export function schedule(name: string, warmupSteps: number): Schedule {
  const decay = decays[name];
  return (step, total) => {
    if (step < warmupSteps) return step / Math.max(1, warmupSteps);
    return decay((step - warmupSteps) / Math.max(1, total - warmupSteps));
  };
}

/** Axolotl's rule: given steps, else a share of all steps, else 3 % but at most 100. */
export function warmupSteps(
  config: { warmup_steps?: number; warmup_ratio?: number },
  total: number,
): number {
  if (config.warmup_steps !== undefined) return config.warmup_steps;
  if (config.warmup_ratio !== undefined) return Math.trunc(config.warmup_ratio * total);
  return Math.min(Math.trunc(0.03 * total), 100);
}
