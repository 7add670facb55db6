// A whole training run, from the text of a configuration to the files it leaves. The terminal and the
// page call this one function and show what it reports.

import { restartFactor } from "../adapter/relora.ts";
import { type Config, type Override, parseConfig, resolvedYaml } from "../config/config.ts";
import { windows } from "../data/batches.ts";
import { EftError } from "../errors.ts";
import { writeResult } from "../export/result.ts";
import type { KernelRecord, Limits } from "../graph/limits.ts";
import { type Device, openDevice } from "../gpu/device.ts";
import { tune } from "../gpu/tuner.ts";
import { lowerGraph } from "../graph/plan.ts";
import { STATISTICS_ROWS } from "../graph/step_scalars.ts";
import type { EngineName, Host } from "../host/host.ts";
import type { EndEvent, EvalEvent, Report, StepEvent } from "./events.ts";
import { schedule, warmupSteps } from "./schedule.ts";
import { countParameters, prepareSession, type Session } from "./session.ts";
import { type LogEntry, trainerState } from "./state.ts";
import { Trainer } from "./trainer.ts";
import { OutputFolder } from "./output_folder.ts";

export interface RunOptions {
  configText: string;
  /** Names the configuration in messages. */
  configFile: string;
  overrides?: Override[];
  engine?: EngineName;
  /** The kernels of an earlier run, to repeat its order of sums. */
  kernels?: KernelRecord;
  /** Measure which kernels are fastest here; by default on a real GPU only. */
  tune?: boolean;
  onEvent?: Report;
  /** Ends the run after the current step; what was learned is kept. */
  signal?: AbortSignal;
  /** Called with the trainer before the first and after the last step, while it holds the model. */
  before?: (trainer: Trainer) => Promise<void>;
  after?: (trainer: Trainer) => Promise<void>;
}

/** Trains and writes the result. Throws an EftError for anything a person can mend. */
export async function runTraining(host: Host, options: RunOptions): Promise<EndEvent> {
  const started = performance.now();
  const report: Report = options.onEvent ?? (() => {});
  const overrides = options.overrides ?? [];
  const { config, notes } = parseConfig(options.configText, options.configFile, overrides);
  for (const text of notes) report({ event: "note", text });
  const output = await OutputFolder.claim(host, config.output_dir);

  const device = await openDevice(host, options.engine);
  if (options.kernels) {
    Object.assign(device.limits, recorded(options.kernels, device));
  }
  if (device.summary.software) {
    report({
      event: "note",
      text: `SOFTWARE ADAPTER: ${device.summary.name} computes on the CPU. ` +
        "Training works but is many times slower than on a GPU.",
    });
  }
  let trainer: Trainer | undefined;
  try {
    const session = await prepareSession(host, config, device.limits);
    const { data, loaded, totalSteps, memory } = session;
    for (const text of session.notes) report({ event: "note", text });
    report({
      event: "start",
      adapter: device.summary.name,
      engine: device.summary.engine,
      software: device.summary.software,
      parameters: countParameters(loaded.model.tensors.values()),
      trained_parameters: countParameters(session.trained.values()),
      planned_gpu_bytes: memory.total,
      steps: totalSteps,
      rows: data.report.rows,
      dropped: Object.values(data.report.dropped).reduce((sum, count) => sum + count, 0),
    });
    if (!options.kernels && (options.tune ?? !device.summary.software)) {
      await tuneSession(session, device);
    }
    await output.begin(resolvedYaml(options.configText, overrides, options.configFile));
    trainer = await Trainer.create(session, device, (what, done, total) => {
      report({ event: "progress", what, done, total });
    });
    await options.before?.(trainer);
    device.peakBytes = device.allocatedBytes; // the peak of training, not of what came before it
    const summary = await loop(session, trainer, device, report, options.signal);
    await writeResult(host, output, trainer);
    const peakBytes = device.peakBytes;
    await options.after?.(trainer);

    const wallSeconds = (performance.now() - started) / 1000;
    const record: KernelRecord = {
      adapter: device.summary.name,
      software: device.limits.software,
      maxBinding: device.limits.maxBinding,
      offsetAlignment: device.limits.offsetAlignment,
      kernels: device.limits.kernels ?? {},
    };
    await output.write("kernels.json", JSON.stringify(record, null, 2) + "\n");
    const previous = await output.finish(
      "trainer_state.json",
      trainerState(session, summary.log, summary.steps, {
        train_loss: summary.trainLoss,
        train_runtime: wallSeconds,
        tokens_per_second: summary.tokensPerSecond,
        num_input_tokens_seen: summary.tokens,
      }),
    );
    if (previous) report({ event: "note", text: `The earlier result is kept in ${previous}.` });
    const end: EndEvent = {
      event: "end",
      steps: summary.steps,
      train_loss: summary.trainLoss,
      tokens_per_second: summary.tokensPerSecond,
      trained_tokens: summary.trainedTokens,
      peak_gpu_bytes: peakBytes,
      planned_gpu_bytes: memory.total,
      adapter: device.summary.name,
      engine: device.summary.engine,
      output_dir: config.output_dir,
      wall_seconds: (performance.now() - started) / 1000,
    };
    report(end);
    return end;
  } catch (error) {
    await output.abandon();
    throw error;
  } finally {
    trainer?.destroy();
    device.destroy();
  }
}

