// README.md beside a result: what it is, the configuration it was made with, how it did. The layout
// is that of the cards which transformers and Axolotl write, so that the Hugging Face hub shows it.

import { reloraSettings } from "../adapter/relora.ts";
import type { LogEntry } from "../train/state.ts";
import type { Progress } from "../train/progress.ts";
import type { Session } from "../train/session.ts";

export function modelCard(
  session: Session,
  progress: Progress,
  texts: Readonly<Record<string, string>>,
): string {
  const { config, data } = session;
  const isAdapter = session.loaded.lora !== undefined && !reloraSettings(config);
  const name = config.output_dir.replace(/\/+$/, "").replace(/^.*\//, "");
  const head = {
    library_name: isAdapter ? "peft" : "transformers",
    base_model: config.base_model,
    tags: ["eft", "generated_from_trainer", ...(isAdapter ? ["lora"] : [])],
    datasets: config.datasets.map(({ path }) => path),
    pipeline_tag: "text-generation",
  };
  const { dropped, rows, tokens } = data.report;
  const without = Object.values(dropped).reduce((sum, count) => sum + count, 0);
  const last = progress.log.findLast((entry) => entry.eval_loss !== undefined);
  const sections = [
    `---\n${frontMatter(head)}---`,
    `# ${name}`,
    `${isAdapter ? "A LoRA adapter for" : "A fine-tuned version of"} \`${config.base_model}\`, ` +
    `made by Eft from ${list(head.datasets)}.`,
    ...(last
      ? [
        `On the evaluation data: loss ${fixed(last.eval_loss)}, ` +
        `perplexity ${fixed(last.eval_ppl)}.`,
      ]
      : []),
    "<details><summary>Configuration</summary>\n\n" +
    `\`\`\`yaml\n${fenced(texts["eft_config.yml"])}\`\`\`\n\n</details>`,
    "## Data",
    `- ${rows} rows read, ${without} left out; ${data.train.length} samples to train on ` +
    `(${tokens} tokens), ${data.evaluation.length} to evaluate on\n` +
    head.datasets.map((path, i) => `- \`${path}\` (${config.datasets[i].type})`).join("\n"),
    "## Training hyperparameters",
    hyperparameters(session, progress).map(([key, value]) => `- ${key}: ${value}`).join("\n"),
    "## Training results",
    results(progress.log),
  ];
  return sections.join("\n\n") + "\n";
}

function hyperparameters(
  { config, totalSteps }: Session,
  { step, best }: Progress,
): [string, unknown][] {
  const warmup: [string, unknown][] = config.warmup_steps !== undefined
    ? [["lr_scheduler_warmup_steps", config.warmup_steps]]
    : config.warmup_ratio !== undefined
    ? [["lr_scheduler_warmup_ratio", config.warmup_ratio]]
    : [];
  return [
    ["learning_rate", config.learning_rate],
    ["train_batch_size", config.micro_batch_size],
    ["eval_batch_size", config.eval_batch_size],
    ["seed", config.seed],
    ["gradient_accumulation_steps", config.gradient_accumulation_steps],
    ["total_train_batch_size", config.batch_size],
    [
      "optimizer",
      `${config.optimizer}, betas (${config.adam_beta1}, ${config.adam_beta2}), ` +
      `epsilon ${config.adam_epsilon}, weight decay ${config.weight_decay}`,
    ],
    ["lr_scheduler_type", config.lr_scheduler],
    ...warmup,
    ["training_steps", step === totalSteps ? step : `${step} of ${totalSteps}`],
    ...(config.load_best_model_at_end && best
      ? [["best_step", best.step] as [string, unknown]]
      : []),
  ];
}

/** A row for each evaluation, or for each report where there is none. */
function results(log: readonly LogEntry[]): string {
  const evaluations = log.filter((entry) => entry.eval_loss !== undefined);
  const losses = log.filter((entry) => entry.loss !== undefined);
  const lossAt = (step: number) => losses.findLast((entry) => entry.step <= step)?.loss;
  if (evaluations.length === 0) {
    // At most twenty rows, evenly, the last one among them.
    const every = Math.max(1, Math.ceil(losses.length / 20));
    const shown = losses.filter((_, i) => (losses.length - 1 - i) % every === 0);
    return table(
      ["Training Loss", "Epoch", "Step"],
      shown.map(({ loss, epoch, step }) => [fixed(loss), fixed(epoch), String(step)]),
    );
  }
  return table(
    ["Training Loss", "Epoch", "Step", "Validation Loss", "Perplexity"],
    evaluations.map(({ epoch, step, eval_loss, eval_ppl }) => [
      step === 0 ? "No log" : fixed(lossAt(step)),
      fixed(epoch),
      String(step),
      fixed(eval_loss),
      fixed(eval_ppl),
    ]),
  );
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => ":---:")), ...rows.map(line)].join("\n");
}

function frontMatter(fields: Record<string, string | string[]>): string {
  return Object.entries(fields).map(([key, value]) =>
    Array.isArray(value)
      ? `${key}:\n${value.map((each) => `- ${JSON.stringify(each)}\n`).join("")}`
      : `${key}: ${JSON.stringify(value)}\n`
  ).join("");
}

/** A text that cannot end the block it stands in. */
function fenced(text: string): string {
  return text.replaceAll("```", "` ` `").replace(/\n*$/, "\n");
}

function list(paths: readonly string[]): string {
  return paths.map((path) => `\`${path}\``).join(", ");
}

function fixed(value: number | undefined): string {
  return value === undefined ? "" : value.toFixed(4);
}
