import type { Handlers } from "../../protocol.ts";
import type { ChatRequests } from "./requests.ts";

export const handlers: Handlers<ChatRequests> = {};