/** The limits of an earlier run, which this device must be able to keep. */
function recorded({ adapter, ...limits }: KernelRecord, device: Device): Partial<Limits> {
  const { maxBinding, offsetAlignment } = device.limits;
  if (limits.maxBinding > maxBinding || limits.offsetAlignment % offsetAlignment !== 0) {
    throw new EftError(
      "device",
      `The kernels recorded on ${adapter} need larger bindings than ${device.summary.name} has.`,
    );
  }
  return limits;
}

/** Milliseconds that choosing kernels may take. */
const tuningBudget = 3000;

async function tuneSession(session: Session, device: Device): Promise<void> {
  const plans = [
    ...[...session.microSteps.values(), ...session.evaluations.values()].map(({ plan }) => plan),
    session.update,
  ];
  const dispatches = plans.flatMap((plan) => plan.dispatches);
  device.limits.kernels = await tune(device, dispatches, tuningBudget);
  for (const plan of plans) plan.dispatches = lowerGraph(plan.graph, device.limits);
}

interface Summary {
  steps: number;
  trainLoss: number;
  tokensPerSecond: number;
  tokens: number;
  trainedTokens: number;
  log: LogEntry[];
}

async function loop(
  session: Session,
  trainer: Trainer,
  device: Device,
  report: Report,
  signal?: AbortSignal,
): Promise<Summary> {
  const { config, totalSteps, trainBatches } = session;
  const accumulation = config.gradient_accumulation_steps;
  const factor = schedule(config.lr_scheduler, warmupSteps(config, totalSteps));
  const restarting = restartFactor(config);
  const rate = (step: number) => config.learning_rate * factor(step, totalSteps) * restarting(step);
  const loggingSteps = config.logging_steps ??
    Math.max(Math.min(Math.trunc(0.005 * totalSteps), 10), 1);
  const evalEvery = evaluationInterval(config, totalSteps, trainBatches.steps(accumulation));
  const log: LogEntry[] = [];
  let step = 0;
  let lossSum = 0;
  let tokens = 0;
  let trainedTokens = 0;
  let intervalTokens = 0;
  let busy = 0;
  let intervalStart = performance.now();
  let intervalFirst = 0;

  const flush = async (epoch: number) => {
    const results = await trainer.results();
    const now = performance.now();
    const seconds = (now - intervalStart) / 1000;
    results.forEach(({ loss, gradientNorm }, i) => {
      if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
        throw new EftError(
          "train",
          `Step ${intervalFirst + i + 1}: the ${Number.isFinite(loss) ? "gradient" : "loss"} is ` +
            "not a number any more. Lower learning_rate, or raise warmup_steps.",
        );
      }
      lossSum += loss;
    });
    if (results.length > 0) {
      const event: StepEvent = {
        event: "step",
        step,
        loss: results.reduce((sum, { loss }) => sum + loss, 0) / results.length,
        learning_rate: rate(step - 1),
        grad_norm: results[results.length - 1].gradientNorm,
        epoch,
        step_ms: seconds * 1000 / results.length,
        tokens_per_second: intervalTokens / seconds,
        seconds_left: (totalSteps - step) * seconds / results.length,
        ...(trainer.relora ? { num_lora_restarts: trainer.relora.restarts } : {}),
      };
      report(event);
      const { loss, learning_rate, grad_norm, num_lora_restarts } = event;
      log.push({ epoch, step, loss, learning_rate, grad_norm, num_lora_restarts });
    }
    busy += seconds;
    intervalTokens = 0;
    intervalFirst = step;
    intervalStart = performance.now();
  };
  const evaluate = async (epoch: number) => {
    const event: EvalEvent = {
      event: "eval",
      step,
      eval_loss: await trainer.evaluate(),
      epoch,
    };
    report(event);
    log.push({ epoch, step, eval_loss: event.eval_loss });
    intervalStart = performance.now();
  };

  if (evalEvery) await evaluate(0);
  intervalStart = performance.now();
  let epoch = 0;
  run: for (let pass = 0; step < totalSteps; pass++) {
    const stepsInPass = trainBatches.steps(accumulation, pass);
    let within = 0;
    for (const window of windows(trainBatches.epoch(pass), accumulation)) {
      if (signal?.aborted) break run;
      await trainer.step(window, rate(step));
      step++;
      epoch = pass + ++within / stepsInPass;
      const real = window.batches.reduce((sum, batch) => sum + batch.realTokens, 0);
      tokens += real;
      intervalTokens += real;
      trainedTokens += window.trainedTokens;
      const evaluating = evalEvery !== undefined && step % evalEvery === 0;
      const last = step === totalSteps;
      if (
        step % loggingSteps === 0 || last || evaluating || trainer.unread === STATISTICS_ROWS
      ) await flush(epoch);
      if (evaluating || (last && evalEvery !== undefined)) await evaluate(epoch);
      if (last) break run;
    }
  }
  if (trainer.unread > 0) await flush(epoch);
  device.check();
  return {
    steps: step,
    trainLoss: lossSum / Math.max(1, step),
    tokensPerSecond: busy > 0 ? tokens / busy : 0,
    tokens,
    trainedTokens,
    log,
  };
}

/** Steps between evaluations; undefined when there is nothing to evaluate or no wish to. */
function evaluationInterval(
  config: Config,
  totalSteps: number,
  stepsPerEpoch: number,
): number | undefined {
  if (config.eval_strategy === "no") return undefined;
  const { eval_steps: steps, evals_per_epoch: perEpoch } = config;
  if (steps !== undefined && steps > 0) {
    return steps < 1 ? Math.max(1, Math.ceil(steps * totalSteps)) : steps;
  }
  if (perEpoch) return Math.max(1, Math.floor(stepsPerEpoch / perEpoch));
  return undefined;
}
