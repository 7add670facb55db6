// Which files of a folder or repository belong to which split, in the order of the datasets library:
// what the config names, what the README says, what the file and folder names say, all is train.
import { parse } from "yaml";
import { nearest } from "../../config/nearest.ts";
import { EftError } from "../../errors.ts";
import { globPattern, isGlob } from "./glob.ts";
import { typeOfName } from "./kind.ts";

export interface Layout {
  /** Paths by the name of the split. */
  splits: Map<string, string[]>;
  /** Whether nothing names the splits: then all is `train`, and any usual name means it. */
  unnamed: boolean;
}

export interface LayoutRequest {
  /** What the paths belong to, for messages. */
  source: string;
  paths: string[];
  /** The text of README.md. */
  readme?: string | undefined;
  /** The configuration (subset) of the data set. */
  name?: string | undefined;
  dataFiles?: string | string[] | undefined;
}

const SPLIT_WORDS: [split: string, words: RegExp][] = [
  ["train", /^(train|training)$/],
  ["validation", /^(validation|valid|dev|val)$/],
  ["test", /^(test|testing|eval|evaluation)$/],
];

/** Files that describe a data set and hold none of its rows. */
const DESCRIPTIONS =
  /(^|\/)(config|dataset_info|dataset_infos|dataset_dict|state|package|vocab)\.json$|(^|\/)(requirements|license|readme)\.txt$/i;

export function layoutOf(request: LayoutRequest): Layout {
  const { paths, dataFiles, source } = request;
  if (dataFiles !== undefined) {
    return unnamed([dataFiles].flat().flatMap((pattern) => matching(pattern, paths, source)));
  }
  const configs = readConfigs(request.readme);
  const config = chooseConfig(configs, request);
  if (config?.data_files !== undefined) return filesOfConfig(config, paths, source);
  let below = typeof config?.data_dir === "string" ? trimmed(config.data_dir) : undefined;
  if (below === undefined && request.name !== undefined && !config) below = request.name;
  return byNames(
    below ? paths.filter((path) => path.startsWith(`${below}/`)) : paths,
    below ? `${source}/${below}` : source,
  );
}

// ---- names -----------------------------------------------------------------------------------

function byNames(all: string[], source: string): Layout {
  const paths = dataPaths(all);
  if (paths.length === 0) {
    throw new EftError(
      "data",
      `${source} holds no file that Eft reads (json, jsonl, csv, tsv, parquet, txt, each also as ` +
        ".gz). Name the files with `data_files` and their kind with `ds_type`.",
    );
  }
  const sharded = (path: string) => /^data\/([\w.]+?)-\d{5}-of-\d{5}.*\./.exec(path)?.[1];
  const inFolder = (path: string) => splitWord(path.slice(0, path.lastIndexOf("/") + 1));
  const inFile = (path: string) => splitWord(path.slice(path.lastIndexOf("/") + 1));
  for (const splitOf of [sharded, inFolder, inFile]) {
    const splits = new Map<string, string[]>();
    for (const path of paths) {
      const split = splitOf(path);
      if (split) splits.set(split, [...splits.get(split) ?? [], path]);
    }
    if (splits.size > 0) return { splits, unnamed: false };
  }
  return unnamed(paths);
}

function splitWord(path: string): string | undefined {
  const words = path.toLowerCase().split(/[^a-z]+/);
  return SPLIT_WORDS.find(([, pattern]) => words.some((word) => pattern.test(word)))?.[0];
}

/** The files of the most frequent kind. */
function dataPaths(all: string[]): string[] {
  const byType = new Map<string, string[]>();
  for (const path of all) {
    const type = typeOfName(path);
    if (!type || /(^|\/)(\.|__)/.test(path) || DESCRIPTIONS.test(path)) continue;
    byType.set(type, [...byType.get(type) ?? [], path]);
  }
  // Text files are often notes, so they count only where nothing else is.
  if (byType.size > 1) byType.delete("text");
  const groups = [...byType.values()].sort((a, b) => b.length - a.length);
  return groups[0] ?? [];
}

function unnamed(paths: string[]): Layout {
  return { splits: new Map([["train", paths]]), unnamed: true };
}

// ---- README ----------------------------------------------------------------------------------

interface ReadmeConfig {
  config_name: string;
  data_files?: unknown;
  data_dir?: unknown;
  default?: unknown;
}

function readConfigs(readme: string | undefined): ReadmeConfig[] {
  const front = /^\ufeff?---\r?\n([\s\S]*?)\r?\n---/.exec(readme ?? "")?.[1];
  if (!front) return [];
  let data: unknown;
  try {
    data = parse(front, { maxAliasCount: 100 });
  } catch {
    return []; // a broken description is no reason not to read the files
  }
  const configs = (data as { configs?: unknown } | null)?.configs;
  if (!Array.isArray(configs)) return [];
  return configs.filter((each) => typeof each?.config_name === "string");
}

function chooseConfig(
  configs: ReadmeConfig[],
  { name, source, paths }: LayoutRequest,
): ReadmeConfig | undefined {
  const names = configs.map((each) => each.config_name);
  if (name !== undefined) {
    const found = configs.find((each) => each.config_name === name);
    if (found || paths.some((path) => path.startsWith(`${name}/`))) return found;
    if (configs.length === 0 && name === "default") return undefined;
    const near = nearest(name, names);
    throw new EftError(
      "data",
      `${source} has no configuration \`name: ${name}\`` +
        (names.length > 0 ? `; it has ${names.join(", ")}.` : "; it has only one.") +
        (near ? ` Did you mean ${near}?` : ""),
    );
  }
  const standard = configs.length === 1
    ? configs[0]
    : configs.find((each) => each.default === true || each.config_name === "default");
  if (standard || configs.length === 0) return standard;
  throw new EftError(
    "data",
    `${source} has several configurations; set \`name\` to one of ${names.join(", ")}.`,
  );
}

function filesOfConfig(config: ReadmeConfig, paths: string[], source: string): Layout {
  const below = typeof config.data_dir === "string" ? `${trimmed(config.data_dir)}/` : "";
  const matches = (patterns: unknown) =>
    [patterns].flat().filter((each) => typeof each === "string")
      .flatMap((pattern) => matching(below + pattern, paths, source));
  const files = [config.data_files].flat() as unknown[];
  const named = files.filter((each) => typeof each === "object" && each !== null) as {
    split?: unknown;
    path?: unknown;
  }[];
  if (named.length === 0) return unnamed(matches(files));
  const splits = new Map(named.map((each) => [String(each.split ?? "train"), matches(each.path)]));
  return { splits, unnamed: false };
}

/** The paths that a name or pattern stands for; none is an error. */
function matching(pattern: string, paths: string[], source: string): string[] {
  const clean = trimmed(pattern);
  if (paths.includes(clean)) return [clean];
  const folder = paths.filter((path) => path.startsWith(`${clean}/`));
  const test = globPattern(clean);
  const found = isGlob(clean) ? paths.filter((path) => test.test(path)) : dataPaths(folder);
  if (found.length > 0) return found;
  const near = nearest(clean, paths);
  throw new EftError(
    "data",
    `${source} has no file ${clean}.` + (near ? ` Did you mean ${near}?` : ""),
  );
}

function trimmed(path: string): string {
  return path.replace(/^(\.?\/)+|\/+$/g, "");
}
