// Every sentence that the page shows, by room, so that it can be read, corrected and translated in
// one place. What the engine says (notes, errors) comes from the engine.

export const text = {
  rooms: {
    start: "Start",
    model: "Model",
    data: "Data",
    config: "Config",
    train: "Train",
    chat: "Chat",
    runs: "Runs",
  },
  shell: {
    name: "Eft",
    skip: "Skip to the content",
    navigation: "Rooms",
    loading: "Loading",
    theme: { system: "System colours", light: "Light", dark: "Dark" },
    themeButton: (theme: string) => `Colours: ${theme}`,
    private: "Everything stays on this computer.",
    broken: "This part of the page could not be loaded.",
  },
  start: {
    title: "Fine-tune a language model on this computer's GPU",
    lead: "No account, no upload, no install: the model is trained in this page.",
    adapter: "GPU",
    looking: "looking for it",
    software: "software, slow",
  },
  model: { title: "Model" },
  data: { title: "Data" },
  config: { title: "Configuration" },
  plan: { title: "Before the start" },
  train: {
    title: "Train",
    start: "Start",
    startAgain: "Start a new run",
    starting: "starting",
    finished: "finished",
    preparing: (what: string, percent: number) => `${what}: ${percent} %`,
    compiling: "preparing the first step",
    // Runs.
    run: "Run",
    state: {
      running: "running",
      finished: "finished",
      stopped: "stopped",
      failed: "failed",
      paused: "paused",
      cutOff: "cut off",
      elsewhere: "in another tab",
    },
    stepOf: (step: number, steps: number) => `Step ${step} of ${steps}`,
    left: (time: string) => `${time} left`,
    perSecond: (tokens: string) => `${tokens} tokens/s`,
    lossNow: (loss: string) => `loss ${loss}`,
    progress: "Steps done",
    cutOff: (step: number, steps: number) =>
      `This run was cut off at step ${step} of ${steps}: the page was closed or reloaded, or it ` +
      "crashed. It can go on from its last checkpoint, with the numbers it would have had.",
    stopped: (step: number, steps: number) =>
      `This run was stopped at step ${step} of ${steps}. What it learned is kept, and it can go on.`,
    goneOnElsewhere: (name: string) =>
      `The run ${name} goes on in another tab. It can be watched here; it is paused and stopped there.`,
    nothingKept: "The run was stopped before its first step; nothing was kept.",
    // The engine's side.
    busy: "A run is going on in this page. Wait until it ends, or stop it.",
    elsewhere: (name: string) => `The run ${name} goes on in another tab of this browser.`,
    gone: (id: string) => `There is no run ${id} in this browser.`,
    saves: (steps: number) =>
      `A checkpoint is kept every ${
        steps === 1 ? "step" : `${steps} steps`
      }, as the configuration ` +
      "does not say how often (save_steps, saves_per_epoch, save_strategy).",
    full:
      "This browser gives the page no more room to write. Delete runs or models that are not needed " +
      "any more; the run can then go on from its last checkpoint.",
    // Control.
    pause: "Pause",
    pausing: "Pausing after this step",
    goOn: "Go on",
    one: "One step",
    stop: "Stop and keep",
    stopping: "Stopping after this step; the result is written",
    discard: "Stop and discard",
    discardRun: "Discard",
    discarding: "Discarding",
    discarded: "The run was discarded.",
    discardAsks: "Discard this run?",
    discardSays: "What it has learned, its checkpoints and its curves are removed for good.",
    discardYes: "Discard it",
    discardNo: "Keep it",
    pausedAfter: (step: number, loss?: string) =>
      `Paused after step ${step}${loss === undefined ? "" : `, with a loss of ${loss}`}`,
    slowed: (hidden: string, visible: string) =>
      `While this tab was hidden, a step took ${hidden} instead of ${visible}: the browser slows ` +
      "hidden tabs. Keep the tab visible, in a window of its own, for full speed.",
    // Curves.
    curves: "Curves",
    noCurves: "The first numbers come after the first steps.",
    measures: {
      loss: "Loss",
      eval_loss: "Evaluation loss",
      learning_rate: "Learning rate",
      grad_norm: "Gradient norm",
      tokens_per_second: "Tokens per second",
      loss_scale: "Loss scale",
    },
    smoothed: "smoothed",
    raw: "each report",
    evaluation: "evaluation",
    smoothing: "Smoothing",
    logScale: "Log scale",
    horizontal: "X axis",
    bySteps: "steps",
    byTime: "time",
    xStep: "Step",
    xSeconds: "Seconds of training",
    csv: "All points as CSV",
    svg: (title: string) => `${title} as SVG`,
    svgShort: "SVG",
    cursor: "Step under the cursor",
    chart: (title: string, first: string, last: string, steps: number) =>
      `${title}: from ${first} to ${last} at step ${steps}`,
    // The batch of a step.
    showBatch: (step: number) => `Batch of step ${step}`,
    batch: "What made step",
    batchStep: "Step",
    batchEarlier: "Step before",
    batchLater: "Step after",
    batchReading: "Making the batch again",
    batchSays: (tokens: string, trained: string, rows: number, epoch: number) =>
      `${tokens} tokens in ${
        rows === 1 ? "one row" : `${rows} rows`
      }, ${trained} of them trained ` +
      `(coloured), in epoch ${epoch}.`,
    batchRow: (row: number) => `Row ${row}`,
    batchTokens: (tokens: number, length: number) => `${tokens} of ${length} tokens`,
    close: "Close",
    // Samples, notes, checkpoints, log.
    samples: "Samples",
    prompt: "Prompt",
    expected: "In the data",
    atStep: (step: number) => `Step ${step}`,
    notes: "Notes",
    checkpoints: "Checkpoints",
    checkpoint: (step: number) => `step ${step}`,
    log: "Log",
    logShort: (rows: number) => `The last ${rows} rows; the CSV file has all.`,
    step: "Step",
    epoch: "Epoch",
    seconds: "Seconds",
    none: "–",
    spoken: (step: number, steps: number, loss: string, left: string) =>
      `Step ${step} of ${steps}, loss ${loss}, ${left} left.`,
    // The end.
    result: "Result",
    summary: (steps: number, time: string, loss: string, speed: string) =>
      `${steps} steps in ${time}, with a mean loss of ${loss}, at ${speed} tokens per second.`,
    endedBy: {
      "interrupt": "It was stopped; what it learned is kept.",
      "early stopping": "It ended early: the evaluation no longer got better.",
      "watchdog": "It ended early: the loss stayed too high.",
    },
    bestStep: (step: number) => `The result is the best model, of step ${step}.`,
    toChat: "Chat with it",
    toRuns: "Compare with other runs",
    download: (name: string) => `Download ${name}`,
    indicator: (step: number, steps: number) => `${step}/${steps}`,
    cutOffShort: "A run was cut off",
    indicatorStep: "A run goes on, step",
    indicatorLoss: "loss",
  },
  chat: { title: "Chat" },
  runs: { title: "Runs" },
};
