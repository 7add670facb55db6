// `eft validate CONFIG`: everything that can be known about a run without a GPU and without reading
// its data: the configuration, and whether the files that it names are there.

import { type Config, parseConfig } from "../config/config.ts";
import { EftError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type { Arguments } from "./arguments.ts";
import { readConfig } from "./config_file.ts";
import type { Terminal } from "./terminal.ts";

export async function validate(host: Host, args: Arguments, terminal: Terminal): Promise<void> {
  const { file, text } = await readConfig(host, args);
  const { config, notes } = parseConfig(text, file, args.overrides);
  const found: Findings = { problems: [], notes: [...notes] };
  await checkModel(host, config, found);
  for (const key of ["datasets", "test_datasets", "pretraining_dataset"] as const) {
    for (const [i, dataset] of (config[key] ?? []).entries()) {
      await checkDataset(host, `${key}.${i}`, dataset, found);
    }
  }
  await checkTemplates(host, config, found);
  if (await host.kind(config.output_dir) === "file") {
    found.problems.push(`\`output_dir\`: ${config.output_dir} is a file.`);
  } else if ((await entries(host, config.output_dir)).length > 0) {
    found.notes.push(
      `output_dir: ${config.output_dir} is not empty; a run may refuse to write there`,
    );
  }

  for (const note of found.notes) terminal.event({ event: "note", text: note });
  if (found.problems.length > 0) {
    const { problems } = found;
    const message = problems.length === 1
      ? problems[0]!
      : [`${problems.length} problems`, ...problems.map((each) => `  ${each}`)].join("\n");
    throw new EftError("config", message, { file });
  }
  terminal.say(`${file}: the configuration is valid.`);
  if (terminal.json) terminal.event({ event: "end", valid: true, notes: found.notes });
}

interface Findings {
  problems: string[];
  notes: string[];
}

async function checkModel(host: Host, config: Config, found: Findings) {
  const folders = new Set([config.base_model, config.tokenizer_config]);
  for (const folder of folders) {
    const key = folder === config.base_model ? "base_model" : "tokenizer_config";
    const kind = await host.kind(folder);
    if (kind === undefined && isHubName(folder)) {
      found.notes.push(`${key}: ${folder} is not a folder; on the hub, it was not looked up`);
    } else if (kind !== "folder") {
      found.problems.push(`\`${key}\`: there is no folder ${folder}.`);
    } else {
      const wanted = key === "base_model" ? ["config.json"] : [];
      if (folder === config.tokenizer_config) wanted.push("tokenizer.json");
      const names = await host.list(folder);
      for (const name of wanted.filter((name) => !names.includes(name))) {
        found.problems.push(`\`${key}\`: the folder ${folder} has no ${name}.`);
      }
      if (key === "base_model" && !config.reinit_weights) {
        if (!names.some((name) => name.endsWith(".safetensors"))) {
          found.problems.push(`\`${key}\`: the folder ${folder} has no .safetensors file.`);
        }
      }
    }
  }
}

async function checkDataset(
  host: Host,
  key: string,
  { path, data_files: files }: { path: string; data_files?: string | string[] },
  found: Findings,
) {
  if (/^[a-z][\w+.-]*:\/\//i.test(path)) {
    return found.notes.push(`${key}: ${path} is an address; it was not looked up`);
  }
  if (path === "synthetic" || /[*?[\]]/.test(path)) return;
  const kind = await host.kind(path);
  const isReader = kind === undefined && files !== undefined && !path.includes("/");
  for (const file of files === undefined ? [] : [files].flat()) {
    if (/[*?[\]]|:\/\//.test(file) || (kind === undefined && !isReader)) continue;
    const where = isReader ? file : `${path}/${file}`;
    if (await host.kind(where) === undefined) {
      found.problems.push(`\`${key}.data_files\`: there is no file ${where}.`);
    }
  }
  if (kind !== undefined || isReader) return;
  if (isHubName(path)) {
    found.notes.push(
      `${key}: ${path} is neither file nor folder; on the hub, it was not looked up`,
    );
  } else {
    found.problems.push(`\`${key}.path\`: there is no file or folder ${path}.`);
  }
}

async function checkTemplates(host: Host, config: Config, found: Findings) {
  const given: [string, string | undefined][] = [
    ["chat_template_jinja", config.chat_template_jinja],
    ...config.datasets.map((dataset, i): [string, string | undefined] => [
      `datasets.${i}.chat_template_jinja`,
      dataset.chat_template_jinja,
    ]),
  ];
  for (const [key, value] of given) {
    const isFile = value !== undefined && /^[^{}\n]+\.(jinja2?|j2|txt)$/.test(value);
    if (isFile && await host.kind(value) !== "file") {
      found.problems.push(`\`${key}\`: there is no file ${value}.`);
    }
  }
}

/** `owner/name`, or the single name that old models and data sets have. */
function isHubName(path: string): boolean {
  return /^[\w-][\w.-]*(\/[\w.-]+)?$/.test(path) &&
    !/\.(jsonl?|csv|tsv|parquet|txt|gz)$/i.test(path);
}

async function entries(host: Host, folder: string): Promise<string[]> {
  return await host.kind(folder) === "folder" ? await host.list(folder) : [];
}
