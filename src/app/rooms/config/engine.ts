import type { Handlers } from "../../protocol.ts";
import type { ConfigRequests } from "./requests.ts";

export const handlers: Handlers<ConfigRequests> = {};
