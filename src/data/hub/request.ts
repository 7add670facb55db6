// One request to a server that may be busy, refuse, or not answer: retried where that helps, and an
// error that says what to do where it does not.
import { EftError } from "../../errors.ts";
import type { Network } from "./settings.ts";

const ATTEMPTS = 5;
const CONNECTS = 3;
const MAX_WAIT = 120_000;
/** A connection that brings nothing for so long is taken for dead. */
export const STALL = 60_000;

export interface RequestOptions {
  /** What is asked for, for messages: "the model owner/name". */
  what: string;
  headers?: Record<string, string>;
  /** Statuses to hand back instead of an error. */
  accept?: number[];
  signal?: AbortSignal;
}

/** Whether an error came from the network rather than from an answer. */
export class Unreachable extends EftError {}

/** What is asked for would have to be downloaded, and the network may not be used. */
export class Offline extends EftError {}

export async function request(
  net: Network,
  url: string,
  options: RequestOptions,
): Promise<Response> {
  if (net.offline) {
    throw new Offline(
      net.code,
      `${options.what} is not in the cache (${net.host.cacheFolder}), and offline mode is on. ` +
        advice(
          net,
          "Run once without HF_HUB_OFFLINE, or give a local path.",
          "Download it in the Model room.",
        ),
    );
  }
  const headers: Record<string, string> = { ...options.headers };
  if (net.token && isBelow(url, net.endpoint)) headers.authorization = `Bearer ${net.token}`;
  for (let attempt = 1;; attempt++) {
    let response: Response;
    try {
      response = await fetchInTime(url, headers, [options.signal, net.signal]);
    } catch (cause) {
      if (net.signal?.aborted) throw stopped(net, options.what);
      if (attempt < CONNECTS) {
        await wait(net, attempt);
        continue;
      }
      const { origin } = new URL(url);
      throw new Unreachable(
        net.code,
        `${origin} cannot be reached for ${options.what} (${
          (cause as Error).message
        }). Check the ` +
          advice(
            net,
            "connection; what is in the cache can be used with HF_HUB_OFFLINE=1.",
            "connection; what was downloaded before can be used without one.",
          ),
        {},
        { cause },
      );
    }
    if (response.ok || options.accept?.includes(response.status)) return response;
    await response.body?.cancel();
    const isPassing = response.status === 429 || response.status === 408 || response.status >= 500;
    const retryAfter = response.headers.get("retry-after");
    if (!isPassing || attempt === ATTEMPTS || !await wait(net, attempt, retryAfter)) {
      throw refused(net, url, response, options.what);
    }
  }
}

/** A request whose answer is JSON; `odd` makes the error when it is not. */
export async function requestJson(
  net: Network,
  url: string,
  what: string,
  odd: (cause?: unknown) => EftError,
): Promise<{ value: unknown; headers: Headers }> {
  for (let attempt = 1;; attempt++) {
    const abort = new AbortController();
    const response = await request(net, url, { what, signal: abort.signal });
    const timer = setTimeout(() => abort.abort(new Error("the answer does not end")), STALL);
    try {
      return { value: await response.json(), headers: response.headers };
    } catch (cause) {
      if (cause instanceof SyntaxError || attempt === CONNECTS) throw odd(cause);
      await wait(net, attempt); // cut off in the middle
    } finally {
      clearTimeout(timer);
    }
  }
}

async function fetchInTime(
  url: string,
  headers: Record<string, string>,
  outer: (AbortSignal | undefined)[],
): Promise<Response> {
  const stall = new AbortController();
  const timer = setTimeout(() => stall.abort(new Error("no answer in time")), STALL);
  try {
    const signal = AbortSignal.any([stall.signal, ...outer.filter((each) => each !== undefined)]);
    return await fetch(url, { headers, signal });
  } finally {
    clearTimeout(timer);
  }
}

function isBelow(url: string, endpoint: string): boolean {
  return new URL(url).origin === new URL(endpoint).origin;
}

/** Waits as long as the server asks, else longer each time; false when it asks for too long. */
export async function wait(
  net: Network,
  attempt: number,
  retryAfter: string | null = null,
): Promise<boolean> {
  let delay = net.retryDelay * 2 ** (attempt - 1);
  if (retryAfter !== null) {
    const seconds = Number(retryAfter);
    const asked = Number.isFinite(seconds) ? 1000 * seconds : Date.parse(retryAfter) - Date.now();
    if (asked > MAX_WAIT) return false;
    if (asked >= 0) delay = asked;
  }
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, Math.min(delay, MAX_WAIT));
    net.signal?.addEventListener("abort", done);
    function done() {
      clearTimeout(timer);
      net.signal?.removeEventListener("abort", done);
      resolve();
    }
  });
  return true;
}

/** What to do differs between a terminal and a page. */
export function advice({ host }: Network, terminal: string, page: string): string {
  return host.name === "browser" ? page : terminal;
}

export function stopped(net: Network, what: string): EftError {
  return new EftError(net.code, `The download of ${what} was stopped; what arrived is kept.`);
}

function refused(net: Network, url: string, response: Response, what: string): EftError {
  const { status } = response;
  const reason = response.headers.get("x-error-code") ?? "";
  const atHub = isBelow(url, net.endpoint);
  const tokenAdvice = net.token
    ? "The token that was sent does not give access; check it at " +
      `${net.endpoint}/settings/tokens.`
    : `Make a token at ${net.endpoint}/settings/tokens and ` +
      advice(
        net,
        "set HF_TOKEN to it, or run `hf auth login`.",
        "enter it in the Model room.",
      );
  let message: string;
  if (reason === "GatedRepo") {
    const page = /^(.*?)\/(resolve|api)\//.exec(url)?.[1] ?? url;
    message = `${what} is gated: its owners want to be asked first` +
      ` (${page}). Accept the terms on its page. ${tokenAdvice}`;
  } else if (reason === "RevisionNotFound") {
    message = `${what} has no such revision. Name a branch, a tag or a whole commit.`;
  } else if (reason === "EntryNotFound") {
    message = `${what} does not exist.`;
  } else if (atHub && (status === 401 || status === 403 || status === 404)) {
    message = `${what} does not exist at ${net.endpoint}, or is private. Check the name. ` +
      tokenAdvice;
  } else if (status === 401 || status === 403) {
    message = `${what}: the server refuses access (${status}).`;
  } else if (status === 404 || status === 410) {
    message = `${what} does not exist (${status}).`;
  } else if (status === 429) {
    message = `${what}: the server has had too many requests (429). Try again later` +
      (net.token ? "." : advice(net, ", or set HF_TOKEN", ", or enter a token") +
        ": known users may ask more often.");
  } else {
    message = `${what}: the server answers ${status} ${response.statusText}`.trimEnd() +
      (status >= 500 ? ". Try again later." : ".");
  }
  return new EftError(net.code, message);
}
