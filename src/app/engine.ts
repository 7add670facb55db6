// The one worker of this page. It starts when the first room asks for it.

import { effect } from "@preact/signals";
import { Client } from "./client.ts";
import { hubVariables } from "./hub.ts";

/** The URL below which the site's files lie, also under a sub-path. */
export const siteBase = new URL(".", location.href).href;

let client: Client | undefined;

export function engine(): Client {
  if (!client) {
    const made = client = new Client(siteBase);
    effect(() => made.setEnv(hubVariables.value));
  }
  return client;
}
