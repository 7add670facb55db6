// A whole training run, from the text of a configuration to the files it leaves. The terminal and the
// page call this one function and show what it reports.

import { type Config, type Override, parseConfig, resolvedYaml } from "../config/config.ts";
import { EftError } from "../errors.ts";
import { modelCard } from "../export/model_card.ts";
import { writeModelFiles } from "../export/result.ts";
import type { KernelRecord, Limits } from "../graph/limits.ts";
import type { Device } from "../gpu/device.ts";
import type { EngineName, Host } from "../host/host.ts";
import {
  type Checkpoint,
  readCheckpoint,
  restoreCheckpoint,
  restoreModel,
  writeCheckpoint,
} from "./checkpoint.ts";
import type { RunControl } from "./control.ts";
import type { EndEvent, Report } from "./events.ts";
import { trainingLoop } from "./loop.ts";
import { newProgress, type Progress } from "./progress.ts";
import { onDevices } from "./recovery.ts";
import { checkResume, findCheckpoint, fingerprint } from "./resume.ts";
import { countParameters, prepareSession } from "./session.ts";
import { trainerState } from "./state.ts";
import { type Timing, timingOf } from "./timing.ts";
import { Trainer } from "./trainer.ts";
import { tuneSession } from "./tune.ts";
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
  /** Ends the run after the current step, with a checkpoint; what was learned is kept. */
  signal?: AbortSignal;
  /** Pauses the run between two steps. */
  control?: RunControl;
  /** Called with the trainer before the first and after the last step, while it holds the model. */
  before?: (trainer: Trainer) => Promise<void>;
  after?: (trainer: Trainer) => Promise<void>;
}

/** What attempts at a run share; there are several when devices are lost. */
interface Run {
  host: Host;
  options: RunOptions;
  config: Config;
  report: Report;
  output: OutputFolder;
  /** Whether the output folder was told what it is to hold. */
  begun: boolean;
  /** When it was asked for, as `performance.now()` counts. */
  started: number;
  kernels: KernelRecord | undefined;
  /** What the next attempt goes on from. */
  from: { step: number; path: string } | undefined;
}

/** Trains and writes the result. Throws an EftError for anything a person can mend. */
export async function runTraining(host: Host, options: RunOptions): Promise<EndEvent> {
  const started = performance.now();
  const report: Report = options.onEvent ?? (() => {});
  const { config, notes } = parseConfig(
    options.configText,
    options.configFile,
    options.overrides ?? [],
  );
  const note = (text: string) => report({ event: "note", text });
  notes.forEach(note);
  const output = await OutputFolder.claim(host, config.output_dir, note);
  try {
    const checkpoint = await findCheckpoint(host, config, note);
    const run: Run = {
      host,
      options,
      config,
      report,
      output,
      begun: false,
      started,
      kernels: options.kernels ?? checkpoint?.kernels,
      from: checkpoint && { step: checkpoint.progress.step, path: checkpoint.path },
    };
    return await onDevices(host, options.engine, {
      attempt: (device, again) => attempt(run, device, again),
      kept: () => run.from?.step ?? 0,
      note,
    });
  } catch (error) {
    await output.abandon();
    throw error;
  } finally {
    await output.release();
  }
}

