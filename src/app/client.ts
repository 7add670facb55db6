// The page's side of the worker: each request is a promise, each report of it a callback.

import type { Message, Reply, ReportOf, RequestName, Requests } from "./protocol.ts";

/** A failure that the worker reported, with its stable code (see src/errors.ts). */
export class WorkerError extends Error {
  constructor(readonly code: string, message: string) {
    super(message);
  }
}

interface Pending {
  resolve(answer: unknown): void;
  reject(error: Error): void;
  onReport?: ((event: never) => void) | undefined;
}

export interface AskOptions<R> {
  onReport?: (event: R) => void;
  /** Aborting it tells the worker to stop; the request then fails or answers with what it has. */
  signal?: AbortSignal;
}

export class Client {
  #worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  #pending = new Map<number, Pending>();
  #lastId = 0;

  /** `base` is the URL below which the site's files lie. */
  constructor(base: string) {
    this.#worker.onmessage = ({ data }: MessageEvent<Reply>) => this.#receive(data);
    this.#worker.onerror = (event) => {
      for (const { reject } of this.#pending.values()) {
        reject(new WorkerError("internal", event.message || "the worker did not start"));
      }
      this.#pending.clear();
    };
    this.#send({ type: "site", base });
  }

  /** Sets what `Host.env` answers in the worker. */
  setEnv(variables: Record<string, string>): void {
    this.#send({ type: "env", variables });
  }

  ask<N extends RequestName>(
    name: N,
    ask: Requests[N]["ask"],
    { onReport, signal }: AskOptions<ReportOf<Requests[N]>> = {},
  ): Promise<Requests[N]["answer"]> {
    const id = ++this.#lastId;
    const cancel = () => this.#send({ type: "cancel", id });
    signal?.addEventListener("abort", cancel, { once: true });
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, onReport });
      this.#send({ type: "ask", id, name, ask });
      if (signal?.aborted) cancel();
    });
    return answer.finally(() => signal?.removeEventListener("abort", cancel)) as Promise<
      Requests[N]["answer"]
    >;
  }

  #send(message: Message): void {
    this.#worker.postMessage(message);
  }

  #receive(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    if (reply.type === "report") return pending?.onReport?.(reply.event as never);
    this.#pending.delete(reply.id);
    if (reply.type === "answer") pending?.resolve(reply.answer);
    else pending?.reject(new WorkerError(reply.code, reply.message));
  }
}
