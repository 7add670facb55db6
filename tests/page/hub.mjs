// A hub below a path of the site's own server, so that the page may reach it: the API, files in
// ranges, a gate, and connections that break or hang.

import { createHash } from "node:crypto";

export const TOKEN = "hf_secret";

/**
 * `repos`: name to { files: { path: Buffer }, gated }. The result's `handle` is one for `serveSite`;
 * `mishaps` holds what happens to the next answers for weights: `{ after: bytes, hang }`.
 */
export function fakeHub(repos, prefix = "/hub") {
  const log = [], mishaps = [];
  const sha = (algorithm, ...parts) => {
    const hash = createHash(algorithm);
    for (const part of parts) hash.update(part);
    return hash.digest("hex");
  };
  const commit = sha("sha1", "one commit for all");

  function handle(request, response) {
    const { pathname } = new URL(request.url, "http://localhost");
    if (!pathname.startsWith(`${prefix}/`)) return false;
    const path = pathname.slice(prefix.length);
    const range = request.headers.range;
    log.push(`${path}${range ? ` ${range}` : ""}`);
    const api = /^\/api\/models\/(.+?)\/(revision|tree)\//.exec(path);
    const get = /^\/(.+?)\/resolve\/[^/]+\/(.+)$/.exec(path);
    const repo = repos[(api ?? get)?.[1]];
    if (!repo) return refuse(response, 404, "RepoNotFound");
    if (api?.[2] === "revision") return json(response, { sha: commit });
    if (api) return json(response, Object.entries(repo.files).map(entry));
    if (repo.gated && request.headers.authorization !== `Bearer ${TOKEN}`) {
      return refuse(response, 401, "GatedRepo");
    }
    send(response, repo.files[get[2]], range, get[2].endsWith(".safetensors") && mishaps.shift());
    return true;
  }

  function entry([path, content]) {
    const size = content.length;
    const oid = sha("sha1", `blob ${size}\0`, content);
    const lfs = path.endsWith(".safetensors") && { lfs: { oid: sha("sha256", content), size } };
    return { type: "file", path, size, oid, ...lfs };
  }

  function send(response, content, range, mishap) {
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
    response.writeHead(range ? 206 : 200, {
      "content-length": content.length - from,
      ...(range && { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` }),
    });
    if (!mishap) return response.end(content.subarray(from));
    response.write(content.subarray(from, from + mishap.after), () => {
      if (!mishap.hang) setTimeout(() => response.destroy(), 100); // the bytes arrive first
    });
  }

  return { handle, log, mishaps };
}

function json(response, value) {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(value));
  return true;
}

function refuse(response, status, code) {
  response.writeHead(status, { "x-error-code": code }).end();
  return true;
}