/** Trains on one device to the end; `again` when an earlier one was lost on the way. */
async function attempt(run: Run, device: Device, again: boolean): Promise<EndEvent> {
  const { host, options, config, report, output } = run;
  const overrides = options.overrides ?? [];
  // What was said once holds for every attempt.
  const note = (text: string) => again || report({ event: "note", text });
  const checkpoint = run.from && await readCheckpoint(host, run.from.path);
  if (run.kernels) Object.assign(device.limits, recorded(run.kernels, device));
  if (device.summary.software) {
    note(
      `SOFTWARE ADAPTER: ${device.summary.name} computes on the CPU. ` +
        "Training works but is many times slower than on a GPU.",
    );
  }
  let trainer: Trainer | undefined;
  try {
    const session = await prepareSession(host, config, device.limits, ({ file, done, total }) => {
      report({ event: "progress", what: `download ${file}`, done, total: total ?? done });
    });
    const { data, loaded, totalSteps, memory } = session;
    const dataPrint = await fingerprint(data.train);
    if (checkpoint) session.notes.push(...checkResume(checkpoint, config, dataPrint));
    [...session.notes, ...data.report.notes].forEach(note);
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
      ...(checkpoint ? { resumed_from_step: checkpoint.progress.step } : {}),
    });
    if (!run.kernels && (options.tune ?? !device.summary.software)) {
      await tuneSession(session, device);
    }
    run.kernels = {
      adapter: device.summary.name,
      software: device.limits.software,
      maxBinding: device.limits.maxBinding,
      offsetAlignment: device.limits.offsetAlignment,
      kernels: device.limits.kernels ?? {},
    };
    const text = resolvedYaml(options.configText, overrides, options.configFile);
    const inPlace = checkpoint?.parent === output.path;
    if (!run.begun) await output.begin(text, inPlace ? checkpoint?.progress.step : undefined);
    run.begun = true;
    trainer = await Trainer.create(session, device, (what, done, total) => {
      report({ event: "progress", what, done, total });
    });
    if (checkpoint) await restoreCheckpoint(host, checkpoint, trainer);
    await options.before?.(trainer);
    device.peakBytes = device.allocatedBytes; // the peak of training, not of what came before it

    const keeping = new Keeping(
      run,
      trainer,
      {
        "eft_config.yml": text,
        "kernels.json": JSON.stringify(run.kernels, null, 2) + "\n",
      },
      dataPrint,
      checkpoint,
    );
    const outcome = await trainingLoop({
      session,
      trainer,
      device,
      timing: keeping.timing,
      progress: keeping.progress,
      report,
      save: (options) => keeping.save(options),
      onSamples: (lines) => keeping.samples.push(...lines),
      signal: options.signal,
      control: options.control,
    });
    const { progress } = keeping;
    if (progress.step === 0) {
      throw new EftError("train", "Interrupted before the first step; nothing was written.");
    }
    const bestStep = outcome === "interrupt" ? undefined : await keeping.loadBest();
    const trainLoss = progress.lossSum / progress.step;
    const tokensPerSecond = progress.seconds > 0 ? progress.tokens / progress.seconds : 0;
    const peakBytes = device.peakBytes;
    const wallSeconds = (performance.now() - run.started) / 1000;
    await keeping.finish(outcome !== "interrupt", {
      train_loss: trainLoss,
      train_runtime: wallSeconds,
      tokens_per_second: tokensPerSecond,
      num_input_tokens_seen: progress.tokens,
    }, () => options.after?.(trainer!));
    const end: EndEvent = {
      event: "end",
      steps: progress.step,
      train_loss: trainLoss,
      tokens_per_second: tokensPerSecond,
      trained_tokens: progress.trainedTokens,
      peak_gpu_bytes: peakBytes,
      planned_gpu_bytes: memory.total,
      adapter: device.summary.name,
      engine: device.summary.engine,
      output_dir: config.output_dir,
      wall_seconds: (performance.now() - run.started) / 1000,
      ...(outcome === "end" ? {} : { ended_by: outcome }),
      ...(outcome === "interrupt" ? { checkpoint: keeping.newest } : {}),
      ...(bestStep === undefined ? {} : { best_step: bestStep }),
    };
    report(end);
    return end;
  } finally {
    trainer?.destroy();
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

/** What a run writes: checkpoints while it goes on, and the result at its end. */
class Keeping {
  readonly progress: Progress;
  readonly timing: Timing;
  /** Lines of samples.jsonl. */
  readonly samples: string[];
  /** The newest checkpoint. */
  newest: string | undefined;

  constructor(
    readonly run: Run,
    readonly trainer: Trainer,
    /** Files that every checkpoint and the result have. */
    readonly texts: Record<string, string>,
    readonly dataPrint: string,
    checkpoint: Checkpoint | undefined,
  ) {
    const { config, totalSteps, trainBatches, evaluationBatches } = trainer.session;
    this.progress = checkpoint?.progress ?? newProgress();
    this.samples = checkpoint?.samples ?? [];
    this.newest = checkpoint?.path;
    const stepsPerEpoch = trainBatches.steps(config.gradient_accumulation_steps);
    this.timing = timingOf(config, totalSteps, stepsPerEpoch, evaluationBatches !== undefined);
  }

  async save({ whole }: { whole: boolean }): Promise<void> {
    const { trainer, progress } = this;
    const { host, output, config, report } = this.run;
    const { step } = progress;
    const bestCheckpoint = progress.best?.step === step
      ? `${output.path}/checkpoint-${step}`
      : await this.#best();
    const state = trainerState(trainer.session, progress, {
      timing: this.timing,
      over: false,
      bestCheckpoint,
    });
    this.newest = await output.checkpoint(step, (folder) =>
      writeCheckpoint(host, folder, {
        trainer,
        progress,
        data: this.dataPrint,
        texts: { ...this.#texts(), "trainer_state.json": state },
        onlyModel: config.save_only_model && !whole,
      }));
    if (whole || !config.save_only_model) this.run.from = { step, path: this.newest };
    await output.trim(config.save_total_limit, progress.best?.step);
    report({ event: "checkpoint", step, path: this.newest });
  }

  /** Puts the best model in the place of the last; returns its step when they differ. */
  async loadBest(): Promise<number | undefined> {
    const { trainer, progress } = this;
    const { host, config, report } = this.run;
    if (!config.load_best_model_at_end || !progress.best) return undefined;
    const path = await this.#best();
    if (progress.best.step === progress.step) return undefined;
    if (path === undefined) {
      const text = `The best model, of step ${progress.best.step}, has no checkpoint any more; ` +
        "the result is the last one.";
      report({ event: "note", text });
      return undefined;
    }
    await restoreModel(host, path, trainer);
    const text = `The result is the best model, of step ${progress.best.step} (${path}).`;
    report({ event: "note", text });
    return progress.best.step;
  }

  /** Writes the result; `last` may still look at the model before it is put in its place. */
  async finish(
    over: boolean,
    totals: Record<string, number>,
    last: () => Promise<void> | undefined,
  ): Promise<void> {
    const { trainer, progress, run: { host, output } } = this;
    trainer.hold("use");
    await writeModelFiles(host, output.folder, trainer);
    for (const [name, text] of Object.entries(this.#texts())) await output.write(name, text);
    await output.write("README.md", modelCard(trainer.session, progress, this.texts));
    await last();
    const options = { timing: this.timing, over, totals, bestCheckpoint: await this.#best() };
    await output.finish(trainerState(trainer.session, progress, options));
  }

  async #best(): Promise<string | undefined> {
    const { best } = this.progress;
    return (await this.run.output.checkpoints()).find(({ step }) => step === best?.step)?.path;
  }

  #texts(): Record<string, string> {
    const lines = this.samples.map((line) => line + "\n").join("");
    return { ...this.texts, ...(lines === "" ? {} : { "samples.jsonl": lines }) };
  }
}
