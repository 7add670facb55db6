// The one entry to data: from an entry of `datasets` to rows, wherever they lie and whatever kind of
// file they are in.
import { nearest } from "../../config/nearest.ts";
import { EftError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import { isRepoName, openRepo, type Repo } from "../hub/repo.ts";
import { type HubOptions, type Network, openNetwork } from "../hub/settings.ts";
import { cachedUrl } from "../hub/url.ts";
import { expandGlob, isGlob, walk } from "./glob.ts";
import { type DatasetType, readerFor, typeOfName } from "./kind.ts";
import { type Layout, layoutOf } from "./layout.ts";
import { hostFile, type SourceFile, type SourceRow, unreadable } from "./row.ts";
import { missingSplit, needsCount, parseSplit, sliceOf } from "./split.ts";

export type { SourceFile, SourceRow } from "./row.ts";

/** The keys of `datasets[]` that say where rows come from. */
export interface DatasetSource {
  path: string;
  name?: string | string[] | undefined;
  split?: string | undefined;
  data_files?: string | string[] | undefined;
  ds_type?: DatasetType | undefined;
  revision?: string | undefined;
}

export interface SourceOptions extends HubOptions {
  /** The split to take when the data set names none: `train`, or `test` for `test_datasets`. */
  phase?: "train" | "test";
}

interface Located {
  splits: Map<string, SourceFile[]>;
  unnamed: boolean;
  dsType: DatasetType | undefined;
}

const READERS = ["json", "csv", "parquet", "text", "arrow"];

/** The rows of a data set, one at a time. Files of the hub are downloaded when they are reached. */
export async function* readRows(
  host: Host,
  dataset: DatasetSource,
  options: SourceOptions = {},
): AsyncGenerator<SourceRow, void> {
  const phase = options.phase ?? "train";
  const parts = parseSplit(dataset.split ?? phase);
  for (const name of [dataset.name].flat()) {
    const located = await locate(host, { ...dataset, name }, options).catch((cause) => {
      throw unreadable(dataset.path, cause);
    });
    for (const part of parts) {
      const files = filesOf(located, part.name, dataset.path);
      const count = needsCount(part) ? await countRows(files, located.dsType) : undefined;
      yield* slice(batches(files, located.dsType), ...sliceOf(part, count));
    }
  }
}

async function* batches(
  files: SourceFile[],
  dsType: DatasetType | undefined,
): AsyncGenerator<SourceRow[], void> {
  for (const file of files) yield* (await readerFor(file, dsType))(file);
}

async function* slice(
  rows: AsyncIterable<SourceRow[]>,
  from: number,
  to: number,
): AsyncGenerator<SourceRow, void> {
  let number = 0;
  if (to <= from) return;
  for await (const batch of rows) {
    for (const row of batch) {
      if (number >= from) yield row;
      if (++number >= to) return;
    }
  }
}

async function countRows(files: SourceFile[], dsType: DatasetType | undefined): Promise<number> {
  let count = 0;
  for await (const batch of batches(files, dsType)) count += batch.length;
  return count;
}

function filesOf({ splits, unnamed }: Located, name: string, path: string): SourceFile[] {
  if (name === "all") return [...splits.values()].flat();
  const files = splits.get(name);
  if (files) return files;
  // A file or a folder without named splits is whatever it is used as.
  const isUsual = /^(train|test|validation|valid|val|dev|eval)$/.test(name);
  if (unnamed && isUsual) return splits.get("train")!;
  throw missingSplit(name, splits.keys(), path);
}

// ---- where the files are -----------------------------------------------------------------------

type OneSource = Omit<DatasetSource, "name"> & { name: string | undefined };

async function locate(host: Host, dataset: OneSource, options: SourceOptions): Promise<Located> {
  const { path, ds_type: dsType, data_files: dataFiles } = dataset;
  const network = () => openNetwork(host, options, "data");
  const only = (files: SourceFile[], type = dsType): Located => ({
    splits: new Map([["train", files]]),
    unnamed: true,
    dsType: type,
  });
  const kind = isUrl(path) ? undefined : await host.kind(path);
  if (dataFiles !== undefined && READERS.includes(path) && kind === undefined) {
    // In the datasets library `path: json` names a reader, not a folder.
    const lists = [dataFiles].flat().map((each) => namedFiles(host, each, network));
    return only((await Promise.all(lists)).flat(), dsType ?? path as DatasetType);
  }
  const onHub = /^hf:\/\/datasets\/([^/@]+\/[^/@]+)(?:@([^/]+))?(?:\/(.+))?$/.exec(path);
  if (onHub) {
    const [, repo, revision, file] = onHub;
    return await locateOnHub(await network(), {
      ...dataset,
      path: repo!,
      revision: revision ? decodeURIComponent(revision) : dataset.revision,
      data_files: file ?? dataFiles,
    });
  }
  if (isUrl(path) || kind === "file" || (kind === undefined && isGlob(path))) {
    return only(await namedFiles(host, path, network));
  }
  if (kind === "folder") return await locateInFolder(host, dataset);
  const near = await nearPath(host, path);
  if (near || !isRepoName(path) || typeOfName(path)) throw nothingAt(path, near);
  return await locateOnHub(await network(), dataset);
}

async function namedFiles(
  host: Host,
  path: string,
  network: () => Promise<Network>,
): Promise<SourceFile[]> {
  if (isUrl(path)) {
    if (/^https?:/.test(path)) {
      return [hostFile(host, path, async () => await cachedUrl(await network(), path))];
    }
    throw new EftError(
      "data",
      `${path}: Eft reads https addresses, hub data sets and local files; copy the file here, or ` +
        "give an https address that needs no login (for buckets, a signed one).",
    );
  }
  if (await host.kind(path) === "file" || !isGlob(path)) return [hostFile(host, path)];
  const paths = await expandGlob(host, path);
  if (paths.length === 0) throw new EftError("data", `no file matches ${path}.`);
  return paths.map((each) => hostFile(host, each));
}

async function locateInFolder(host: Host, dataset: OneSource): Promise<Located> {
  const { path: folder } = dataset;
  const readme = `${folder}/README.md`;
  const layout = layoutOf({
    source: `the folder ${folder}`,
    paths: await walk(host, folder),
    readme: await host.kind(readme) === "file" ? await host.readText(readme) : undefined,
    name: dataset.name,
    dataFiles: dataset.data_files,
  });
  return withFiles(layout, dataset, (path) => hostFile(host, `${folder}/${path}`));
}

async function locateOnHub(net: Network, dataset: OneSource): Promise<Located> {
  let repo: Repo = await openRepo(net, "datasets", dataset.path, dataset.revision);
  const isScript = repo.paths.some((path) => /^[^/]+\.py$/.test(path)) &&
    !repo.paths.some((path) => typeOfName(path) !== undefined);
  if (isScript && dataset.revision === undefined) {
    // Data sets that are programs have been converted by the hub, on a branch of this name.
    repo = await openRepo(net, "datasets", dataset.path, "refs/convert/parquet");
  }
  const layout = layoutOf({
    source: `the data set ${dataset.path}`,
    paths: repo.paths,
    readme: repo.paths.includes("README.md")
      ? await net.host.readText(await repo.file("README.md"))
      : undefined,
    name: dataset.name,
    dataFiles: dataset.data_files,
  });
  return withFiles(
    layout,
    dataset,
    (path) => hostFile(net.host, `${dataset.path}/${path}`, () => repo.file(path)),
  );
}

function withFiles(
  { splits, unnamed }: Layout,
  { ds_type: dsType }: OneSource,
  toFile: (path: string) => SourceFile,
): Located {
  const entries = [...splits].map(([name, paths]) => [name, paths.map(toFile)] as const);
  return { splits: new Map(entries), unnamed, dsType };
}

function isUrl(path: string): boolean {
  return /^[a-z][a-z0-9+]+:\/\//i.test(path);
}

/** What stands beside the place where nothing is, under nearly the same name. */
async function nearPath(host: Host, path: string): Promise<string | undefined> {
  const start = path.lastIndexOf("/") + 1;
  const folder = path.slice(0, start);
  const where = folder.replace(/(.)\/$/, "$1") || ".";
  if (await host.kind(where) !== "folder") return undefined;
  const near = nearest(path.slice(start), await host.list(where));
  return near && folder + near;
}

function nothingAt(path: string, near: string | undefined): EftError {
  return new EftError(
    "data",
    `there is no data set at ${path}.` + (near ? ` Did you mean ${near}?` : "") +
      " `path` is a file, a folder, a pattern like data/*.jsonl, an https address, or the name of " +
      "a data set on the hub.",
  );
}
