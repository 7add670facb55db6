import type { Handlers } from "../../protocol.ts";
import type { ModelRequests } from "./requests.ts";

export const handlers: Handlers<ModelRequests> = {};
