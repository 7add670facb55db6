// Reads the configuration as the trainer does.

import { checkConfig } from "../../../config/config.ts";
import type { Handlers } from "../../protocol.ts";
import type { ConfigRequests } from "./requests.ts";

export const handlers: Handlers<ConfigRequests> = {
  "config.check": ({ configText, configName }) =>
    Promise.resolve(checkConfig(configText, configName)),
};
