import type { Handlers } from "../../protocol.ts";
import type { DataRequests } from "./requests.ts";

export const handlers: Handlers<DataRequests> = {};
