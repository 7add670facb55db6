// Which steps of a run are reported, evaluated and saved, by the rules of the Hugging Face Trainer.

import type { Config } from "../config/config.ts";

/** Where in a run a step lies; steps count from 1. */
export interface StepPlace {
  step: number;
  /** The last one of its pass over the data. */
  endsEpoch: boolean;
  /** The last one of the run. */
  last: boolean;
}

export interface Timing {
  loggingSteps: number;
  /** Whether there is anything to evaluate, and a wish to. */
  evaluates: boolean;
  /** Steps between; undefined when it does not go by steps. For trainer_state.json. */
  evalSteps: number | undefined;
  saveSteps: number | undefined;
  evaluateAt(place: StepPlace): boolean;
  saveAt(place: StepPlace): boolean;
}

/** The Trainer's `save_steps` for `save_strategy: steps` without a number. */
const defaultSaveSteps = 500;

export function timingOf(
  config: Config,
  totalSteps: number,
  stepsPerEpoch: number,
  hasEvaluationData: boolean,
): Timing {
  const interval = (steps: number | undefined, perEpoch: number | undefined) => {
    if (steps) return steps < 1 ? Math.max(1, Math.ceil(steps * totalSteps)) : steps;
    if (perEpoch) return Math.max(1, Math.ceil(stepsPerEpoch / perEpoch));
    return undefined;
  };
  const evalSteps = interval(config.eval_steps, config.evals_per_epoch);
  const byEpoch = config.eval_strategy === "epoch";
  const evaluates = hasEvaluationData && config.eval_strategy !== "no" &&
    (byEpoch || evalSteps !== undefined);
  const strategy = config.save_strategy;
  const saveSteps = strategy === "steps"
    ? interval(config.save_steps, config.saves_per_epoch) ?? defaultSaveSteps
    : undefined;
  return {
    loggingSteps: config.logging_steps ??
      Math.max(Math.min(Math.trunc(0.005 * totalSteps), 10), 1),
    evaluates,
    evalSteps,
    saveSteps,
    evaluateAt({ step, endsEpoch, last }) {
      if (!evaluates) return false;
      return last || (byEpoch ? endsEpoch : step % evalSteps! === 0);
    },
    saveAt({ step, endsEpoch, last }) {
      if (config.save_first_step && step === 1) return true;
      if (strategy === "no" || strategy === "best") return false;
      return last || (strategy === "epoch" ? endsEpoch : step % saveSteps! === 0);
    },
  };
}
