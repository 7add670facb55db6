// Learning rate schedules, as factors of the configured rate. The formulas are those of transformers'
// optimization.py, of PyTorch (one_cycle, reduce_lr_on_plateau) and of Axolotl (rex, the variants of
// cosine), so that step k of a run has the rate it has there.

/** Factor of the learning rate at optimizer step `step` (from 0) of `total`. */
export type Schedule = (step: number, total: number) => number;

/** What shapes a schedule beside its name and its warmup. */
export interface ScheduleSettings {
  /** `lr_scheduler_kwargs` */
  kwargs?: Record<string, unknown>;
  /** The run's highest rate, which arguments in absolute rates refer to. */
  learningRate?: number;
  quadraticWarmup?: boolean;
  /** Axolotl: cosine and rex end at this share of the rate. */
  minRatio?: number;
  /** Axolotl: the share of the run after which cosine stays at its minimum. */
  constantRatio?: number;
}

/** All that a schedule may look at. */
interface At extends Required<Pick<ScheduleSettings, "kwargs" | "learningRate">> {
  step: number;
  total: number;
  warmup: number;
  /** Share of the steps after the warmup that are done. */
  progress: number;
}

const number = (value: unknown, otherwise: number) => Number(value ?? otherwise);
const halfWave = (progress: number) => 0.5 * (1 + Math.cos(Math.PI * progress));
const linearWarmup = ({ step, warmup }: At) => step / Math.max(1, warmup);

/** After the warmup, which is linear. */
const decays: Record<string, (at: At) => number> = {
  constant_with_warmup: () => 1,
  linear: ({ progress }) => Math.max(0, 1 - progress),
  cosine: ({ progress, kwargs }) =>
    Math.max(0, halfWave(2 * number(kwargs.num_cycles, 0.5) * progress)),
  cosine_with_restarts: ({ progress, kwargs }) =>
    progress >= 1 ? 0 : Math.max(0, halfWave((number(kwargs.num_cycles, 1) * progress) % 1)),
  polynomial({ step, total, progress, kwargs, learningRate }) {
    const end = number(kwargs.lr_end, 1e-7);
    if (step > total) return end / learningRate;
    const left = (1 - progress) ** number(kwargs.power, 1);
    return ((learningRate - end) * left + end) / learningRate;
  },
  inverse_sqrt({ step, warmup, kwargs }) {
    const scale = number(kwargs.timescale, warmup || 10_000);
    return 1 / Math.sqrt((step + scale - warmup) / scale);
  },
  cosine_with_min_lr({ progress, kwargs, learningRate }) {
    const least = minimumRate(kwargs, learningRate);
    const wave = halfWave(2 * number(kwargs.num_cycles, 0.5) * progress);
    return Math.max(0, wave * (1 - least) + least);
  },
};

function minimumRate({ min_lr, min_lr_rate }: Record<string, unknown>, learningRate: number) {
  return min_lr === undefined || min_lr === null
    ? number(min_lr_rate, 0)
    : number(min_lr, 0) / learningRate;
}

/** Shapes of the ends of warmup_stable_decay, of the way done. */
const ends: Record<string, (done: number, cycles: number) => number> = {
  linear: (done) => 1 - done,
  cosine: (done, cycles) => halfWave(2 * cycles * done),
  "1-sqrt": (done) => 1 - Math.sqrt(done),
};

/** Schedules that say themselves how they begin. */
const whole: Record<string, (at: At) => number> = {
  cosine_warmup_with_min_lr({ step, total, warmup, kwargs, learningRate }) {
    const least = minimumRate(kwargs, learningRate);
    if (step < warmup) {
      const first = kwargs.warmup_lr_rate;
      if (first === undefined || first === null) return (step + 1) / Math.max(1, warmup);
      return number(first, 0) + (1 - number(first, 0)) * step / Math.max(1, warmup - 1);
    }
    const progress = (step - warmup + 1) / Math.max(1, total - warmup);
    const wave = halfWave(2 * number(kwargs.num_cycles, 0.5) * progress);
    return Math.max(0, wave * (1 - least) + least);
  },
  warmup_stable_decay({ step, total, warmup, kwargs }) {
    const least = number(kwargs.min_lr_ratio, 0);
    const cycles = number(kwargs.num_cycles, 0.5);
    const decay = number(kwargs.num_decay_steps, 0);
    const stable = number(kwargs.num_stable_steps, total - warmup - decay);
    const between = (factor: number) => Math.max(0, factor * (1 - least) + least);
    if (step < warmup) {
      const done = step / Math.max(1, warmup);
      const shape = ends[String(kwargs.warmup_type ?? "linear")];
      // The cosine of a warmup is a half wave whatever the cycles of the decay.
      return between(
        kwargs.warmup_type === "1-sqrt" ? 1 - Math.sqrt(1 - done) : 1 - shape(done, 0.5),
      );
    }
    if (step < warmup + stable) return 1;
    if (step >= warmup + stable + decay) return least;
    const done = (step - warmup - stable) / Math.max(1, decay);
    return between(ends[String(kwargs.decay_type ?? "cosine")](done, cycles));
  },
  /** Smith & Topin 2018, arXiv:1708.07120, as torch.optim.lr_scheduler.OneCycleLR. */
  one_cycle({ step, total, warmup, kwargs }) {
    const start = number(kwargs.pct_start, warmup / total);
    const first = 1 / number(kwargs.div_factor, 25);
    const last = first / number(kwargs.final_div_factor, 1e4);
    const linear = kwargs.anneal_strategy === "linear";
    const move = (from: number, to: number, share: number) =>
      linear ? (to - from) * share + from : to + (from - to) / 2 * (1 + Math.cos(Math.PI * share));
    const threePhases = kwargs.three_phase === true;
    const phases = threePhases
      ? [
        { end: start * total - 1, from: first, to: 1 },
        { end: 2 * start * total - 2, from: 1, to: first },
        { end: total - 1, from: first, to: last },
      ]
      : [{ end: start * total - 1, from: first, to: 1 }, { end: total - 1, from: 1, to: last }];
    let begin = 0;
    for (const [i, { end, from, to }] of phases.entries()) {
      if (step <= end || i === phases.length - 1) {
        return move(from, to, (step - begin) / (end - begin));
      }
      begin = end;
    }
    return last;
  },
};

