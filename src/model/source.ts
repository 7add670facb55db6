// A model or tokenizer by name: the local folder it is in, downloaded from the hub if need be. The
// weights come last, so that a mistake in the small files shows before gigabytes are on their way.
import { isRepoName, openRepo, type Repo } from "../data/hub/repo.ts";
import { type HubOptions, openNetwork } from "../data/hub/settings.ts";
import { EftError } from "../errors.ts";
import type { Host } from "../host/host.ts";

export interface ModelSourceOptions extends HubOptions {
  revision?: string | undefined;
  /** "small": all but the weights. */
  parts?: "all" | "small";
  /** Hears which files are needed before the weights are downloaded; may refuse by throwing. */
  onFiles?: (files: NeededFile[]) => void;
}

export interface NeededFile {
  /** As `onProgress` names it. */
  file: string;
  /** Bytes. */
  size: number;
  /** In the cache already. */
  here: boolean;
}

const SMALL_FILES = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "merges.txt",
  "tokenizer.model",
  "chat_template.jinja",
  "chat_template.json",
];
const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";

/** A local folder is given back as it is; for anything else the folder in the cache. */
export async function resolveModelFolder(
  host: Host,
  nameOrPath: string,
  options: ModelSourceOptions = {},
): Promise<string> {
  const isHere = await host.kind(nameOrPath) !== undefined;
  if (isHere || !isRepoName(nameOrPath)) return nameOrPath; // its readers say what is missing
  const net = await openNetwork(host, options, "model");
  const repo = await openRepo(net, "models", nameOrPath, options.revision);
  const small = SMALL_FILES.filter((name) => repo.paths.includes(name));
  for (const name of small) await repo.file(name);
  if (options.parts === "small") return repo.folder;
  const weights = await weightFiles(host, repo);
  const needed: NeededFile[] = [];
  for (const name of [...small, ...weights]) {
    const file = `${repo.name}/${name}`;
    needed.push({ file, size: repo.size(name), here: await repo.has(name) });
  }
  options.onFiles?.(needed);
  for (const name of weights) await repo.file(name);
  return repo.folder;
}

/** The keys of a config that name a model and its tokenizer. */
export interface ModelKeys {
  base_model: string;
  tokenizer_config?: string | undefined;
  model_revision?: string | undefined;
  hf_use_auth_token?: boolean | undefined;
}

/** How a config wants downloads: which revision, and whether a token may be sent. */
export function modelSource(
  config: ModelKeys,
  onProgress?: ModelSourceOptions["onProgress"],
): ModelSourceOptions {
  const token = config.hf_use_auth_token === false ? false : undefined;
  return { revision: config.model_revision, token, onProgress };
}

/** The folder of the tokenizer: `tokenizer_config`, or the model's. */
export async function resolveTokenizerFolder(
  host: Host,
  config: ModelKeys,
  onProgress?: ModelSourceOptions["onProgress"],
): Promise<string> {
  const name = config.tokenizer_config ?? config.base_model;
  const options = modelSource(config, onProgress);
  if (name !== config.base_model) options.revision = undefined;
  return await resolveModelFolder(host, name, { ...options, parts: "small" });
}

/** The files of the weights; an index is downloaded, as it names the others. */
async function weightFiles(host: Host, repo: Repo): Promise<string[]> {
  if (repo.paths.includes(SINGLE)) return [SINGLE];
  if (!repo.paths.includes(INDEX)) throw noSafetensors(repo);
  const file = await repo.file(INDEX);
  let map: unknown;
  try {
    map = JSON.parse(await host.readText(file)).weight_map;
  } catch (cause) {
    throw new EftError("model", `the index is not JSON: ${(cause as Error).message}.`, { file }, {
      cause,
    });
  }
  if (typeof map !== "object" || map === null) {
    throw new EftError("model", "the index has no `weight_map`.", { file });
  }
  return [...new Set(Object.values(map).map(String))].sort();
}

function noSafetensors(repo: Repo): EftError {
  const weights = repo.paths.filter((path) => /\.(bin|pt|pth|gguf|h5|msgpack|onnx)$/.test(path));
  const found = weights.length > 0
    ? `it holds ${weights.slice(0, 3).join(", ")}${weights.length > 3 ? ", ..." : ""}`
    : "it holds no weights";
  return new EftError(
    "model",
    `the model ${repo.name} has no ${SINGLE}; ${found}. Eft reads safetensors only: look on the ` +
      "model's page for a revision with them (often a pull request: `model_revision: refs/pr/1`), " +
      "or convert it with transformers (save_pretrained).",
  );
}
