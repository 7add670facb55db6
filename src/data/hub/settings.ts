// Where downloads come from and go to: the variables that Hugging Face's own tools read, the token,
// the cache folder.
import type { ErrorCode } from "../../errors.ts";
import type { Host } from "../../host/host.ts";

export interface DownloadProgress {
  /** The file, as a person would name it. */
  file: string;
  done: number;
  total: number | undefined;
}

export interface HubOptions {
  /** Undefined: `HF_TOKEN`, or what `hf auth login` saved. False: none (`hf_use_auth_token`). */
  token?: string | false | undefined;
  /** Never touch the network; undefined: as `HF_HUB_OFFLINE` says. */
  offline?: boolean | undefined;
  onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Milliseconds before the first retry; it doubles with each. */
  retryDelay?: number | undefined;
  /** Ends a download; what arrived is kept. */
  signal?: AbortSignal | undefined;
}

/** What every request needs to know. */
export interface Network {
  host: Host;
  /** Without a slash at its end. */
  endpoint: string;
  token: string | undefined;
  offline: boolean;
  onProgress: (progress: DownloadProgress) => void;
  retryDelay: number;
  signal: AbortSignal | undefined;
  /** The code of errors: what is being fetched. */
  code: ErrorCode;
}

/** A host from which nothing is downloaded: what is not there or in the cache is an error. */
export function withoutNetwork<H extends Host>(host: H): H {
  return { ...host, env: (name: string) => name === "HF_HUB_OFFLINE" ? "1" : host.env(name) };
}

export async function openNetwork(
  host: Host,
  options: HubOptions,
  code: ErrorCode,
): Promise<Network> {
  const isSet = (name: string) => /^(1|true|yes|on)$/i.test(host.env(name) ?? "");
  return {
    host,
    endpoint: (host.env("HF_ENDPOINT") ?? "https://huggingface.co").replace(/\/+$/, ""),
    token: options.token === false ? undefined : options.token ?? await findToken(host),
    offline: options.offline ??
      ["HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"].some(isSet),
    onProgress: options.onProgress ?? (() => {}),
    retryDelay: options.retryDelay ?? 1000,
    signal: options.signal,
    code,
  };
}

async function findToken(host: Host): Promise<string | undefined> {
  const given = host.env("HF_TOKEN") ?? host.env("HUGGING_FACE_HUB_TOKEN");
  if (given) return given.trim();
  const home = host.env("HOME") ?? host.env("USERPROFILE");
  const folder = host.env("HF_HOME") ?? (home && `${home}/.cache/huggingface`);
  const file = host.env("HF_TOKEN_PATH") ?? (folder && `${folder}/token`);
  if (!file || await host.kind(file) !== "file") return undefined;
  return (await host.readText(file)).trim() || undefined;
}
