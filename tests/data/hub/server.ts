// A server on this machine that behaves like the Hugging Face hub: an API, `resolve` addresses that
// redirect to another origin (the CDN), ranges, refusals, and the mishaps of a real network.
import { createHash } from "node:crypto";

export interface FakeRepo {
  kind: "models" | "datasets";
  name: string;
  files: Record<string, string | Uint8Array>;
  /** Files kept in LFS: listed with their SHA-256. Default: .parquet, .safetensors, .gz. */
  lfs?: RegExp;
  revisions?: Record<string, string>;
  gated?: boolean;
  private?: boolean;
}

/** What goes wrong with the next requests whose path holds `at`, one mishap per request. */
export interface Mishap {
  at: string;
  status?: number;
  headers?: Record<string, string>;
  /** Bytes sent before the connection breaks. */
  cut?: number;
  /** Flips a bit of the body. */
  damage?: boolean;
}

export const TOKEN = "hf_secret";

export class FakeHub {
  readonly endpoint: string;
  readonly cdn: string;
  /** `METHOD path [range]` of every request. */
  readonly log: string[] = [];
  readonly cdnAuthorizations: (string | null)[] = [];
  mishaps: Mishap[] = [];
  /** Files outside of repositories, by path. */
  plain = new Map<string, { content: Uint8Array<ArrayBuffer>; etag?: string }>();
  pageSize = 2;
  #repos = new Map<string, FakeRepo>();
  #servers: Deno.HttpServer[] = [];

  constructor() {
    const serve = (handle: (request: Request) => Response | Promise<Response>) => {
      const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, handle);
      this.#servers.push(server);
      return `http://127.0.0.1:${server.addr.port}`;
    };
    this.cdn = serve((request) => {
      this.cdnAuthorizations.push(request.headers.get("authorization"));
      return this.#answer(request, () => this.#blob(request));
    });
    this.endpoint = serve((request) => this.#answer(request, () => this.#hub(request)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.shutdown()));
  }

  add(repo: FakeRepo): void {
    this.#repos.set(`${repo.kind}/${repo.name}`, repo);
  }

  /** How many requests had this in their line of the log. */
  count(text: string): number {
    return this.log.filter((line) => line.includes(text)).length;
  }