/** Chen et al. 2021, arXiv:2107.04197; RexLR of Axolotl. */
function rex(step: number, total: number, warmup: number, least: number): number {
  const count = step + 1; // its count begins at 1
  if (count <= warmup) return count / warmup;
  const left = total - warmup;
  const done = count - warmup;
  if (done >= left) return least;
  const z = (left - done) / left;
  return least + (1 - least) * (z / (0.1 + 0.9 * z));
}

/** Names that schedule() knows; reduce_lr_on_plateau is `Plateau`. */
export const scheduleNames = [
  "constant",
  ...Object.keys(decays),
  ...Object.keys(whole),
  "rex",
  "reduce_lr_on_plateau",
];

/** A schedule by its YAML name, with its warmup in front (`constant` has none). */
export function schedule(
  name: string,
  warmup: number,
  settings: ScheduleSettings = {},
): Schedule {
  const { kwargs = {}, learningRate = 1, quadraticWarmup, minRatio, constantRatio } = settings;
  const at = (step: number, total: number): At => ({
    step,
    total,
    warmup,
    kwargs,
    learningRate,
    progress: (step - warmup) / Math.max(1, total - warmup),
  });
  if (name === "reduce_lr_on_plateau" || name === "constant") return () => 1;
  if (name === "rex") return (step, total) => rex(step, total, warmup, minRatio ?? 0);
  if (name in whole) return (step, total) => whole[name](at(step, total));
  if (name === "cosine" && quadraticWarmup) {
    return (step, total) =>
      step < warmup ? linearWarmup(at(step, total)) ** 2 : decays.cosine(at(step, total));
  }
  if (name === "cosine" && minRatio) {
    return (step, total) => {
      if (step < warmup) return linearWarmup(at(step, total));
      const end = constantRatio ? Math.trunc(total * constantRatio) : total;
      const reached = constantRatio ? Math.min(step, end) : step;
      const progress = (reached - warmup) / Math.max(1, end - warmup);
      return (1 - minRatio) * halfWave(progress) + minRatio;
    };
  }
  return (step, total) =>
    step < warmup ? linearWarmup(at(step, total)) : decays[name](at(step, total));
}

/** What `Plateau` remembers; a checkpoint saves it as it is. */
export interface PlateauState {
  factor: number;
  best: number;
  bad: number;
  cooling: number;
}

/** torch.optim.lr_scheduler.ReduceLROnPlateau: less rate when evaluations stop getting better. */
export class Plateau {
  state: PlateauState;
  readonly #kwargs: Record<string, unknown>;
  readonly #learningRate: number;

  constructor(learningRate: number, kwargs: Record<string, unknown> = {}) {
    this.#kwargs = kwargs;
    this.#learningRate = learningRate;
    const worst = kwargs.mode === "max" ? -Infinity : Infinity;
    this.state = { factor: 1, best: worst, bad: 0, cooling: 0 };
  }

  /** Takes note of an evaluation; returns the factor from now on. */
  observe(metric: number): number {
    const { state } = this;
    const { factor = 0.1, patience = 10, cooldown = 0, min_lr = 0, eps = 1e-8 } = this.#kwargs;
    if (this.#better(metric)) {
      state.best = metric;
      state.bad = 0;
    } else state.bad++;
    if (state.cooling > 0) {
      state.cooling--;
      state.bad = 0;
    }
    if (state.bad > Number(patience)) {
      const rate = state.factor * this.#learningRate;
      const next = Math.max(rate * Number(factor), Number(min_lr));
      if (rate - next > Number(eps)) state.factor = next / this.#learningRate;
      state.cooling = Number(cooldown);
      state.bad = 0;
    }
    return state.factor;
  }

  #better(metric: number): boolean {
    const { mode = "min", threshold_mode = "rel", threshold = 1e-4 } = this.#kwargs;
    const { best } = this.state;
    const sign = mode === "max" ? 1 : -1;
    const margin = Number(threshold) * (threshold_mode === "rel" ? best : 1);
    if (!Number.isFinite(best)) return true;
    return mode === "max" ? metric > best + sign * margin : metric < best + sign * margin;
  }
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
