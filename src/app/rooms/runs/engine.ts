import type { Handlers } from "../../protocol.ts";
import type { RunsRequests } from "./requests.ts";

export const handlers: Handlers<RunsRequests> = {};