  async #answer(request: Request, usual: () => Response): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const range = request.headers.get("range");
    this.log.push(`${request.method} ${pathname}${search}${range ? ` ${range}` : ""}`);
    const index = this.mishaps.findIndex(({ at }) => pathname.includes(at));
    const [mishap] = index < 0 ? [] : this.mishaps.splice(index, 1);
    if (mishap?.status) {
      return new Response("no", { status: mishap.status, headers: mishap.headers ?? {} });
    }
    const response = usual();
    if (mishap?.cut === undefined && !mishap?.damage) return response;
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (mishap.damage) bytes[bytes.length >> 1]! ^= 1;
    const headers = new Headers(response.headers);
    headers.set("content-length", String(bytes.length));
    if (mishap.cut === undefined) return new Response(bytes, { status: response.status, headers });
    let sent = false;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (!sent) controller.enqueue(bytes.slice(0, mishap.cut));
        else {
          await new Promise((resolve) => setTimeout(resolve, 20)); // let the first bytes arrive
          controller.close(); // less than announced: the server breaks the connection
        }
        sent = true;
      },
    });
    return new Response(body, { status: response.status, headers });
  }

  #hub(request: Request): Response {
    const url = new URL(request.url);
    const plain = this.plain.get(url.pathname);
    if (plain) return ranged(request, plain.content, plain.etag);
    const api = /^\/api\/(models|datasets)\/(.+?)\/(revision|tree)\/([^/]+)$/.exec(url.pathname);
    const get = /^\/(datasets\/)?(.+?)\/resolve\/([^/]+)\/(.+)$/.exec(url.pathname);
    const repo = this.#repos.get(
      api ? `${api[1]}/${api[2]}` : get ? `${get[1] ? "datasets" : "models"}/${get[2]}` : "",
    );
    const mayRead = request.headers.get("authorization") === `Bearer ${TOKEN}`;
    if (!repo || (repo.private && !mayRead)) return refuse(mayRead ? 404 : 401, "RepoNotFound");
    if (api?.[3] === "revision") {
      const revision = decodeURIComponent(api[4]!);
      const sha = repo.revisions?.[revision] ?? (revision === "main" ? commitOf(repo) : undefined);
      return sha ? Response.json({ sha }) : refuse(404, "RevisionNotFound");
    }
    if (api) {
      const entries = [{ type: "directory", path: "data", size: 0, oid: "0" }, ...listing(repo)];
      const from = Number(url.searchParams.get("cursor") ?? 0), to = from + this.pageSize;
      const next = `${this.endpoint}${url.pathname}?recursive=true&cursor=${to}`;
      const headers = to < entries.length ? { link: `<${next}>; rel="next"` } : undefined;
      return Response.json(entries.slice(from, to), headers && { headers });
    }
    if (repo.gated && !mayRead) return refuse(403, "GatedRepo");
    const path = decodeURIComponent(get![4]!);
    if (!(path in repo.files)) return refuse(404, "EntryNotFound");
    if (!isLfs(repo, path)) return ranged(request, bytesOf(repo.files[path]!), '"git"');
    const location = `${this.cdn}/${repo.kind}/${repo.name}/blob/${encodeURIComponent(path)}`;
    return new Response(null, { status: 302, headers: { location } });
  }

  #blob(request: Request): Response {
    const [, kind, name, path] = /^\/(\w+)\/(.+)\/blob\/(.+)$/.exec(new URL(request.url).pathname)!;
    const repo = this.#repos.get(`${kind}/${name}`)!;
    return ranged(request, bytesOf(repo.files[decodeURIComponent(path!)]!), '"cdn"');
  }
}

function ranged(request: Request, content: Uint8Array<ArrayBuffer>, etag?: string): Response {
  const headers: Record<string, string> = { "accept-ranges": "bytes" };
  if (etag) headers.etag = etag;
  if (etag && request.headers.get("if-none-match") === etag) {
    return new Response(null, { status: 304, headers });
  }
  const condition = request.headers.get("if-range");
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "")?.[1]);
  if (Number.isNaN(from) || (condition && condition !== etag)) {
    headers["content-length"] = String(content.length);
    return new Response(content, { headers });
  }
  if (from >= content.length) {
    headers["content-range"] = `bytes */${content.length}`;
    return new Response(null, { status: 416, headers });
  }
  headers["content-range"] = `bytes ${from}-${content.length - 1}/${content.length}`;
  headers["content-length"] = String(content.length - from);
  return new Response(content.slice(from), { status: 206, headers });
}

function refuse(status: number, code: string): Response {
  return new Response(code, { status, headers: { "x-error-code": code } });
}

function listing(repo: FakeRepo) {
  return Object.entries(repo.files).map(([path, content]) => {
    const bytes = bytesOf(content);
    const blob = createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
    const entry = { type: "file", path, size: bytes.length, oid: blob };
    if (!isLfs(repo, path)) return entry;
    const oid = createHash("sha256").update(bytes).digest("hex");
    return { ...entry, oid: "0".repeat(40), lfs: { oid, size: bytes.length, pointerSize: 130 } };
  });
}

/** As with git, the content decides. */
export function commitOf(repo: FakeRepo): string {
  return createHash("sha1").update(JSON.stringify(listing(repo))).digest("hex");
}

function isLfs(repo: FakeRepo, path: string): boolean {
  return (repo.lfs ?? /\.(parquet|safetensors|gz)$/).test(path);
}

function bytesOf(content: string | Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(typeof content === "string" ? new TextEncoder().encode(content) : content);
}
