// A repository of the Hugging Face hub at one commit: what it holds, and its files in the cache.
// Cache: hub/{models|datasets}--owner--name/ with refs/<revision> (a commit), listings/<commit>.json
// and snapshots/<commit>/<path>. The `@huggingface/hub` package neither resumes nor retries, and its
// cache needs Node's file system, so the three requests are written here.
import { nearest } from "../../config/nearest.ts";
import { EftError } from "../../errors.ts";
import { type Digest, download } from "./download.ts";
import { requestJson, Unreachable } from "./request.ts";
import type { Network } from "./settings.ts";

export type RepoKind = "models" | "datasets";

interface Entry {
  size: number;
  digest: Digest;
}

export interface Repo {
  /** As the config names it. */
  name: string;
  commit: string;
  /** Folder of the cache that the files are downloaded into. */
  folder: string;
  paths: string[];
  /** Bytes of a file; throws as `file` does. */
  size(path: string): number;
  /** Whether a file is in the cache. */
  has(path: string): Promise<boolean>;
  /** Downloads a file unless it is there, and gives its path in the cache. */
  file(path: string): Promise<string>;
}

const COMMIT = /^[0-9a-f]{40}$/;
const PAGES = 1000; // a million files

export function isRepoName(name: string): boolean {
  return /^[\w.-]+(\/[\w.-]+)?$/.test(name) && !/(^|\/)\.|\.\.|--/.test(name);
}

export async function openRepo(
  net: Network,
  kind: RepoKind,
  name: string,
  revision = "main",
): Promise<Repo> {
  const what = `the ${kind === "models" ? "model" : "data set"} ${name}` +
    (revision === "main" ? "" : ` (revision ${revision})`);
  const root = `${net.host.cacheFolder}/hub/${kind}--${name.replace("/", "--")}`;
  const commit = await findCommit(net, kind, name, revision, root, what);
  const entries = await findListing(net, kind, name, commit, root, what);
  const folder = `${root}/snapshots/${commit}`;
  const find = (path: string): Entry => {
    const entry = entries.get(path);
    if (entry) return entry;
    const near = nearest(path, entries.keys());
    throw new EftError(
      net.code,
      `${what} has no file ${path}.${near ? ` Did you mean ${near}?` : ""}`,
    );
  };
  return {
    name,
    commit,
    folder,
    paths: [...entries.keys()],
    size: (path) => find(path).size,
    has: async (path) => await net.host.kind(`${folder}/${path}`) === "file",
    async file(path) {
      const entry = find(path);
      const target = `${folder}/${path}`;
      if (await net.host.kind(target) === "file") return target;
      if (await moveFromOther(net, root, commit, entry, target)) return target;
      const prefix = kind === "datasets" ? "datasets/" : "";
      const encoded = path.split("/").map(encodeURIComponent).join("/");
      await download(net, {
        url: `${net.endpoint}/${prefix}${name}/resolve/${commit}/${encoded}`,
        target,
        name: `${name}/${path}`,
        size: entry.size,
        digest: entry.digest,
      });
      return target;
    },
  };
}

async function findCommit(
  net: Network,
  kind: RepoKind,
  name: string,
  revision: string,
  root: string,
  what: string,
): Promise<string> {
  if (COMMIT.test(revision)) return revision;
  const reference = `${root}/refs/${encodeURIComponent(revision)}`;
  const known = await net.host.kind(reference) === "file"
    ? await net.host.readText(reference)
    : undefined;
  if (known && net.offline) return known;
  const url = `${net.endpoint}/api/${kind}/${name}/revision/${encodeURIComponent(revision)}`;
  try {
    const asked = `${what} (there is no such local path)`;
    const { value } = await requestJson(net, url, asked, (cause) => odd(net, what, cause));
    const sha = (value as { sha?: unknown } | null)?.sha;
    if (typeof sha !== "string" || !COMMIT.test(sha)) throw odd(net, what);
    if (sha !== known) await net.host.write(reference, sha);
    return sha;
  } catch (error) {
    // Without a connection, what was used last time is better than nothing.
    if (error instanceof Unreachable && known) return known;
    throw error;
  }
}

async function findListing(
  net: Network,
  kind: RepoKind,
  name: string,
  commit: string,
  root: string,
  what: string,
): Promise<Map<string, Entry>> {
  const file = `${root}/listings/${commit}.json`;
  if (await net.host.kind(file) === "file") return await readListing(net, file);
  const entries = new Map<string, Entry>();
  const base = `${net.endpoint}/api/${kind}/${name}/tree/${commit}`;
  let url: string | undefined = `${base}?recursive=true`;
  for (let page = 0; url && page < PAGES; page++) {
    const { value, headers } = await requestJson(net, url, what, (cause) => odd(net, what, cause));
    if (!Array.isArray(value)) throw odd(net, what);
    for (const item of value) {
      if (item?.type !== "file") continue;
      const { path, size, oid, lfs } = item;
      if (typeof path !== "string" || !isInside(path) || !Number.isSafeInteger(size)) {
        throw odd(net, what);
      }
      const digest: Digest = lfs
        ? { kind: "sha256", hex: String(lfs.oid) }
        : { kind: "git", hex: String(oid) };
      entries.set(path, { size: lfs?.size ?? size, digest });
    }
    const next: string | undefined = /<([^>]+)>;\s*rel="next"/
      .exec(headers.get("link") ?? "")?.[1];
    url = next && new URL(next, url).href;
  }
  await net.host.write(file, JSON.stringify(Object.fromEntries(entries)));
  return entries;
}

async function readListing(net: Network, file: string): Promise<Map<string, Entry>> {
  try {
    return new Map(Object.entries(JSON.parse(await net.host.readText(file)) as object));
  } catch (cause) {
    throw new EftError(net.code, "this file of the cache is damaged; remove it.", { file }, {
      cause,
    });
  }
}

/** A new commit seldom changes large files: they move over from an older snapshot. */
async function moveFromOther(
  net: Network,
  root: string,
  commit: string,
  entry: Entry,
  target: string,
): Promise<boolean> {
  const { host } = net;
  for (const listing of await host.list(`${root}/listings`)) {
    const other = listing.replace(/\.json$/, "");
    if (other === commit || !COMMIT.test(other)) continue;
    for (const [path, { digest }] of await readListing(net, `${root}/listings/${listing}`)) {
      const source = `${root}/snapshots/${other}/${path}`;
      if (digest.hex !== entry.digest.hex || await host.kind(source) !== "file") continue;
      await host.makeFolder(target.slice(0, target.lastIndexOf("/")));
      await host.rename(source, target);
      return true;
    }
  }
  return false;
}

function isInside(path: string): boolean {
  return path !== "" && !/^[\\/]|(^|[\\/])\.\.?([\\/]|$)|^[A-Za-z]:|\0/.test(path);
}

function odd(net: Network, what: string, cause?: unknown): EftError {
  return new EftError(
    net.code,
    `${what}: ${net.endpoint} does not answer as a hub does. Check HF_ENDPOINT and the connection ` +
      "(a proxy or a login page may stand between).",
    {},
    { cause },
  );
}
