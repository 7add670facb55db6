// One file from a server into the cache: goes on where it stopped, and is checked before anything
// reads it.
import { sha1 } from "@noble/hashes/legacy.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { EftError } from "../../errors.ts";
import { advice, request, STALL, stopped, wait } from "./request.ts";
import type { Network } from "./settings.ts";

/** What a file must hash to: SHA-256 of its bytes, or the name that git gives to it. */
export interface Digest {
  kind: "sha256" | "git";
  hex: string;
}

export interface Download {
  url: string;
  target: string;
  /** For messages and progress. */
  name: string;
  /** Both together known, or neither. */
  size?: number;
  digest?: Digest;
  /** Headers that let the server answer "not modified". */
  known?: Record<string, string>;
}

/** How often in a row an attempt may bring no bytes at all. */
const FRUITLESS = 5;
const REPORT_EVERY = 100;

/** Headers of the answer, or undefined when the server says that nothing changed. */
export async function download(net: Network, what: Download): Promise<Headers | undefined> {
  try {
    return await tryDownload(net, what);
  } catch (error) {
    if (!(error instanceof ChecksumError)) throw error;
    // One damaged transfer is chance, two are not.
    return await tryDownload(net, what);
  }
}

class ChecksumError extends EftError {}

async function tryDownload(net: Network, what: Download): Promise<Headers | undefined> {
  const { host } = net;
  const partial = `${what.target}.partial`, tagFile = `${partial}.etag`;
  let tag = await host.kind(tagFile) === "file" ? await host.readText(tagFile) : undefined;
  // Without a digest, only the same version of the file may be gone on with.
  if (!what.digest && !tag) await host.remove(partial);
  let hash = newHash(what);
  let done = await hashPartial(net, partial, hash);
  let size = what.size;
  let headers: Headers | undefined;

  for (let fruitless = 0; !headers || size === undefined || done < size;) {
    if (size !== undefined && done > size) {
      await host.remove(partial);
      hash = newHash(what);
      done = 0;
      if (++fruitless >= FRUITLESS) throw cutOff(net, what, "it is longer than announced");
    }
    if (done === size && done > 0) break;
    const asked: Record<string, string> = { "accept-encoding": "identity" };
    if (done > 0) {
      asked.range = `bytes=${done}-`;
      if (!what.digest) asked["if-range"] = tag!;
    } else Object.assign(asked, what.known);
    const abort = new AbortController();
    const response = await request(net, what.url, {
      what: what.name,
      headers: asked,
      accept: done > 0 ? [416] : [304],
      signal: abort.signal,
    });
    if (response.status === 304) {
      await response.body?.cancel();
      return undefined;
    }
    const startsAt = Number(/^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1]);
    const goesOn = response.status === 206 && startsAt === done;
    if (done > 0 && !goesOn) {
      await host.remove(partial);
      hash = newHash(what);
      done = 0;
      if (response.status !== 200) {
        await response.body?.cancel();
        if (++fruitless >= FRUITLESS) throw cutOff(net, what, "it sends no such part");
        continue;
      }
    }
    headers = response.headers;
    const isPacked = headers.has("content-encoding");
    const length = headers.get("content-length");
    if (what.size === undefined) {
      size = length !== null && !isPacked ? done + Number(length) : undefined;
      tag = strongTag(headers);
      if (tag) await host.write(tagFile, tag);
    }
    const before = done;
    const failure = await store(net, what, partial, response, abort, (bytes) => {
      hash?.update(bytes);
      done += bytes.length;
      return { done, total: size };
    });
    if (net.signal?.aborted) throw stopped(net, what.name);
    if (!failure && (size === undefined || done === size)) break;
    if (!failure && done > size!) continue;
    if (what.size === undefined && !tag) {
      await host.remove(partial); // another version could come
      done = 0;
    }
    fruitless = done > before ? 0 : fruitless + 1;
    if (fruitless >= FRUITLESS) {
      throw cutOff(net, what, failure?.message ?? "it ends too early");
    }
    await wait(net, fruitless + 1);
  }

  if (done === 0) await host.write(partial, ""); // an empty file has no bytes to append
  if (hash && bytesToHex(hash.digest()) !== what.digest!.hex) {
    await host.remove(partial);
    throw new ChecksumError(
      net.code,
      `${what.name} arrived with a wrong checksum twice; it was removed. Something between here ` +
        "and the server changes files, or two runs download it at the same time. Try again.",
    );
  }
  await host.rename(partial, what.target);
  await host.remove(tagFile);
  net.onProgress({ file: what.name, done, total: done });
  return headers ?? new Headers();
}

/** Appends what arrives; gives back what cut it off. */
async function store(
  net: Network,
  what: Download,
  partial: string,
  response: Response,
  abort: AbortController,
  count: (bytes: Uint8Array) => { done: number; total: number | undefined },
): Promise<Error | undefined> {
  let failure: Error | undefined, reported = 0;
  const reader = response.body?.getReader();
  const arriving = (async function* () {
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      for (;;) {
        timer = setTimeout(() => abort.abort(new Error("the connection brings nothing")), STALL);
        const next = await reader?.read();
        clearTimeout(timer);
        if (!next || next.done) return;
        yield next.value;
        const progress = count(next.value);
        if (Date.now() - reported < REPORT_EVERY) continue;
        reported = Date.now();
        net.onProgress({ file: what.name, ...progress });
      }
    } catch (error) {
      failure = error as Error; // ends the file here, in good order
    } finally {
      clearTimeout(timer);
      await reader?.cancel().catch(() => {}); // the connection is of no more use
    }
  })();
  try {
    await net.host.append(partial, arriving);
  } catch (cause) {
    throw new EftError(
      net.code,
      `${what.name} cannot be written to the cache (${(cause as Error).message}). Make room` +
        advice(net, ", or set EFT_HOME to a folder with room.", " in the Model room."),
      { file: partial },
      { cause },
    );
  }
  return failure;
}

function newHash({ digest, size }: Download) {
  if (!digest) return undefined;
  if (digest.kind === "sha256") return sha256.create();
  return sha1.create().update(new TextEncoder().encode(`blob ${size}\0`));
}

/** Length of what an earlier run left, after hashing it. */
async function hashPartial(
  { host }: Network,
  partial: string,
  hash: ReturnType<typeof newHash>,
): Promise<number> {
  if (await host.kind(partial) !== "file") return 0;
  let length = 0;
  const reader = (await host.readStream(partial)).getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    hash?.update(next.value);
    length += next.value.length;
  }
  return length;
}

/** A weak tag (W/...) promises the same meaning, not the same bytes. */
function strongTag(headers: Headers): string | undefined {
  const tag = headers.get("etag");
  return tag && !tag.startsWith("W/") ? tag : undefined;
}

function cutOff(net: Network, what: Download, reason: string): EftError {
  return new EftError(
    net.code,
    `${what.name}: the download breaks off again and again (${reason}). What arrived is kept; ` +
      advice(net, "run the command again to go on.", "start it again to go on."),
  );
}
