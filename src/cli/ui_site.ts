// What `eft ui` adds to the page's own files: the files that a configuration names, under the paths
// by which it names them, and its result as a run in the page's list of runs.

import { runFolder, type RunRecord } from "../app/rooms/runs/record.ts";
import type { Config } from "../config/config.ts";
import type { Host } from "../host/host.ts";
import { modelSource, resolveModelFolder } from "../model/source.ts";
import type { RunEvent } from "../train/events.ts";
import type { LogEntry } from "../train/state.ts";

/** Files by the path that the page knows them by. */
export type Offers = Map<string, { file: string } | { text: string }>;

/** A configuration's file and its folder of results. */
interface TerminalRun {
  file: string;
  text: string;
  config: Config;
  /** Where the result lies, when it is not output_dir. */
  folder?: string | undefined;
}

interface TrainerState {
  global_step: number;
  max_steps: number;
  log_history: LogEntry[];
}

/**
 * Offers the configuration, its model and data, and, where there is a result, a run. Returns the
 * run's id.
 */
export async function offerRun(
  host: Host,
  offers: Offers,
  { file, text, config, folder = config.output_dir }: TerminalRun,
): Promise<string | undefined> {
  offers.set(sitePath(file), { text });
  // What has not been downloaded yet is left to the page.
  const source = { ...modelSource(config), offline: true };
  for (const name of new Set([config.base_model, config.tokenizer_config ?? config.base_model])) {
    const found = await resolveModelFolder(host, name, source).catch(() => undefined);
    if (found !== undefined) await offerFolder(host, offers, found, sitePath(name));
  }
  for (const { path } of [...config.datasets, ...config.test_datasets ?? []]) {
    const kind = await host.kind(path);
    if (kind === "file") offers.set(sitePath(path), { file: path });
    if (kind === "folder") await offerFolder(host, offers, path, sitePath(path));
  }
  if (await host.kind(`${folder}/trainer_state.json`) !== "file") return undefined;
  const state: TrainerState = JSON.parse(await host.readText(`${folder}/trainer_state.json`));
  const id = sitePath(folder).replaceAll("/", "-");
  const place = runFolder(id);
  await offerFolder(host, offers, folder, `${place}/output`);
  const events = eventsOf(state);
  const json = (value: unknown) => JSON.stringify(value, null, 2) + "\n";
  offers.set(`${place}/run.json`, { text: json(recordOf(id, file, state)) });
  offers.set(`${place}/events.jsonl`, {
    text: events.map((event) => JSON.stringify(event) + "\n").join(""),
  });
  const started = `${folder}/eft_config.yml`;
  offers.set(
    `${place}/config.yml`,
    await host.kind(started) === "file" ? { file: started } : { text },
  );
  return id;
}

/** A path as the page's host makes it normal: relative, without dots. */
export function sitePath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

async function offerFolder(host: Host, offers: Offers, from: string, to: string): Promise<void> {
  for (const name of await host.list(from)) {
    const kind = await host.kind(`${from}/${name}`);
    if (kind === "folder") await offerFolder(host, offers, `${from}/${name}`, `${to}/${name}`);
    else if (kind === "file") offers.set(`${to}/${name}`, { file: `${from}/${name}` });
  }
}

function recordOf(id: string, file: string, state: TrainerState): RunRecord {
  const last = (name: string) => state.log_history.findLast((entry) => name in entry)?.[name];
  const over = state.global_step >= state.max_steps;
  return {
    id,
    name: file,
    state: over ? "finished" : "stopped",
    step: state.global_step,
    steps: state.max_steps,
    ...(last("loss") === undefined ? {} : { loss: last("loss")! }),
    ...(last("eval_loss") === undefined ? {} : { eval_loss: last("eval_loss")! }),
  };
}

/** The log of a run as the events that the page would have had. */
function eventsOf({ log_history }: TrainerState): RunEvent[] {
  return log_history.flatMap((entry): RunEvent[] => {
    const { step, epoch } = entry;
    if (entry.eval_loss !== undefined) {
      const { eval_loss, eval_ppl = Math.exp(eval_loss) } = entry;
      return [{ event: "eval", step, epoch, eval_loss, eval_ppl }];
    }
    if (entry.loss === undefined) return [];
    const { loss, learning_rate = 0, grad_norm = 0 } = entry;
    const unknown = { step_ms: 0, tokens_per_second: 0, seconds_left: 0 }; // the log has no times
    return [{ event: "step", step, epoch, loss, learning_rate, grad_norm, ...unknown }];
  });
}
