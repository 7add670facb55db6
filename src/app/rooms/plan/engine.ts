import type { Handlers } from "../../protocol.ts";
import type { PlanRequests } from "./requests.ts";

export const handlers: Handlers<PlanRequests> = {};
