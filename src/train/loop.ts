// The loop: steps over the data, and at the right ones a report, an evaluation, a checkpoint. What it
// knows between two steps is all in `Progress`, which is what a checkpoint keeps.

import { type AccumulationWindow, windows } from "../data/batches.ts";
import { EftError } from "../errors.ts";
import type { Device } from "../gpu/device.ts";
import type { RunControl } from "./control.ts";
import { STATISTICS_ROWS } from "../graph/step_scalars.ts";
import type { Report, StepEvent } from "./events.ts";
import { noteEvaluation, outOfPatience, perplexity, type Progress } from "./progress.ts";
import { generateSamples } from "./samples.ts";
import { runSchedule } from "./rates.ts";
import type { Session } from "./session.ts";
import type { Timing } from "./timing.ts";
import type { StepResult, Trainer } from "./trainer.ts";
import { LossWatchdog } from "./watchdog.ts";

export interface LoopOptions {
  session: Session;
  trainer: Trainer;
  device: Device;
  timing: Timing;
  /** Where the run is; goes on from there. */
  progress: Progress;
  report: Report;
  /** Writes a checkpoint of the state that `progress` now describes; one to go on from, if asked. */
  save: (options: { whole: boolean }) => Promise<void>;
  /** Hears of texts that the model has written. */
  onSamples: (lines: string[]) => void;
  signal?: AbortSignal | undefined;
  control?: RunControl | undefined;
}

