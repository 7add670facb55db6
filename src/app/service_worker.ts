// Keeps a copy of the whole site, so that the page works without a network. A new version of the site
// is fetched beside the one in use and waits until the page asks for it: a run is never interrupted,
// and pages that are open keep the files they were made with.

/** Each file of the site below this script's folder, with a hash of its content; the build fills it. */
declare const SITE_FILES: Record<string, string>;
declare const SITE_VERSION: string;

// The library of types that the page uses has no service workers; these are the parts needed here.
interface LifeEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface AnsweringEvent extends Event {
  request: Request;
  respondWith(answer: Promise<Response>): void;
}
interface ServiceWorkerScope {
  registration: { scope: string };
  clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener<E extends Event>(name: string, listener: (event: E) => void): void;
}

const scope = self as unknown as ServiceWorkerScope;
const base = scope.registration.scope;
const cachePrefix = `eft ${base} `;
const cacheName = cachePrefix + SITE_VERSION;
/** Kept in each cache: which hash each of its files has. */
const listing = `${base}offline-files.json`;

scope.addEventListener<LifeEvent>("install", (event) => event.waitUntil(install()));
scope.addEventListener<LifeEvent>("activate", (event) => event.waitUntil(activate()));
scope.addEventListener<MessageEvent>("message", ({ data }) => {
  if (data === "take over") scope.skipWaiting();
});
scope.addEventListener<AnsweringEvent>("fetch", (event) => {
  const path = sitePath(event.request);
  if (path !== undefined) event.respondWith(answer(path, event.request));
});

/** Fetches what is new; what an earlier version had unchanged is copied. */
async function install(): Promise<void> {
  const cache = await caches.open(cacheName);
  const earlier = await earlierFiles();
  await Promise.all(
    Object.entries(SITE_FILES).map(async ([path, hash]) => {
      const url = urlOf(path);
      const known = earlier.get(`${path} ${hash}`);
      const response = await known?.match(url) ?? await download(path, url);
      await cache.put(url, response);
    }),
  );
  await cache.put(listing, Response.json(SITE_FILES));
}

async function download(path: string, url: string): Promise<Response> {
  // The browser's own cache may hold another version of a file without a hash in its name.
  const response = await fetch(url, { cache: isHashed(path) ? "default" : "no-cache" });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  // A page may not be answered with what came by a redirection.
  return response.redirected ? new Response(response.body, response) : response;
}

function isHashed(path: string): boolean {
  return path.startsWith("assets/");
}

/** The page is asked for by its folder: many hosts redirect from index.html to there. */
function urlOf(path: string): string {
  return path === "index.html" ? base : base + encodeURI(path);
}

async function earlierFiles(): Promise<Map<string, Cache>> {
  const files = new Map<string, Cache>();
  for (const name of await ownCaches()) {
    const cache = await caches.open(name);
    const list: Record<string, string> = await (await cache.match(listing))?.json() ?? {};
    for (const [path, hash] of Object.entries(list)) files.set(`${path} ${hash}`, cache);
  }
  return files;
}

/** Takes charge of open pages, and lets go of all versions but this one and the last before it. */
async function activate(): Promise<void> {
  const others = (await ownCaches()).filter((name) => name !== cacheName);
  // Other tabs may still run the version before this one and load parts of it.
  await Promise.all(others.slice(0, -1).map((name) => caches.delete(name)));
  await scope.clients.claim();
}

/** Names of this site's caches, the oldest first. */
async function ownCaches(): Promise<string[]> {
  return (await caches.keys()).filter((name) => name.startsWith(cachePrefix));
}

/** The file of the site that is asked for, or undefined for anything that is not in the copy. */
function sitePath({ method, url, mode }: Request): string | undefined {
  if (method !== "GET" || !url.startsWith(base)) return undefined;
  const path = decodeURI(url.slice(base.length).replace(/[?#].*$/, ""));
  if (path === "" && mode === "navigate") return "index.html";
  // A file with a hash in its name may belong to the version before.
  return Object.hasOwn(SITE_FILES, path) || isHashed(path) ? path : undefined;
}

async function answer(path: string, request: Request): Promise<Response> {
  const url = urlOf(path);
  const cache = await caches.open(cacheName);
  return await cache.match(url) ?? await caches.match(url) ?? await fetch(request);
}
