// A file by its address, kept in the cache and asked for again only if it changed.
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { EftError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import { download } from "./download.ts";
import { Unreachable } from "./request.ts";
import type { Network } from "./settings.ts";

/** The path of the file in the cache. */
export async function cachedUrl(net: Network, url: string): Promise<string> {
  const { host } = net;
  const key = bytesToHex(sha256(new TextEncoder().encode(url))).slice(0, 16);
  if (!URL.canParse(url)) throw new EftError(net.code, `${url} is not an address.`);
  const base = new URL(url).pathname.replace(/^.*\//, "");
  const folder = `${host.cacheFolder}/urls/${key}`;
  const target = `${folder}/${base.replace(/[^\w.-]+/g, "_").replace(/^\.+/, "") || "file"}`;
  const headersFile = `${folder}/headers.json`;
  const isHere = await host.kind(target) === "file";
  if (isHere && net.offline) return target;
  const known = isHere ? await readHeaders(host, headersFile) : {};
  try {
    const headers = await download(net, { url, target, name: url, known });
    if (!headers) return target;
    const etag = headers.get("etag"), modified = headers.get("last-modified");
    const next: Record<string, string> = {};
    if (etag) next["if-none-match"] = etag;
    else if (modified) next["if-modified-since"] = modified;
    await host.write(headersFile, JSON.stringify(next));
    return target;
  } catch (error) {
    if (error instanceof Unreachable && isHere) return target;
    throw error;
  }
}

async function readHeaders(host: Host, file: string): Promise<Record<string, string>> {
  if (await host.kind(file) !== "file") return {};
  try {
    return JSON.parse(await host.readText(file));
  } catch {
    return {}; // a damaged record only means that the file is fetched again
  }
}
