// The page's side of the worker: each request is a promise, each event of a run a callback.

import type { RunEvent } from "../train/events.ts";
import type { Answers, Reply, Request } from "./protocol.ts";

/** A failure that the worker reported, with its stable code (see src/errors.ts). */
export class WorkerError extends Error {
  constructor(readonly code: string, message: string) {
    super(message);
  }
}

interface Pending {
  resolve(answer: unknown): void;
  reject(error: Error): void;
  onEvent?(event: RunEvent): void;
}

/** A request without the number that connects it with its answer. */
type Unnumbered<R> = R extends Request ? Omit<R, "id"> : never;

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
    this.#worker.postMessage({ type: "site", base });
  }

  ask<T extends Request["type"]>(
    request: Unnumbered<Extract<Request, { type: T }>> & { type: T },
    onEvent?: (event: RunEvent) => void,
  ): Promise<Answers[T]> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as (answer: unknown) => void, reject, onEvent });
      this.#worker.postMessage({ ...request, id });
    });
  }

  #receive(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    if (reply.type === "event") return pending?.onEvent?.(reply.event);
    this.#pending.delete(reply.id);
    if (reply.type === "answer") pending?.resolve(reply.answer);
    else pending?.reject(new WorkerError(reply.code, reply.message));
  }
}
