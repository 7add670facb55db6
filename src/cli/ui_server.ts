// Serves the built page and the files that were offered, and nothing else, to this computer only.

import { EftError } from "../errors.ts";
import type { Offers } from "./ui_site.ts";

const types: Record<string, string> = {
  css: "text/css",
  html: "text/html; charset=utf-8",
  js: "text/javascript",
  json: "application/json",
  png: "image/png",
  svg: "image/svg+xml",
  wasm: "application/wasm",
  webmanifest: "application/manifest+json",
};

/** `site` is the folder of the built page; `offers` come before its files. */
export async function serveFiles(
  site: URL,
  offers: Offers,
  port: number,
): Promise<Deno.HttpServer<Deno.NetAddr>> {
  let built: Record<string, number>;
  try {
    built = JSON.parse(await Deno.readTextFile(new URL("files.json", site)));
  } catch (cause) {
    const text = "The page is not built yet. Run `npm run build` first.";
    throw new EftError("command", text, {}, { cause });
  }
  const sizes = { ...built, ...await offeredSizes(offers) };
  const server = Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, (request) => {
    const { hostname, pathname } = new URL(request.url);
    // A site elsewhere that resolves its own name to this address must not read these files.
    if (hostname !== "127.0.0.1" && hostname !== "localhost") return status(403);
    if (request.method !== "GET" && request.method !== "HEAD") return status(405);
    const path = decodeURIComponent(pathname.slice(1)) || "index.html";
    // What a worker of the page keeps for offline use would hide files that change from run to run.
    if (path === "service_worker.js") return textAnswer("", path);
    if (path === "files.json") return textAnswer(JSON.stringify(sizes), path);
    const offer = offers.get(path);
    if (offer && "text" in offer) return textAnswer(offer.text, path);
    const file = offer?.file ?? new URL(encodeURI(path), site);
    if (!offer && !(file as URL).href.startsWith(site.href)) return status(404);
    return fileAnswer(request, file, path);
  });
  return server;
}

async function offeredSizes(offers: Offers): Promise<Record<string, number>> {
  const sizes: Record<string, number> = {};
  for (const [path, offer] of offers) {
    sizes[path] = "text" in offer
      ? new TextEncoder().encode(offer.text).length
      : (await Deno.stat(offer.file)).size;
  }
  return sizes;
}

function status(code: number): Response {
  return new Response(null, { status: code });
}

function textAnswer(text: string, path: string): Response {
  return new Response(text, { headers: headersOf(path) });
}

/** The file, or the one range of it that was asked for. */
async function fileAnswer(request: Request, path: string | URL, name: string): Promise<Response> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path);
  } catch {
    return status(404);
  }
  const { size, isFile } = await file.stat();
  if (!isFile || request.method === "HEAD") {
    file.close();
    return isFile ? new Response(null, { headers: headersOf(name, size) }) : status(404);
  }
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get("range") ?? "") ?? [];
  if (from === undefined) return new Response(file.readable, { headers: headersOf(name, size) });
  const start = Number(from);
  const end = Math.min(to ? Number(to) : size - 1, size - 1);
  if (start > end) {
    file.close();
    return new Response(null, { status: 416, headers: { "Content-Range": `bytes */${size}` } });
  }
  await file.seek(start, Deno.SeekMode.Start);
  const headers = headersOf(name, end - start + 1);
  headers.set("Content-Range", `bytes ${start}-${end}/${size}`);
  return new Response(file.readable.pipeThrough(first(end - start + 1)), { status: 206, headers });
}

function headersOf(name: string, size?: number): Headers {
  const type = types[name.slice(name.lastIndexOf(".") + 1)] ?? "application/octet-stream";
  const headers = new Headers({
    "Content-Type": type,
    "Cache-Control": "no-cache",
    "Accept-Ranges": "bytes",
    "X-Content-Type-Options": "nosniff",
  });
  if (size !== undefined) headers.set("Content-Length", String(size));
  return headers;
}

/** Lets the first `length` bytes pass. */
function first(length: number): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let left = length;
  return new TransformStream({
    transform(chunk, controller) {
      controller.enqueue(chunk.subarray(0, left));
      left -= Math.min(left, chunk.length);
      if (left === 0) controller.terminate();
    },
  });
}