/** Trains to the end, to an interrupt, or until patience runs out; returns which of them it was. */
export async function trainingLoop(
  options: LoopOptions,
): Promise<"end" | "interrupt" | "early stopping" | "watchdog"> {
  const { session, trainer, device, timing, progress, report, save, onSamples } = options;
  const { signal, control } = options;
  const { config, totalSteps, trainBatches } = session;
  const accumulation = config.gradient_accumulation_steps;
  const { factor, plateau } = runSchedule(config, totalSteps);
  if (progress.plateau) plateau.state = progress.plateau;
  const rate = (step: number) =>
    config.learning_rate * factor(step, totalSteps) * plateau.state.factor;
  const watchdog = new LossWatchdog(config.loss_watchdog_threshold, config.loss_watchdog_patience);
  watchdog.violations = progress.watchdogViolations;
  let barks = false;
  /** The windows whose results are still on the device. */
  const recent: AccumulationWindow[] = [];
  let latest: StepResult | undefined;
  let mark = performance.now();
  let savedAt = progress.step;

  /** Takes the results of steps from the device; they are reported when their time comes. */
  const drain = async () => {
    const first = progress.step - trainer.unread;
    const results = await trainer.results();
    for (const [i, { loss, gradientNorm, lossScale }] of results.entries()) {
      if (Number.isFinite(loss) && Number.isFinite(gradientNorm)) continue;
      const what = !Number.isFinite(loss)
        ? "the loss is not a number any more"
        : lossScale === undefined
        ? "the gradient is not a number any more"
        : "the gradient is beyond 16-bit floats, even without a loss scale";
      const later = recent.slice(i + 1).reduce((sum, { batches }) => sum + batches.length, 0);
      throw new EftError(
        "train",
        `Step ${first + i + 1}: ${what}; ${await trainer.diagnose(recent[i], later)}. ` +
          `Lower learning_rate, or raise warmup_steps${lossScale ? ", or leave out fp16" : ""}.`,
      );
    }
    recent.length = 0;
    latest = results.at(-1) ?? latest;
    const now = performance.now();
    progress.pending.results.push(...results);
    progress.pending.seconds += (now - mark) / 1000;
    mark = now;
  };
  const flush = async () => {
    await drain();
    const { results, tokens, seconds } = progress.pending;
    if (results.length === 0) return;
    const sum = results.reduce((total, { loss }) => total + loss, 0);
    const { step, epoch } = progress;
    const { lossScale } = results[results.length - 1];
    const skipped = results.filter((result) => result.skipped).length;
    const event: StepEvent = {
      event: "step",
      step,
      loss: sum / results.length,
      learning_rate: rate(step - 1),
      grad_norm: (results.findLast((result) => !result.skipped) ?? results[0]).gradientNorm,
      epoch,
      step_ms: seconds * 1000 / results.length,
      tokens_per_second: tokens / seconds,
      seconds_left: (totalSteps - step) * seconds / results.length,
      ...(trainer.relora ? { num_lora_restarts: trainer.relora.restarts } : {}),
      ...(lossScale === undefined ? {} : { loss_scale: lossScale, skipped_steps: skipped }),
    };
    report(event);
    const { loss, learning_rate, grad_norm, num_lora_restarts, loss_scale, skipped_steps } = event;
    progress.log.push({
      epoch,
      step,
      loss,
      learning_rate,
      grad_norm,
      num_lora_restarts,
      loss_scale,
      skipped_steps,
    });
    for (const { loss } of results) progress.lossSum += loss;
    if (watchdog.observe(loss)) {
      barks = true;
      const text = `Stopped after step ${step}: the loss was above loss_watchdog_threshold ` +
        `(${config.loss_watchdog_threshold}) in ${config.loss_watchdog_patience} reports.`;
      report({ event: "note", text });
    }
    progress.watchdogViolations = watchdog.violations;
    progress.seconds += seconds;
    progress.pending = { results: [], tokens: 0, seconds: 0 };
  };
  /** Evaluates; returns whether this is the best model so far. */
  const evaluate = async () => {
    const started = performance.now();
    const { step, epoch } = progress;
    const eval_loss = await trainer.evaluate();
    const seconds = (performance.now() - started) / 1000;
    const eval_ppl = perplexity(eval_loss);
    report({ event: "eval", step, eval_loss, eval_ppl, epoch });
    progress.log.push({
      epoch,
      step,
      eval_loss,
      eval_ppl,
      eval_runtime: seconds,
      eval_samples_per_second: session.data.evaluation.length / seconds,
      eval_steps_per_second: session.evaluationBatches!.count() / seconds,
    });
    if (config.lr_scheduler === "reduce_lr_on_plateau") {
      plateau.observe(eval_loss);
      progress.plateau = plateau.state;
    }
    return noteEvaluation(progress, config, eval_loss);
  };
  const generate = async () => {
    const events = await generateSamples(trainer, progress.step);
    for (const event of events) report(event);
    onSamples(events.map(({ event: _, ...sample }) => JSON.stringify(sample)));
  };
  const stopped = new Promise<void>((resolve) =>
    signal?.addEventListener("abort", () => resolve(), { once: true })
  );
  /** Waits while the run is paused; that time is no part of training. */
  const pause = async () => {
    const open = control?.gate();
    if (!open) return;
    await drain();
    const { loss, gradientNorm: grad_norm } = latest ?? {};
    report({ event: "pause", step: progress.step, loss, grad_norm });
    await Promise.race([open, stopped]);
    mark = performance.now();
  };
  const keep = async (whole: boolean) => {
    await drain();
    progress.optimizer = trainer.scalars.save();
    await save({ whole });
    savedAt = progress.step;
  };

  if (progress.step === 0) {
    if (timing.evaluates) await evaluate();
    if (config.generate_samples) await generate();
  }
  mark = performance.now();
  let outcome: Awaited<ReturnType<typeof trainingLoop>> = "end";
  if (outOfPatience(progress, config)) return "early stopping";
  run: for (; progress.step < totalSteps; progress.pass++, progress.stepInPass = 0) {
    const stepsInPass = trainBatches.steps(accumulation, progress.pass);
    const rest = trainBatches.epoch(progress.pass, progress.stepInPass * accumulation);
    for (const window of windows(rest, accumulation)) {
      if (!signal?.aborted) await pause();
      if (signal?.aborted) {
        outcome = "interrupt";
        break run;
      }
      await trainer.step(window, rate(progress.step));
      recent.push(window);
      progress.step++;
      progress.microStep = trainer.position.microSteps;
      progress.epoch = progress.pass + ++progress.stepInPass / stepsInPass;
      const tokens = window.batches.reduce((sum, batch) => sum + batch.realTokens, 0);
      progress.tokens += tokens;
      progress.pending.tokens += tokens;
      progress.trainedTokens += window.trainedTokens;

      const endsEpoch = progress.stepInPass === stepsInPass;
      const place = { step: progress.step, endsEpoch, last: progress.step === totalSteps };
      const evaluating = timing.evaluateAt(place);
      if (place.step % timing.loggingSteps === 0 || place.last || evaluating) await flush();
      else if (trainer.unread === STATISTICS_ROWS) await drain();
      const best = evaluating && await evaluate();
      const generating = config.generate_samples &&
        (evaluating || (!timing.evaluates && endsEpoch));
      if (generating) {
        await drain();
        await generate();
      }
      const impatient = outOfPatience(progress, config);
      // The best model is on disk whatever the steps of saving are, so that it can be loaded.
      const isKept = best && (config.load_best_model_at_end || config.save_strategy === "best");
      const last = place.last || impatient || barks;
      const saving = timing.saveAt({ ...place, last }) || isKept;
      if (saving) await keep(false);
      // What was done beside training is not part of its time.
      if (evaluating || generating || saving) mark = performance.now();
      if (barks) outcome = "watchdog";
      else if (impatient && !place.last) outcome = "early stopping";
      if (last) break run;
    }
  }
  // Before the last report, so that one who goes on reports as if nothing had been.
  if (outcome === "interrupt" && savedAt < progress.step) await keep(true);
  await flush();
  device.check();
  return outcome;
}
