// The data files that the page keeps below data/ in its private file system. Files are copied in
// pieces, so that one larger than memory can be kept, and only if rows can be read from it.

import { readSomeRows } from "../../../data/preview.ts";
import { readerFor } from "../../../data/sources/kind.ts";
import { unreadable } from "../../../data/sources/row.ts";
import { EftError } from "../../../errors.ts";
import type { Host } from "../../../host/host.ts";
import { freePath, piecesOf, sizeOf } from "../../parts/kept_files.ts";
import type { Context, ReportOf } from "../../protocol.ts";
import type { DataRequests, KeptFile } from "./requests.ts";

const FOLDER = "data";

type Keep = DataRequests["data.keep"];

export async function listKept(host: Host): Promise<KeptFile[]> {
  if (await host.kind(FOLDER) !== "folder") return [];
  const names = await host.list(FOLDER);
  return await Promise.all(names.map(async (name) => {
    const path = `${FOLDER}/${name}`;
    return { name, size: await sizeOf(host, path), isFolder: await host.kind(path) === "folder" };
  }));
}

export async function removeKept(host: Host, name: string): Promise<void> {
  await host.remove(`${FOLDER}/${name}`);
}

export async function keep(
  { name, files }: Keep["ask"],
  { host, report, signal }: Context<ReportOf<Keep>>,
): Promise<Keep["answer"]> {
  const isFolder = files.length > 1 || files.some(([path]) => path !== "");
  const [, stem, ending] = /^(.+?)((?:\.[A-Za-z0-9]+){0,2})$/.exec(clean(name))!;
  const path = await freePath(host, `${FOLDER}/${stem}`, ending);
  if (!isFolder) await firstRow(path, files[0]![1]);
  const total = files.reduce((sum, [, file]) => sum + file.size, 0);
  let written = 0;
  const count = (bytes: number) => report({ path, written: written += bytes, total });
  try {
    for (const [below, file] of files) {
      const target = below.split("/").map(clean).join("/");
      await host.write(isFolder ? `${path}/${target}` : path, piecesOf(file, signal, count));
    }
    if (isFolder) {
      const { failure } = await readSomeRows(host, { path, split: "all" }, 0, 1);
      if (failure) throw failure;
    }
  } catch (error) {
    await host.remove(path);
    throw explained(error, path, total);
  }
  return { path };
}

/** Throws what is wrong with a file that gives not even one row. */
async function firstRow(path: string, file: File): Promise<void> {
  const source = {
    name: path,
    stream: () => Promise.resolve(file.stream() as ReadableStream<Uint8Array<ArrayBuffer>>),
    open: () =>
      Promise.resolve({
        path,
        size: file.size,
        read: async (offset: number, length: number) =>
          new Uint8Array(await file.slice(offset, offset + length).arrayBuffer()),
        close() {},
      }),
  };
  try {
    for await (const rows of (await readerFor(source))(source)) if (rows.length > 0) return;
  } catch (cause) {
    throw unreadable(path, cause);
  }
  throw new EftError("data", "the file has no rows.", { file: path });
}

function explained(error: unknown, path: string, total: number): unknown {
  const { name, message } = error as Error;
  if (error instanceof EftError || name === "AbortError") return error;
  return new EftError(
    "output",
    name === "QuotaExceededError"
      ? `the browser gives this page no room for ${Math.ceil(total / 2 ** 20)} MiB more. Delete ` +
        "files that are not needed any more, or free space on the disk."
      : `it cannot be kept (${message}).`,
    { file: path },
    { cause: error },
  );
}

/** A name that every file system takes and that means nothing in a path or pattern. */
function clean(name: string): string {
  return name.replace(/[^\p{L}\p{N}._ -]+/gu, "-").replace(/^[. -]+|[ .]+$/g, "") || "data";
}
