// The messages between the page and the worker in which the engine runs. Every room declares what it
// asks in its requests.ts and answers it in its engine.ts; this file joins them.

import type { BrowserHost } from "../host/browser.ts";
import type { ChatRequests } from "./rooms/chat/requests.ts";
import type { ConfigRequests } from "./rooms/config/requests.ts";
import type { DataRequests } from "./rooms/data/requests.ts";
import type { ModelRequests } from "./rooms/model/requests.ts";
import type { PlanRequests } from "./rooms/plan/requests.ts";
import type { ResultRequests } from "./rooms/result/requests.ts";
import type { RunsRequests } from "./rooms/runs/requests.ts";
import type { StartRequests } from "./rooms/start/requests.ts";
import type { TrainRequests } from "./rooms/train/requests.ts";

/** One kind of request: what is asked, what is answered, and what is reported in between. */
export interface Exchange {
  ask: unknown;
  answer: unknown;
  report?: unknown;
}

/** All requests by name. A name begins with its room: "data.preview". */
export interface Requests
  extends
    StartRequests,
    ModelRequests,
    DataRequests,
    ConfigRequests,
    PlanRequests,
    TrainRequests,
    ChatRequests,
    ResultRequests,
    RunsRequests {}

export type RequestName = keyof Requests;
export type ReportOf<E> = E extends { report: infer R } ? R : never;

/** What a request has at hand while it is answered. */
export interface Context<R = unknown> {
  host: BrowserHost;
  report(event: R): void;
  /** Aborted when the page does not want the answer any more. */
  signal: AbortSignal;
}

/** The answers to a room's requests. */
export type Handlers<R> = {
  [N in keyof R]: R[N] extends Exchange
    ? (ask: R[N]["ask"], context: Context<ReportOf<R[N]>>) => Promise<R[N]["answer"]>
    : never;
};

/** Page to worker. `id` comes back with everything that is said about the request. */
export type Message =
  | { type: "site"; base: string }
  /** What `Host.env` answers from now on: the token and the address of the hub. */
  | { type: "env"; variables: Record<string, string> }
  | { type: "ask"; id: number; name: RequestName; ask: unknown }
  | { type: "cancel"; id: number };

/** Worker to page. */
export type Reply =
  | { type: "report"; id: number; event: unknown }
  | { type: "answer"; id: number; answer: unknown }
  | { type: "error"; id: number; code: string; message: string; stack?: string };
